import {paintKeys, repeatBits, type Acsr} from '../acsr/index.js';
import {atOnce, ceilDiv, inSteps, type Sliced} from '../support/index.js';

/** The pairs of an ACSR as mask bits, to be read only: bit `key % 32` of word `query·⌈keyLength/32⌉ + ⌊key/32⌋`. */
export const toWords = (acsr: Acsr): Uint32Array => atOnce(writingWords(acsr));

/** The same, in slices. */
export function* writingWords(acsr: Acsr): Sliced<Uint32Array> {
  const {queryLength, keyLength, irregularRows, bits} = acsr;
  if (irregularRows.length === queryLength) return bits;
  const wordsPerRow = ceilDiv(keyLength, 32);
  const words = new Uint32Array(queryLength * wordsPerRow);
  yield* inSteps(queryLength, 2 * wordsPerRow, (from, end) => paintRows(acsr, from, end, words, from * wordsPerRow));
  yield* inSteps(irregularRows.length, 2 * wordsPerRow, (from, end) => {
    for (let index = from; index < end; index++)
      words.set(bits.subarray(index * wordsPerRow, (index + 1) * wordsPerRow), irregularRows[index]! * wordsPerRow);
  });
  return words;
}

/** Writes rows that have runs from word `at` on. */
export function paintRows(acsr: Acsr, from: number, end: number, words: Uint32Array, at: number): void {
  const {keyLength, rowRuns, start, stride, count} = acsr;
  const wordsPerRow = ceilDiv(keyLength, 32);
  for (let row = from; row < end; row++, at += wordsPerRow) {
    for (let run = rowRuns[row]!; run < rowRuns[row + 1]!; run++) {
      if (stride[run] === 1) paintKeys(start[run]!, start[run]! + count[run]! - 1, words, at);
      else
        for (let i = 0, key = start[run]!; i < count[run]!; i++, key += stride[run]!) words[at + (key >>> 5)]! |= 1 << (key & 31);
    }
  }
}

/** Mask bits of the first rows; those of others repeat them. */
export interface MaskBits {
  readonly words: Uint32Array;
  readonly rows: number;
}

/** Rows of a mask that are written where fewer recur: a backward pass goes through so many at once. */
const LEAST_ROWS = 1024;

/** The bits of a pattern for tiles of `width` rows. Where rows recur, a few periods hold all of them. */
export function* maskBits(acsr: Acsr, width: number): Sliced<MaskBits> {
  const {queryLength, recurringBits} = acsr;
  if (recurringBits !== undefined) {
    let rows = recurringBits.period;
    while (rows < queryLength && (rows % width !== 0 || rows < LEAST_ROWS)) rows += recurringBits.period;
    if (rows < queryLength) return {words: repeatBits(recurringBits, rows), rows};
  }
  return {words: yield* writingWords(acsr), rows: queryLength};
}
