import {paintKeys, type Acsr} from '../acsr/index.js';
import {ceilDiv} from '../support/index.js';
import type {Draft} from './draft.js';
import {SPAN, VISIT, write, type IntList} from './format.js';
import type {Kinds} from './plan.js';
import {NO_CLASS} from './row_tiles.js';

/** Rows that no stride class owns, or whose rest none owns, as bits. */
export interface BitRows {
  /** Ascending. */
  readonly rows: Int32Array;
  /** [rows · ⌈columns/32⌉] */
  readonly words: Uint32Array;
  readonly wordsPerRow: number;
}

/** The irregular rows of a pattern, and those with runs of no class, by what no class owns of them. Null where all is owned. */
export function restOf(acsr: Acsr, owner: Uint8Array | null): BitRows | null {
  const {queryLength, keyLength, irregularRows, bits} = acsr;
  const wordsPerRow = ceilDiv(keyLength, 32);
  if (owner === null) return irregularRows.length === 0 ? null : {rows: irregularRows, words: bits, wordsPerRow};
  const {rowRuns} = acsr; // not before: runs of rows that recur are written out for who reads them
  const rows: number[] = [];
  for (let row = 0, next = 0; row < queryLength; row++) {
    const irregular = irregularRows[next] === row;
    if (irregular) next++;
    let left = irregular;
    for (let run = rowRuns[row]!; !left && run < rowRuns[row + 1]!; run++) left = owner[run] === NO_CLASS;
    if (left) rows.push(row);
  }
  const words = new Uint32Array(rows.length * wordsPerRow);
  let next = 0;
  rows.forEach((row, index) => {
    const at = index * wordsPerRow;
    if (irregularRows[next] === row) words.set(bits.subarray(next++ * wordsPerRow, next * wordsPerRow), at);
    for (let run = rowRuns[row]!; run < rowRuns[row + 1]!; run++) if (owner[run] === NO_CLASS) paintRun(acsr, run, words, at);
  });
  return {rows: Int32Array.from(rows), words, wordsPerRow};
}

/** Sets the bits of a run in the row that begins at word `at`. */
export function paintRun({start, stride, count}: Acsr, run: number, words: Uint32Array, at: number): void {
  const [first, step, keys] = [start[run]!, stride[run]!, count[run]!];
  if (step === 1) paintKeys(first, first + keys - 1, words, at);
  else for (let i = 0, key = first; i < keys; i++, key += step) words[at + (key >>> 5)]! |= 1 << (key & 31);
}

/**
 * Tiles of successive rows, each with the keys that any of its rows attends to as one list, and a bit for each of its pairs: a tile visits
 * no key in vain that all of its rows miss. `width`: rows of a tile.
 *
 * Seen from the keys, `owns` keys, the same: tiles of keys, lists of rows; the bits then lie row by row, those of a tile of keys in a pair.
 *
 * Measured in a lab (H200, 2026-11-29): a list costs 0 to 2 % a tile against successive keys; a second way for keys of few rows gains nothing.
 */
export function addListTiles(
  draft: Draft,
  bitRows: BitRows,
  width: number,
  kinds: Kinds,
  order: number,
  lines: readonly number[],
  owns: 'rows' | 'keys' = 'rows',
): void {
  const {rows, words, wordsPerRow} = bitRows;
  const starts: number[] = [];
  for (let at = 0; at < rows.length; at += width) starts.push(at);
  const isAffine = (at: number): boolean => {
    const end = Math.min(rows.length, at + width);
    const step = at + 1 < end ? rows[at + 1]! - rows[at]! : 1;
    for (let i = at + 1; i < end; i++) if (rows[i] !== rows[i - 1]! + step) return false;
    return true;
  };
  const affine = starts.every(isAffine);
  const owned = affine ? 'affine' : 'list';
  const own: Kinds = {...kinds, mask: 'bits', ...(owns === 'rows' ? {rows: owned, keys: 'list'} : {rows: 'list', keys: owned})};
  const tiles = draft.group(own, order, lines);
  const union = new Union(wordsPerRow);
  for (const at of starts) {
    const count = Math.min(width, rows.length - at);
    const spanBegin = draft.nextSpan;
    union.list(draft, words, at, count, owns);
    const first = affine ? rows[at]! : appendNumbers(draft.numbers, rows.subarray(at, at + count));
    const stride = affine && count > 1 ? rows[at + 1]! - rows[at]! : affine ? 1 : 0;
    draft.add(tiles, first, stride, count, spanBegin);
  }
}

