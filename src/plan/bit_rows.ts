import {countBits, onesIn, paintKeys, type Acsr} from '../acsr/index.js';
import {ceilDiv, inSteps, WordHash, type Sliced} from '../support/index.js';
import {writingWords} from './bits.js';
import type {Draft} from './draft.js';
import type {IntList} from './format.js';
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
export function* restOf(acsr: Acsr, owner: Uint8Array | null): Sliced<BitRows | null> {
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
  yield* inSteps(rows.length, 2 * wordsPerRow, (from, end) => {
    for (let index = from; index < end; index++) {
      const row = rows[index]!;
      const at = index * wordsPerRow;
      if (irregularRows[next] === row) words.set(bits.subarray(next++ * wordsPerRow, next * wordsPerRow), at);
      for (let run = rowRuns[row]!; run < rowRuns[row + 1]!; run++) if (owner[run] === NO_CLASS) paintRun(acsr, run, words, at);
    }
  });
  return {rows: Int32Array.from(rows), words, wordsPerRow};
}

/** Sets the bits of a run in the row that begins at word `at`. */
export function paintRun({start, stride, count}: Acsr, run: number, words: Uint32Array, at: number): void {
  const [first, step, keys] = [start[run]!, stride[run]!, count[run]!];
  if (step === 1) paintKeys(first, first + keys - 1, words, at);
  else for (let i = 0, key = first; i < keys; i++, key += step) words[at + (key >>> 5)]! |= 1 << (key & 31);
}

/** All rows of a pattern. */
export function* everyRow(acsr: Acsr): Sliced<BitRows> {
  const rows = Int32Array.from({length: acsr.queryLength}, (_, row) => row);
  return {rows, words: yield* writingWords(acsr), wordsPerRow: ceilDiv(acsr.keyLength, 32)};
}

/** Some of them, by the indices of `rows`: those from each of `starts` on, up to `width`. */
export function* someRows({rows, words, wordsPerRow}: BitRows, starts: readonly number[], width: number): Sliced<BitRows> {
  if (starts.length * width >= rows.length) return {rows, words, wordsPerRow};
  const ends = starts.map((at) => Math.min(rows.length, at + width));
  const count = starts.reduce((sum, at, index) => sum + ends[index]! - at, 0);
  const some = {rows: new Int32Array(count), words: new Uint32Array(count * wordsPerRow), wordsPerRow};
  let to = 0;
  yield* inSteps(starts.length, width * wordsPerRow, (from, end) => {
    for (let index = from; index < end; index++) {
      const at = starts[index]!;
      some.rows.set(rows.subarray(at, ends[index]), to);
      some.words.set(words.subarray(at * wordsPerRow, ends[index]! * wordsPerRow), to * wordsPerRow);
      to += ends[index]! - at;
    }
  });
  return some;
}

/** All of them, in the order of their indices. */
export function* reordered({rows, words, wordsPerRow}: BitRows, order: readonly number[]): Sliced<BitRows> {
  const result = {rows: new Int32Array(rows.length), words: new Uint32Array(words.length), wordsPerRow};
  yield* inSteps(order.length, wordsPerRow, (from, end) => {
    for (let to = from; to < end; to++) {
      const index = order[to]!;
      result.rows[to] = rows[index]!;
      result.words.set(words.subarray(index * wordsPerRow, (index + 1) * wordsPerRow), to * wordsPerRow);
    }
  });
  return result;
}

/** How many keys each row has. */
export function* keysOfRows({rows, words, wordsPerRow}: BitRows): Sliced<Int32Array> {
  const counts = new Int32Array(rows.length);
  yield* inSteps(rows.length, 2 * wordsPerRow, (from, end) => {
    for (let row = from; row < end; row++) counts[row] = countBits(words.subarray(row * wordsPerRow, (row + 1) * wordsPerRow));
  });
  return counts;
}

/** The keys of a row, ascending. */
export function keysIn(row: Uint32Array): Int32Array {
  let count = 0;
  for (let w = 0; w < row.length; w++) if (row[w] !== 0) count += onesIn(row[w]!);
  const keys = new Int32Array(count);
  let to = 0;
  for (let w = 0; w < row.length; w++)
    for (let rest = row[w]!; rest !== 0; rest &= rest - 1) keys[to++] = 32 * w + 31 - Math.clz32(rest & -rest);
  return keys;
}

/** How the items of a pass name their rows, `width` of `rows` each: as a progression, if that says all of them, or as a list. */
export function namerOf(rows: Int32Array, width: number): RowNamer {
  const affine = (at: number): boolean => {
    const end = Math.min(rows.length, at + width);
    const step = at + 1 < end ? rows[at + 1]! - rows[at]! : 1;
    for (let i = at + 1; i < end; i++) if (rows[i] !== rows[i - 1]! + step) return false;
    return true;
  };
  let kind: Kinds['rows'] = 'affine';
  for (let at = 0; at < rows.length && kind === 'affine'; at += width) if (!affine(at)) kind = 'list';
  return {
    kind,
    name: ({numbers}, at) => {
      const count = Math.min(width, rows.length - at);
      if (kind === 'list') return {first: appendNumbers(numbers, rows.subarray(at, at + count)), stride: 0, count};
      return {first: rows[at]!, stride: count > 1 ? rows[at + 1]! - rows[at]! : 1, count};
    },
  };
}

export interface RowNamer {
  readonly kind: Kinds['rows'];
  /** Of the rows from index `at` on. */
  name(draft: Draft, at: number): {readonly first: number; readonly stride: number; readonly count: number};
}

/** Where in pairs they begin: lists are whole pairs. */
function appendNumbers(list: IntList, numbers: Int32Array): number {
  const at = list.grow(2 * ceilDiv(numbers.length, 2));
  list.data.set(numbers, at);
  if (numbers.length % 2 === 1) list.data[at + numbers.length] = 0;
  return at / 2;
}

/** A name of the rows: those of equal masks have the same. */
export function* hashRows({words, wordsPerRow}: BitRows): Sliced<string> {
  const hash = new WordHash();
  yield* inSteps(words.length, 2, (from, end) => {
    for (let at = from; at < end; at++) {
      if (words[at] === 0) continue;
      hash.add(at);
      hash.add(words[at]!);
    }
  });
  return `${words.length} ${wordsPerRow} ${hash}`;
}
