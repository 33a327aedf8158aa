import {FOUR_BITS, SPAN, VISIT, type Kinds} from '../../plan/index.js';
import {each, lines} from '../text/text.js';
import {pairOf, type Owns} from './places.js';
import {hasStates} from './states.js';
import type {Grid} from './tile_math.js';

/** A tile of scores, of which some pairs are hidden. */
export interface Masked {
  readonly owns: Owns;
  readonly kinds: Kinds;
  /** Clips a span to the keys that its sequence has; '' where all have as many as their tensors. */
  readonly clip: string;
  /** The constant that has the width of a tile, and its value. */
  readonly size: 'KEYS' | 'SIZE';
  readonly width: number;
  readonly grid: Grid;
}

/** What a span (or visit) says of its mask, read in front of its tiles. */
export function spanMask({owns, kinds: {mask, keys}}: Pick<Masked, 'owns' | 'kinds'>): string {
  if (mask === 'tensor') {
    if (keys === 'list') throw new Error('a mask tensor has bits of all keys in order; those of a list have bits in the schedule');
    return '';
  }
  if (mask === 'own' || mask === 'fours') return '';
  const full =
    owns === 'rows'
      ? `let full = ${pairOf(SPAN, 'full', 'span')}; // keys that every row attends to`
      : `let full = ${pairOf(VISIT, 'full', 'visit')}.x; // every row attends to every key`;
  return lines(full, owns === 'rows' ? maskAt(mask, pairOf(SPAN, 'mask', 'span')) : maskAt(mask, pairOf(VISIT, 'mask', 'visit')));
}

/** Where row 0 has its interval, or its bits and how far rows are apart. */
const maskAt = (mask: 'interval' | 'bits', pair: string): string =>
  mask === 'interval'
    ? `let intervals = params.intervals + u32(${pair}.x);`
    : lines(`let bits = params.bits + u32(${pair}.x);`, `let bitStride = u32(${pair}.y);`);

/** Where row number i has the bits of a mask tensor. */
export const rowBits = ({mask}: Kinds, i: number): string =>
  mask !== 'tensor' ? '' : `let bits${i} = params.maskBits + dot(vec3u(batch, head, row${i}), params.maskStrides.xyz);`;

/** Hides the scores s<i>_<j> of pairs that do not attend. */
export const hide = (masked: Masked): string => (masked.owns === 'rows' ? hideOfRows(masked) : hideOfKeys(masked));

/** Number i owned, number j met. */
const hidden = (i: number, j: number, shown: string): string => `s${i}_${j} = select(HIDDEN, s${i}_${j}, ${shown});`;

/** Whether number i of four attends to what their list has as number j. */
const ofFour = (i: number, j: number): string => `(word${j} & ${1 << (FOUR_BITS + i)}) != 0`;

/** The workgroup owns rows: key number j of an invocation is `y0 + tx + TX·j` of the span. */
function hideOfRows({kinds, clip, size, width, grid: {rows, keys, threadsX}}: Masked): string {
  const {mask} = kinds;
  const inPart = (body: string): string =>
    `if (y0 < full.x || y0 + ${size} > ${clip === '' ? 'full.y' : 'min(full.y, y.y)'}) {\n${body}\n}`;
  if (mask === 'own') return each(keys, (j) => hidden(0, j, `y0 + ${j} < y.y`));
  if (mask === 'fours') return each(rows, (i) => each(keys, (j) => hidden(i, j, `${ofFour(i, j)} && y0 + ${j} < y.y`)));
  const key = (j: number): string => `y0 + i32(tx) + ${threadsX * j}`;
  if (mask === 'interval') {
    const last = clip === '' ? 'own.y' : 'min(own.y, y.y)';
    const pair = (i: number, j: number): string => hidden(i, j, `${key(j)} >= own.x && ${key(j)} < ${last}`);
    const row = (i: number): string => `{ let own = schedule[intervals + x${i}];\n${each(keys, (j) => pair(i, j))} }`;
    return inPart(each(rows, row));
  }
  // Spans with bits begin at a word, so the keys of a tile do.
  const bit = (j: number): string => `((w${Math.floor((threadsX * j) / 32)} >> ((tx + ${threadsX * j}u) % 32u)) & 1) == 1`;
  const from = (i: number): string => (mask === 'bits' ? `bits + x${i} * bitStride` : `bits${i}`);
  const words = (i: number): string =>
    width === 32
      ? `let both = schedule[${from(i)} + u32(y0) / 64u]; let w0 = select(both.x, both.y, y0 % 64 != 0);`
      : each(
          width / 64,
          (w) =>
            `let both${w} = schedule[${from(i)} + u32(y0) / 64u + ${w}u]; let w${2 * w} = both${w}.x; let w${2 * w + 1} = both${w}.y;`,
        );
  const body = each(rows, (i) =>
    lines(
      `{ ${words(i)}`,
      each(keys, (j) => hidden(i, j, `${bit(j)} && ${key(j)} < y.y`)),
      '}',
    ),
  );
  if (mask === 'bits') return inPart(body);
  return hasStates(kinds) ? `if (holds != ALL || y0 + ${size} > y.y) {\n${body}\n}` : body;
}

/** The workgroup owns keys: row number j of an invocation is `place<j>` of the visit. */
function hideOfKeys({kinds, clip, size, grid: {rows, keys, threadsX}}: Masked): string {
  const {mask} = kinds;
  const all = (shown: (i: number, j: number) => string): string => each(rows, (i) => each(keys, (j) => hidden(i, j, shown(i, j))));
  const inside = (j: number): string => `begin + i32(tx) + ${threadsX * j} < visited.y`;
  const padding = clip === '' ? '' : all((i) => `key${i} < keysLeft`);
  if (mask === 'own' || mask === 'fours') {
    const met = (j: number): string => `y0 + ${j} < visited.y`;
    return lines(mask === 'own' ? all((_, j) => met(j)) : all((i, j) => `${ofFour(i, j)} && ${met(j)}`), padding);
  }
  if (mask === 'tensor') {
    const test = lines(
      each(keys, (j) => rowBits(kinds, j)),
      all((i, j) => `${inside(j)} && bitOf(schedule[bits${j} + u32(key${i}) / 64u], u32(key${i}))`),
    );
    return lines(hasStates(kinds) ? `if (holds != ALL || begin + ${size} > visited.y) {\n${test}\n}` : test, padding);
  }
  const [theirs, shown] =
    mask === 'interval'
      ? [(j: number) => `schedule[intervals + u32(place${j})]`, (i: number) => `number${i} >= theirs.x && number${i} < theirs.y`]
      : // The keys of a tile have one pair.
        [(j: number) => `schedule[bits + u32(place${j}) * bitStride]`, (i: number) => `bitOf(theirs, u32(number${i}))`];
  const column = (j: number): string => `{ let theirs = ${theirs(j)};\n${each(rows, (i) => hidden(i, j, shown(i)))} }`;
  return lines(
    `if (full == 0) {\n${each(keys, column)}\n}`,
    `if (begin + ${size} > visited.y) {\n${all((_, j) => inside(j))}\n}`,
    padding,
  );
}

/** What `hide` needs. */
export const maskFunctions = ({owns, kinds: {mask}}: Pick<Masked, 'owns' | 'kinds'>): string =>
  owns === 'keys' && mask !== 'interval'
    ? /* wgsl */ `
fn bitOf(words: vec2i, key: u32) -> bool {
  return ((select(words.x, words.y, key % 64u >= 32u) >> (key % 32u)) & 1) == 1;
}
`
    : '';