/** Where in pairs they begin: lists are whole pairs. */
function appendNumbers(list: IntList, numbers: Int32Array): number {
  const at = list.grow(2 * ceilDiv(numbers.length, 2));
  list.data.set(numbers, at);
  if (numbers.length % 2 === 1) list.data[at + numbers.length] = 0;
  return at / 2;
}

/** The keys of some rows together, and what number each has among them. */
export class Union {
  private readonly words: Uint32Array;
  /** Keys before those of each word. */
  private readonly rank: Int32Array;

  constructor(private readonly wordsPerRow: number) {
    this.words = new Uint32Array(wordsPerRow);
    this.rank = new Int32Array(wordsPerRow);
  }

  /** Appends a span of the keys of rows `first ≤ row < first + count` of `rows`; none when they have no keys. */
  list(draft: Draft, rows: Uint32Array, first: number, count: number, owns: 'rows' | 'keys'): void {
    const {words, rank, wordsPerRow} = this;
    words.fill(0);
    for (let row = first; row < first + count; row++) {
      const at = row * wordsPerRow;
      for (let w = 0; w < wordsPerRow; w++) words[w]! |= rows[at + w]!;
    }
    let keys = 0;
    for (let w = 0; w < wordsPerRow; w++) {
      rank[w] = keys;
      keys += ones(words[w]!);
    }
    if (keys === 0) return;
    const {numbers, bits} = draft;
    const listAt = numbers.grow(2 * ceilDiv(keys, 2));
    let to = listAt;
    for (let w = 0; w < wordsPerRow; w++)
      for (let rest = words[w]!; rest !== 0; rest &= rest - 1) numbers.data[to++] = 32 * w + 31 - Math.clz32(rest & -rest);
    if (keys % 2 === 1) numbers.data[to] = 0;
    const ofRows = owns === 'rows';
    const bitStride = ofRows ? ceilDiv(keys, 64) : 1;
    const bitsAt = bits.grow(2 * bitStride * (ofRows ? count : keys));
    const {data} = bits;
    data.fill(0, bitsAt, bits.length);
    let full = true;
    for (let row = 0; row < count; row++) {
      const from = (first + row) * wordsPerRow;
      const own = bitsAt + 2 * bitStride * row;
      for (let w = 0; w < wordsPerRow; w++) {
        const mine = rows[from + w]!;
        if (mine !== words[w]) full = false;
        for (let rest = mine; rest !== 0; rest &= rest - 1) {
          const y = rank[w]! + ones(words[w]! & ((rest & -rest) - 1));
          if (ofRows) data[own + (y >>> 5)]! |= 1 << (y & 31);
          else data[bitsAt + 2 * y + (row >>> 5)]! |= 1 << (row & 31);
        }
      }
    }
    const range = {begin: 0, end: keys, mask: bitsAt / 2, bitStride};
    if (ofRows) write(draft.spans, SPAN, {firstKey: listAt / 2, keyStride: 0, fullBegin: 0, fullEnd: full ? keys : 0, ...range});
    else write(draft.spans, VISIT, {firstRow: listAt / 2, rowStride: 0, full: full ? 1 : 0, none: 0, ...range});
  }
}

/** Bits that are set. */
function ones(word: number): number {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
