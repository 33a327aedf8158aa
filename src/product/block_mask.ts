import {isList, refuse, say, WordHash} from '../support/index.js';

/** Which blocks of an operand hold anything, one bit each, as the operand lies in memory; equal masks of a batch are there once. */
export interface BlockMask {
  readonly rows: number;
  readonly columns: number;
  /** 32-bit words of a row. */
  readonly words: number;
  /** [distinct, rows, words]. */
  readonly bits: Uint32Array;
  readonly distinct: number;
  /** Which of the distinct masks each matrix has; of length 1 where all share one. */
  readonly of: Int32Array;
  /** Blocks that hold something, of all distinct masks. */
  readonly held: number;
  /** Two masks share it exactly when they say the same. */
  readonly key: string;
}

/** A mask as compressed rows: the columns of row i are `columns[offsets[i]]` to `columns[offsets[i + 1] − 1]`. */
export interface BlockRows {
  /** Rows of blocks. */
  readonly rows: number;
  /** [rows + 1]. */
  readonly offsets: ArrayLike<number>;
  readonly columns: ArrayLike<number>;
}

/** Rows and columns of blocks, flat or nested, of 0 and 1 or of booleans; with one such part for each matrix, or one for all. */
export type BlockEntries = ArrayLike<number | boolean> | ArrayLike<BlockEntries>;

/** A mask as data: entries, compressed rows, or a list of those, one for each matrix. */
export type BlockMaskData = BlockEntries | BlockRows | readonly BlockRows[];

/** What an operand asks of its mask. */
export interface MaskSizes {
  readonly rows: number;
  readonly columns: number;
  readonly matrices: number;
}

const EXPECTED = 'an array of 0 and 1, {rows, offsets, columns}, or a boolean tensor';
const CURE = 'blockMaskOf(tensor, blockSize) makes a mask of pruned weights.';

export const wordsOf = (count: number): number => (count + 31) >>> 5;

/** A mask that a caller spelled as arrays, checked and packed. */
export function readBlockMask(name: string, given: BlockMaskData, sizes: MaskSizes): BlockMask {
  const {rows, matrices} = sizes;
  if (!isList(given)) {
    if (!isBlockRows(given)) refuse(name, say(given), EXPECTED, CURE);
    const bits = emptyBits(sizes, 1);
    fillRows(name, given, sizes, bits, 0);
    return maskOf(sizes, bits);
  }
  if (isBlockRows(given[0])) {
    const list = given as ArrayLike<BlockRows>;
    if (list.length !== 1 && list.length !== matrices)
      refuse(
        name,
        `a list of ${list.length} masks`,
        matrices === 1 ? '1' : `1 or ${matrices}`,
        'One for all matrices, or one for each.',
      );
    const bits = emptyBits(sizes, list.length);
    for (let i = 0; i < list.length; i++) fillRows(`${name}[${i}]`, list[i]!, sizes, bits, i * rows);
    return maskOf(sizes, bits);
  }
  return maskOf(sizes, bitsOfEntries(name, flatEntries(name, given, sizes), sizes));
}

const isBlockRows = (given: unknown): given is BlockRows =>
  typeof given === 'object' && given !== null && !isList(given) && 'offsets' in given && 'columns' in given;

const emptyBits = ({rows, columns}: MaskSizes, masks: number): Uint32Array => new Uint32Array(masks * rows * wordsOf(columns));

function fillRows(name: string, given: BlockRows, {rows, columns}: MaskSizes, bits: Uint32Array, firstRow: number): void {
  const {offsets, columns: listed} = given;
  const words = wordsOf(columns);
  if (given.rows !== rows)
    refuse(`${name}.rows`, say(given.rows), String(rows), 'It counts rows of blocks of the operand as it lies in memory.');
  if (!isList(offsets) || !isList(listed)) refuse(name, say(given), EXPECTED, CURE);
  if (offsets.length !== rows + 1)
    refuse(
      `${name}.offsets`,
      `${offsets.length} entries`,
      `${rows + 1}, one more than rows`,
      'The last one is the number of blocks.',
    );
  if (offsets[0] !== 0 || offsets[rows] !== listed.length) {
    const found = `from ${say(offsets[0])} to ${say(offsets[rows])}`;
    refuse(`${name}.offsets`, found, `from 0 to ${listed.length}`, 'They begin with 0 and end with the number of columns listed.');
  }
  for (let row = 0; row < rows; row++)
    if (!Number.isInteger(offsets[row + 1]) || offsets[row]! > offsets[row + 1]!) {
      const found = `${say(offsets[row])} before ${say(offsets[row + 1])}`;
      refuse(`${name}.offsets`, found, 'whole numbers that do not fall', 'They are sums of what rows hold.');
    }
  for (let row = 0; row < rows; row++)
    for (let at = offsets[row]!; at < offsets[row + 1]!; at++) {
      const column = listed[at]!;
      if (!Number.isInteger(column) || column < 0 || column >= columns)
        refuse(`${name}.columns`, say(column), `a whole number from 0 to ${columns - 1}`, `Look at entry ${at}, of row ${row}.`);
      bits[(firstRow + row) * words + (column >>> 5)]! |= 1 << (column & 31);
    }
}

