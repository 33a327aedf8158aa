import {SPAN, type Kinds} from '../../plan/index.js';
import {each, lines} from '../text/text.js';
import {spanMask} from '../tile/mask.js';
import {ownNumber, pairOf} from '../tile/places.js';
import {hasStates} from '../tile/states.js';

/** Finds the first tile from a key on that holds something, and what: for a kernel that has the next one in hand while it computes one. */
export const nextFunction = (kinds: Pick<Kinds, 'mask' | 'rows' | 'keys'>): string =>
  hasStates(kinds)
    ? /* wgsl */ `
fn nextFrom(batch: u32, head: u32, row: i32, begin: i32, end: i32) -> vec2i {
  var next = vec2i(begin, NONE);
  while (next.x < end) {
    next.y = stateAt(batch, head, row, next.x);
    if (next.y != NONE) { break; }
    next.x = (next.x / 32 + 1) * 32;
  }
  return next;
}
`
    : '';

/** In front of the tiles of a span: where the first one is that holds something. */
export const firstTile = (kinds: Kinds): string =>
  hasStates(kinds) ? `var next = ${nextFrom('y.x')}; // (begin, what it holds)\nlet first = next.x;` : '';

/** In front of a tile: what it holds, and the next. Tiles of 32 keys have one state, which is loaded once. */
export const nextTile = (kinds: Kinds): string =>
  hasStates(kinds)
    ? lines('let holds = next.y;', 'next.x = y0 + KEYS;', `if (next.x % 32 == 0) { next = ${nextFrom('next.x')}; }`)
    : '';

const nextFrom = (y: string): string => `nextFrom(batch, head, rowsOf.x, ${y}, y.y)`;

/** The mask of one row in an invocation of its own, as tensor cores have it: `own` in place of the interval of each. */
export function ownSpanMask(kinds: Kinds, clips: boolean): string {
  const {mask} = kinds;
  if (mask === 'tensor') return spanMask({owns: 'rows', kinds});
  const clip = (pair: string): string => (clips ? `min(${pair}, vec2i(2147483647, y.y))` : pair);
  const full = `let full = ${clip(pairOf(SPAN, 'full', 'span'))}; // keys that every row attends to`;
  const pair = pairOf(SPAN, 'mask', 'span');
  if (mask === 'bits')
    return lines(full, `let bits = params.bits + u32(${pair}.x + ${pair}.y * ${ownNumber('index')}); // of this row`);
  return lines(
    full,
    `let own = ${clip(`schedule[params.intervals + u32(${pair}.x) + index]`)}; // keys that this row attends to`,
    // A part of a row may end before the row begins.
    'attended += max(0, min(own.y, y.y) - max(own.x, y.x));',
  );
}

/** Hides scores of one row, four at a time: `scores<c>` are those of the keys y0 + 4c …, as many as one pair of bits has or fewer. */
export function hideQuads({mask, rows, keys}: Kinds, clips: boolean, quads: number, hiddenScore: string): string {
  const numbers = (c: number, type: string): string => `${type}(${[0, 1, 2, 3].map((e) => 4 * c + e).join(', ')})`;
  const quad = (c: number, shown: string): string => `scores${c} = select(vec4f(${hiddenScore}), scores${c}, ${shown});`;
  const inPart = 'if (y0 < full.x || y0 + KEYS > full.y) {';
  if (mask === 'interval') {
    return lines(
      inPart,
      'let low = vec4i(own.x - y0); let high = vec4i(own.y - y0);',
      each(quads, (c) => quad(c, `(${numbers(c, 'vec4i')} >= low) & (${numbers(c, 'vec4i')} < high)`)),
      '}',
    );
  }
  const shown = clips ? 'select((1u << u32(y.y - y0)) - 1u, 0xffffu, y.y - y0 >= KEYS)' : '0xffffu';
  const byBits = lines(
    'let both = schedule[bits + u32(y0) / 64u];',
    `let half = (u32(select(both.x, both.y, y0 % 64 >= 32)) >> (u32(y0) % 32u)) & ${shown};`,
    'attended += i32(countOneBits(half));',
    'let word = vec4u(half); let high = vec4i(y.y - y0);',
    each(quads, (c) => quad(c, `(((word >> ${numbers(c, 'vec4u')}) & vec4u(1u)) == vec4u(1u)) & (${numbers(c, 'vec4i')} < high)`)),
  );
  if (mask === 'tensor' && !hasStates({mask, rows, keys})) return lines(`{ ${byBits}`, '}');
  const inSome = mask === 'bits' ? inPart : 'if (holds != ALL || y0 + KEYS > y.y) {';
  return lines(inSome, byBits, '} else { attended += KEYS; }');
}
