import {FOUR_BITS, ITEM, KEY_ITEM, type Kinds, type RecordFormat} from '../../plan/index.js';
import {each, lines} from '../text/text.js';
import type {Grid} from './tile_math.js';

/**
 * Where rows and keys lie that a schedule names. Kernels reach them by what stands here (and lines by lines.ts); which words a record has, and in which
 * order, follows from the table of formats, and how they are read from the kinds of the pass.
 */

/** A pair of the record that begins at `at`. */
export function pairOf<Pair extends string>(format: RecordFormat<Pair>, pair: Pair, at: string): string {
  const {at: index} = format.pair[pair];
  return `schedule[${at}${index === 0 ? '' : ` + ${index}u`}]`;
}

/** Declares a pair under its name. */
export const letPair = <Pair extends string>(format: RecordFormat<Pair>, pair: Pair, at: string): string =>
  `let ${pair} = ${pairOf(format, pair, at)}; // (${format.pair[pair].words.join(', ')})`;

/** What a workgroup owns. */
export type Owns = 'rows' | 'keys';

/** The record of a dispatch that `index` counts. */
export const recordFrom = (first: string, {pairs}: RecordFormat, index: string): string => `${first} + ${pairs}u * ${index}`;

/** The words of an item that a workgroup reads first. */
export const itemWords = (owns: Owns): string =>
  owns === 'rows'
    ? lines(letPair(ITEM, 'rowsOf', 'item'), letPair(ITEM, 'owned', 'item'), letPair(ITEM, 'spanRange', 'item'))
    : lines(
        letPair(KEY_ITEM, 'keysOf', 'item'),
        letPair(KEY_ITEM, 'owned', 'item'),
        letPair(KEY_ITEM, 'visitRange', 'item'),
        `let first = ${pairOf(KEY_ITEM, 'place', 'item')}.x; // number of the first key among those of the spans that it meets`,
      );

/** Row number `x` of `rowsOf`, as u32. */
export const rowAt = ({rows}: Pick<Kinds, 'rows'>, x: string): string =>
  rows === 'affine' ? `u32(rowsOf.x + rowsOf.y * ${x})` : `u32(numberAt(rowsOf.x, ${x}))`;

/** Which of those of a tile is number i that an invocation owns, a u32. Four that share a list follow one another. */
export const ownPlace = ({rows, threadsY}: Pick<Grid, 'rows' | 'threadsY'>, {mask}: Pick<Kinds, 'mask'>, i: number): string =>
  mask === 'fours' ? `${rows}u * ty + ${i}u` : `ty + ${threadsY * i}u`;

/** Number `x` of what is owned, a u32, as i32; past the tile the last one. */
export const ownNumber = (x: string): string => `min(i32${x.startsWith('(') ? x : `(${x})`}, owned.x - 1)`;

export const ownRow = (kinds: Pick<Kinds, 'rows'>, x: string): string => rowAt(kinds, ownNumber(x));

/** Key number `y` of `keysOf`, as i32. */
export const keyAt = ({keys}: Pick<Kinds, 'keys'>, y: string): string =>
  keys === 'affine' ? `keysOf.x + keysOf.y * ${y}` : `numberAt(keysOf.x, ${y})`;

/** Where key number `y` lies behind `keyLine`, in rows of the tensor, as u32. */
export const keyRowAt = ({keys}: Pick<Kinds, 'keys'>, y: string): string =>
  keys === 'affine' ? `u32(keyRows.x + keyRows.y * ${y})` : `u32(numberAt(keysOf.x, ${y})) * params.keyStrides.y`;

/** What `keyRowAt` needs, behind `keysOf`. */
export const keyRows = ({keys}: Pick<Kinds, 'keys'>): string =>
  keys === 'affine' ? 'let keyRows = keysOf * i32(params.keyStrides.y);' : '';

/** The keys number<j> that a row-wise trip meets from number y0 of a span on: past its end the last one, which is read and hidden; of no keys any. */
export function numberedKeys(kinds: Pick<Kinds, 'keys' | 'mask'>, count: number): string {
  const key = (j: number): string => keyAt(kinds, `max(min(y0 + ${j}, y.y - 1), 0)`);
  if (kinds.mask !== 'fours') return each(count, (j) => `let number${j} = ${key(j)};`);
  // The highest byte says which of the four rows attend.
  return each(count, (j) => `let word${j} = ${key(j)}; let number${j} = word${j} & ${(1 << FOUR_BITS) - 1};`);
}

/** The rows row<j> that a key-wise trip meets, alike. */
export function numberedRows(kinds: Pick<Kinds, 'rows' | 'mask'>, count: number): string {
  const place = (j: number): string => `max(min(y0 + ${j}, visited.y - 1), 0)`;
  if (kinds.mask !== 'fours') return each(count, (j) => `let row${j} = ${rowAt(kinds, place(j))};`);
  return each(
    count,
    (j) => `let word${j} = i32(${rowAt(kinds, place(j))}); let row${j} = u32(word${j} & ${(1 << FOUR_BITS) - 1});`,
  );
}

/** The span that number ty of an item has for its own, or row ty of every four. */
export const ownSpanNumber = (kinds: Pick<Kinds, 'mask'>, begin: string): string =>
  `${begin} + min(i32(ty), ${kinds.mask === 'fours' ? '(owned.x + 3) / 4' : 'owned.x'} - 1)`;

/** What the others need. */
export const placeFunctions = ({rows, keys}: Pick<Kinds, 'rows' | 'keys'>): string =>
  rows === 'list' || keys === 'list'
    ? /* wgsl */ `
// Number \`index\` of the list that begins at a pair.
fn numberAt(list: i32, index: i32) -> i32 {
  let two = schedule[params.numbers + u32(list) + u32(index) / 2u];
  return select(two.x, two.y, (index & 1) != 0);
}
`
    : '';

/** Clips the keys \`y\` of a span to those below \`keyCount\`, what their sequence has. Keys of a list ascend. */
export function clipKeys({keys, mask}: Pick<Kinds, 'keys' | 'mask'>, keyCount: string): string {
  if (keys === 'affine') {
    return lines(
      `let keysLeft = ${keyCount} - keysOf.x;`,
      // Integer division rounds towards zero: no key is left where the first lies past the end.
      'y.y = min(y.y, select((keysLeft + keysOf.y - 1) / keysOf.y, 0, keysLeft <= 0));',
    );
  }
  return lines(
    `let keyCount = ${keyCount};`,
    'var below = y.x;',
    'while (below < y.y) {',
    'let middle = (below + y.y) / 2;',
    `if (${mask === 'fours' ? `(${keyAt({keys}, 'middle')} & ${(1 << FOUR_BITS) - 1})` : keyAt({keys}, 'middle')} < keyCount) { below = middle + 1; } else { y.y = middle; }`,
    '}',
  );
}