/** Nested lists as one, level by level: of rows and columns of blocks, or a flat one for each matrix. */
function flatEntries(name: string, list: ArrayLike<unknown>, {rows, columns}: MaskSizes): ArrayLike<unknown> {
  let level = list;
  const lengths = [list.length];
  while (level.length > 0 && isList(level[0])) {
    const {length} = level[0];
    const next: unknown[] = [];
    for (let i = 0; i < level.length; i++) {
      const part = level[i];
      if (!isList(part) || part.length !== length)
        refuse(name, 'rows of different lengths', 'rows of one length', 'A row has an entry for each column of blocks.');
      for (let j = 0; j < length; j++) next.push(part[j]);
    }
    level = next;
    lengths.push(length);
  }
  const [high, wide] = lengths.slice(-2);
  if (lengths.length > 1 && wide !== rows * columns && (high !== rows || wide !== columns)) {
    const cure =
      'It has a row for each row of blocks of the operand as it lies in memory, whatever is transposed; check blockSize.';
    refuse(name, `rows of ${wide} entries, ${high} of them`, `${rows} rows of ${columns} blocks`, cure);
  }
  return level;
}

function bitsOfEntries(name: string, entries: ArrayLike<unknown>, sizes: MaskSizes): Uint32Array {
  const {rows, columns, matrices} = sizes;
  const each = rows * columns;
  if (entries.length !== each && entries.length !== matrices * each) {
    const more = matrices === 1 ? '' : `, or ${matrices * each}, so many for each of ${matrices} matrices`;
    const cure = 'It has an entry for each block of the operand as it lies in memory, whatever is transposed; check blockSize.';
    refuse(name, `${entries.length} entries`, `${each} (${rows} × ${columns} blocks)${more}`, cure);
  }
  const masks = each === 0 ? 1 : entries.length / each;
  const words = wordsOf(columns);
  const bits = emptyBits(sizes, masks);
  for (let row = 0, at = 0; row < masks * rows; row++)
    for (let column = 0; column < columns; column++, at++) {
      const entry = entries[at];
      if (entry === 1 || entry === true) bits[row * words + (column >>> 5)]! |= 1 << (column & 31);
      else if (entry !== 0 && entry !== false)
        refuse(name, `${say(entry)} at entry ${at}`, '0 or 1, or a boolean', 'Compare numbers first: mask.map(x => x > 0).');
    }
  return bits;
}

/** Finds masks that are equal, and counts. */
function maskOf({rows, columns}: MaskSizes, bits: Uint32Array): BlockMask {
  const words = wordsOf(columns);
  const each = rows * words;
  const masks = each === 0 ? 1 : bits.length / each;
  const known = new Map<string, number>();
  const of = new Int32Array(masks);
  for (let mask = 0; mask < masks; mask++) {
    const hash = new WordHash();
    for (let at = mask * each; at < (mask + 1) * each; at++) hash.add(bits[at]!);
    const key = hash.toString();
    const found = known.get(key) ?? known.size;
    if (found === known.size) {
      known.set(key, found);
      if (found < mask) bits.copyWithin(found * each, mask * each, (mask + 1) * each);
    }
    of[mask] = found;
  }
  const kept = known.size === masks ? bits : bits.slice(0, known.size * each);
  const shared = known.size === 1 ? new Int32Array(1) : of;
  let held = 0;
  for (const word of kept) held += ones(word);
  const key = `${rows}x${columns}:${[...known.keys()].join()}:${shared.join()}`;
  return Object.freeze({rows, columns, words, bits: kept, distinct: known.size, of: shared, held, key});
}

/** Bits of a word that are set. */
export function ones(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Whether no block is left out. */
export const leavesNothingOut = ({held, distinct, rows, columns}: BlockMask): boolean => held === distinct * rows * columns;

/** The share of blocks that hold something; without a mask all. */
export const densityOf = (mask: BlockMask | null): number =>
  mask === null ? 1 : mask.held / Math.max(1, mask.distinct * mask.rows * mask.columns);

/** Rows as columns. */
export function transposedBits({rows, columns, words, bits, distinct}: BlockMask): Uint32Array {
  const across = wordsOf(rows);
  const turned = new Uint32Array(distinct * columns * across);
  for (let mask = 0; mask < distinct; mask++)
    for (let row = 0; row < rows; row++)
      for (let word = 0; word < words; word++)
        for (let rest = bits[(mask * rows + row) * words + word]!; rest !== 0; rest &= rest - 1) {
          const column = 32 * word + 31 - Math.clz32(rest & -rest);
          turned[(mask * columns + column) * across + (row >>> 5)]! |= 1 << (row & 31);
        }
  return turned;
}

/** Whether a block of one of the distinct masks holds anything. */
export const holds = ({rows, words, bits}: BlockMask, mask: number, row: number, column: number): boolean =>
  ((bits[(mask * rows + row) * words + (column >>> 5)]! >>> (column & 31)) & 1) === 1;
