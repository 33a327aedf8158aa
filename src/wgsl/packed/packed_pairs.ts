/**
 * Where pairs lie among packed numbers: those that a row has in a span follow one another, so that a word of the section `numbers` beside each interval
 * is enough. `params.pairs` is how many numbers a line has.
 */
export const PLACES = /* wgsl */ `
// What is added to the number of a key in its span, of the interval with a number.
fn placeAt(interval: u32) -> i32 {
  let two = schedule[params.numbers + interval / 2u];
  return select(two.x, two.y, (interval & 1u) != 0u);
}
`;

/** Four numbers, one after another; and the number of a pair, 0 where its interval has no such key. */
export const PAIRS = /* wgsl */ `
fn fourAt(at: u32) -> vec4f {
  return vec4f(values[at], values[at + 1u], values[at + 2u], values[at + 3u]);
}

fn pairAt(own: vec2i, place: i32, y: i32) -> f32 {
  let number = values[u32(place + clamp(y, own.x, max(own.x, own.y - 1)))];
  return select(0.0, number, y >= own.x && y < own.y);
}
`;

/** Where a line begins. */
export const LINE_BEGIN = 'let linePairs = i32(line * params.pairs);';
