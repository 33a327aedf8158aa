import {each, lines} from '../text/text.js';
import type {Grid} from './tile_math.js';

/** How masked pairs are told in partial tiles: by the interval of the row, or by a bit per pair. */
export type Mask = 'interval' | 'bits';

/** A tile of scores, of which some pairs are hidden. */
export interface Masked {
  readonly owns: 'rows' | 'keys';
  readonly mask: Mask;
  /** Clips a span to the keys that its sequence has; '' where all have as many as their tensors. */
  readonly clip: string;
  /** The constant that has the width of a tile, and its value. */
  readonly size: 'KEYS' | 'SIZE';
  readonly width: number;
  readonly grid: Grid;
}

/** What a span (or visit) says of its mask, read in front of its tiles. */
export function spanMask({owns, mask}: Pick<Masked, 'owns' | 'mask'>): string {
  if (mask === 'bits') return '';
  return owns === 'rows'
    ? lines(
        'let full = schedule[span + 2u];      // keys that every row attends to',
        'let intervals = params.intervals + u32(schedule[span + 3u].x);',
      )
    : lines(
        'let full = schedule[visit + 2u].x;  // every row attends to every key',
        'let intervals = params.intervals + u32(schedule[visit + 3u].x);',
      );
}

/** Where row number i has its mask bits. */
export const rowBits = (i: number): string =>
  `let bits${i} = params.maskBits + dot(vec3u(batch, head, row${i}), params.maskStrides.xyz);`;

/** Hides the scores s<i>_<j> of pairs that do not attend. */
export const hide = (masked: Masked): string => (masked.owns === 'rows' ? hideOfRows(masked) : hideOfKeys(masked));

/** Number i owned, number j met. */
const hidden = (i: number, j: number, shown: string): string => `s${i}_${j} = select(HIDDEN, s${i}_${j}, ${shown});`;

/** The workgroup owns rows: key number j of an invocation is `y0 + tx + TX·j` of the span. */
function hideOfRows({mask, clip, size, width, grid: {rows, keys, threadsX}}: Masked): string {
  const key = (j: number): string => `y0 + i32(tx) + ${threadsX * j}`;
  if (mask === 'interval') {
    const last = clip === '' ? 'own.y' : 'min(own.y, y.y)';
    const pair = (i: number, j: number): string => hidden(i, j, `${key(j)} >= own.x && ${key(j)} < ${last}`);
    const row = (i: number): string => `{ let own = schedule[intervals + x${i}];\n${each(keys, (j) => pair(i, j))} }`;
    return `if (y0 < full.x || y0 + ${size} > ${clip === '' ? 'full.y' : 'min(full.y, y.y)'}) {\n${each(rows, row)}\n}`;
  }
  // Spans with bits begin at a word, so the keys of a tile do.
  const bit = (j: number): string => `((w${Math.floor((threadsX * j) / 32)} >> ((tx + ${threadsX * j}u) % 32u)) & 1) == 1`;
  const words = (i: number): string =>
    width === 32
      ? `let both = schedule[bits${i} + u32(y0) / 64u]; let w0 = select(both.x, both.y, y0 % 64 != 0);`
      : each(
          width / 64,
          (w) =>
            `let both${w} = schedule[bits${i} + u32(y0) / 64u + ${w}u]; let w${2 * w} = both${w}.x; let w${2 * w + 1} = both${w}.y;`,
        );
  return each(rows, (i) =>
    lines(
      `{ ${words(i)}`,
      each(keys, (j) => hidden(i, j, `${bit(j)} && ${key(j)} < y.y`)),
      '}',
    ),
  );
}

/** The workgroup owns keys: row number j of an invocation is `place<j>` of the visit. */
function hideOfKeys({mask, clip, size, grid: {rows, keys, threadsX}}: Masked): string {
  const all = (shown: (i: number, j: number) => string): string => each(rows, (i) => each(keys, (j) => hidden(i, j, shown(i, j))));
  const inside = (j: number): string => `begin + i32(tx) + ${threadsX * j} < visited.y`;
  const padding = clip === '' ? '' : all((i) => `key${i} < keysLeft`);
  if (mask === 'bits') {
    return lines(
      each(keys, rowBits),
      all((i, j) => `${inside(j)} && bitOf(schedule[bits${j} + u32(key${i}) / 64u], u32(key${i}))`),
      padding,
    );
  }
  const column = (j: number): string =>
    `{ let theirs = schedule[intervals + u32(place${j})];\n${each(rows, (i) => hidden(i, j, `number${i} >= theirs.x && number${i} < theirs.y`))} }`;
  return lines(
    `if (full == 0) {\n${each(keys, column)}\n}`,
    `if (begin + ${size} > visited.y) {\n${all((_, j) => inside(j))}\n}`,
    padding,
  );
}

/** What `hide` needs. */
export const maskFunctions = ({owns, mask}: Pick<Masked, 'owns' | 'mask'>): string =>
  owns === 'keys' && mask === 'bits'
    ? /* wgsl */ `
fn bitOf(words: vec2i, key: u32) -> bool {
  return ((select(words.x, words.y, key % 64u >= 32u) >> (key % 32u)) & 1) == 1;
}
`
    : '';

/** The mask of one row in an invocation of its own, as tensor cores have it: `own` in place of the interval of each. */
export function ownSpanMask(mask: Mask, lengths: boolean): string {
  if (mask === 'bits') return '';
  const clip = (pair: string): string => (lengths ? `min(${pair}, vec2i(2147483647, y.y))` : pair);
  return lines(
    `let full = ${clip('schedule[span + 2u]')};      // keys that every row attends to`,
    `let own = ${clip('schedule[params.intervals + u32(schedule[span + 3u].x) + index]')}; // keys that this row attends to`,
    // A part of a row may end before the row begins.
    'attended += max(0, min(own.y, y.y) - max(own.x, y.x));',
  );
}

/** Hides scores of one row, four at a time: `scores<c>` are those of the keys y0 + 4c … */
export function hideQuads(mask: Mask, lengths: boolean, quads: number, hiddenScore: string): string {
  const numbers = (c: number, type: string): string => `${type}(${[0, 1, 2, 3].map((e) => 4 * c + e).join(', ')})`;
  const quad = (c: number, shown: string): string => `scores${c} = select(vec4f(${hiddenScore}), scores${c}, ${shown});`;
  if (mask === 'interval') {
    return lines(
      'if (y0 < full.x || y0 + KEYS > full.y) {',
      'let low = vec4i(own.x - y0); let high = vec4i(own.y - y0);',
      each(quads, (c) => quad(c, `(${numbers(c, 'vec4i')} >= low) & (${numbers(c, 'vec4i')} < high)`)),
      '}',
    );
  }
  const shown = lengths ? 'select((1u << u32(y.y - y0)) - 1u, 0xffffu, y.y - y0 >= KEYS)' : '0xffffu';
  return lines(
    '{ let both = schedule[bits + u32(y0) / 64u];',
    `let half = (u32(select(both.x, both.y, y0 % 64 >= 32)) >> (u32(y0) % 32u)) & ${shown};`,
    'attended += i32(countOneBits(half));',
    'let word = vec4u(half); let high = vec4i(y.y - y0);',
    each(quads, (c) => quad(c, `(((word >> ${numbers(c, 'vec4u')}) & vec4u(1u)) == vec4u(1u)) & (${numbers(c, 'vec4i')} < high)`)),
    '}',
  );
}
