// rows that no registers keep, with sinks
// 2176 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> sinks: array<f32>;
@group(0) @binding(3) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

// The softmax of packed rows; 256 invocations have one, and read it twice.

struct Params {
  first: u32, end: u32, // workgroups that this dispatch covers
  groups: u32, // workgroups of a line, and of some columns of one
  heads: u32, // of the numbers
  nnz: u32, // numbers of a line
  rows: u32,
  slots: u32, // of a line
  headGroup: u32, // heads that read one head of x
  xStrides: vec4u, outputStrides: vec4u, // (sequence, head, row), in rows
  scale: f32, // of the output
}

var<workgroup> partials: array<vec2f, 256>;
var<workgroup> totals: array<vec2f, 16>;

const LEAST = -3.4028234663852886e38;

fn finite(score: f32) -> f32 {
  let bits = bitcast<u32>(score);
  return select(score, LEAST, bits >= 0xff7fffffu && bits <= 0xff800000u);
}

fn weight(score: f32, most: f32) -> f32 {
  return select(exp(min(score - most, 0.0)), 0.0, bitcast<u32>(score) == 0xff7fffffu);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = params.first + (group.y * 32768u + group.x) * 1u + 0u;
  if (index >= params.end) { return; }
  let block = index % params.groups;
  let line = index / params.groups;
  let header = 0u;
  let lists = schedule[header];
  let counts = schedule[header + 1u];
  let own = lane % 256u;
  let row = block * 1u + lane / 256u;
  let span = select(vec2i(), schedule[u32(lists.x) + row], row < params.rows);
  let size = u32(span.y - span.x);
  let first = line * params.nnz + u32(span.x);
  var most = LEAST;
  var sum = 0.0;
  for (var at0 = own; at0 < size; at0 += 1024u) {
    let at1 = at0 + 256u; let at2 = at0 + 512u; let at3 = at0 + 768u;
    var x0 = LEAST; if (at0 < size) { x0 = finite(values[first + at0]); }
    var x1 = LEAST; if (at1 < size) { x1 = finite(values[first + at1]); }
    var x2 = LEAST; if (at2 < size) { x2 = finite(values[first + at2]); }
    var x3 = LEAST; if (at3 < size) { x3 = finite(values[first + at3]); }
    let next = max(most, max(max(x0, x1), max(x2, x3)));
    sum = sum * exp(most - next) + ((weight(x0, next) + weight(x1, next)) + (weight(x2, next) + weight(x3, next)));
    most = next;
  }
  // joined: of each lane
  partials[lane] = vec2f(most, sum);
  // of every 16th lane
  workgroupBarrier();
  if (own < 16u) {
    let some0 = partials[lane];
    let some1 = partials[lane + 16u];
    let some2 = partials[lane + 32u];
    let some3 = partials[lane + 48u];
    let some4 = partials[lane + 64u];
    let some5 = partials[lane + 80u];
    let some6 = partials[lane + 96u];
    let some7 = partials[lane + 112u];
    let some8 = partials[lane + 128u];
    let some9 = partials[lane + 144u];
    let some10 = partials[lane + 160u];
    let some11 = partials[lane + 176u];
    let some12 = partials[lane + 192u];
    let some13 = partials[lane + 208u];
    let some14 = partials[lane + 224u];
    let some15 = partials[lane + 240u];
    let someMost = max(max(max(max(some0.x, some1.x), max(some2.x, some3.x)), max(max(some4.x, some5.x), max(some6.x, some7.x))), max(max(max(some8.x, some9.x), max(some10.x, some11.x)), max(max(some12.x, some13.x), max(some14.x, some15.x))));
    let some = vec2f(someMost, ((((some0.y * exp(some0.x - someMost) + some1.y * exp(some1.x - someMost)) + (some2.y * exp(some2.x - someMost) + some3.y * exp(some3.x - someMost))) + ((some4.y * exp(some4.x - someMost) + some5.y * exp(some5.x - someMost)) + (some6.y * exp(some6.x - someMost) + some7.y * exp(some7.x - someMost)))) + (((some8.y * exp(some8.x - someMost) + some9.y * exp(some9.x - someMost)) + (some10.y * exp(some10.x - someMost) + some11.y * exp(some11.x - someMost))) + ((some12.y * exp(some12.x - someMost) + some13.y * exp(some13.x - someMost)) + (some14.y * exp(some14.x - someMost) + some15.y * exp(some15.x - someMost))))));
    totals[lane / 256u * 16u + own] = some;
  }
  // of the row
  workgroupBarrier();
  let joined0 = totals[lane / 256u * 16u];
  let joined1 = totals[lane / 256u * 16u + 1u];
  let joined2 = totals[lane / 256u * 16u + 2u];
  let joined3 = totals[lane / 256u * 16u + 3u];
  let joined4 = totals[lane / 256u * 16u + 4u];
  let joined5 = totals[lane / 256u * 16u + 5u];
  let joined6 = totals[lane / 256u * 16u + 6u];
  let joined7 = totals[lane / 256u * 16u + 7u];
  let joined8 = totals[lane / 256u * 16u + 8u];
  let joined9 = totals[lane / 256u * 16u + 9u];
  let joined10 = totals[lane / 256u * 16u + 10u];
  let joined11 = totals[lane / 256u * 16u + 11u];
  let joined12 = totals[lane / 256u * 16u + 12u];
  let joined13 = totals[lane / 256u * 16u + 13u];
  let joined14 = totals[lane / 256u * 16u + 14u];
  let joined15 = totals[lane / 256u * 16u + 15u];
  let joinedMost = max(max(max(max(joined0.x, joined1.x), max(joined2.x, joined3.x)), max(max(joined4.x, joined5.x), max(joined6.x, joined7.x))), max(max(max(joined8.x, joined9.x), max(joined10.x, joined11.x)), max(max(joined12.x, joined13.x), max(joined14.x, joined15.x))));
  let joined = vec2f(joinedMost, ((((joined0.y * exp(joined0.x - joinedMost) + joined1.y * exp(joined1.x - joinedMost)) + (joined2.y * exp(joined2.x - joinedMost) + joined3.y * exp(joined3.x - joinedMost))) + ((joined4.y * exp(joined4.x - joinedMost) + joined5.y * exp(joined5.x - joinedMost)) + (joined6.y * exp(joined6.x - joinedMost) + joined7.y * exp(joined7.x - joinedMost)))) + (((joined8.y * exp(joined8.x - joinedMost) + joined9.y * exp(joined9.x - joinedMost)) + (joined10.y * exp(joined10.x - joinedMost) + joined11.y * exp(joined11.x - joinedMost))) + ((joined12.y * exp(joined12.x - joinedMost) + joined13.y * exp(joined13.x - joinedMost)) + (joined14.y * exp(joined14.x - joinedMost) + joined15.y * exp(joined15.x - joinedMost))))));
  let logit = sinks[line % params.heads];
  let top = max(joined.x, logit);
  let summed = joined.y * exp(joined.x - top) + exp(min(logit - top, 0.0));
  let divisor = select(summed, 1.0, summed == 0.0);
  for (var at0 = own; at0 < size; at0 += 1024u) {
    let at1 = at0 + 256u; let at2 = at0 + 512u; let at3 = at0 + 768u;
    if (at0 < size) { output[first + at0] = weight(finite(values[first + at0]), top) / divisor; }
    if (at1 < size) { output[first + at1] = weight(finite(values[first + at1]), top) / divisor; }
    if (at2 < size) { output[first + at2] = weight(finite(values[first + at2]), top) / divisor; }
    if (at3 < size) { output[first + at3] = weight(finite(values[first + at3]), top) / divisor; }
  }
}
