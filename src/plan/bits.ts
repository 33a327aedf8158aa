import {paintKeys, repeatBits, type Acsr} from '../acsr/index.js';
import {ceilDiv} from '../support/index.js';

/** The pairs of an ACSR as mask bits, to be read only: bit `key % 32` of word `query·⌈keyLength/32⌉ + ⌊key/32⌋`. */
export function toWords({queryLength, keyLength, rowRuns, start, stride, count, irregularRows, bits}: Acsr): Uint32Array {
  if (irregularRows.length === queryLength) return bits;
  const wordsPerRow = ceilDiv(keyLength, 32);
  const words = new Uint32Array(queryLength * wordsPerRow);
  for (let row = 0; row < queryLength; row++) {
    const at = row * wordsPerRow;
    for (let run = rowRuns[row]!; run < rowRuns[row + 1]!; run++) {
      if (stride[run] === 1) paintKeys(start[run]!, start[run]! + count[run]! - 1, words, at);
      else
        for (let i = 0, key = start[run]!; i < count[run]!; i++, key += stride[run]!) words[at + (key >>> 5)]! |= 1 << (key & 31);
    }
  }
  irregularRows.forEach((row, index) => {
    words.set(bits.subarray(index * wordsPerRow, (index + 1) * wordsPerRow), row * wordsPerRow);
  });
  return words;
}

/** Mask bits of the first rows; those of others repeat them. */
export interface MaskBits {
  readonly words: Uint32Array;
  readonly rows: number;
}

/** Rows of a mask that are written where fewer recur: a backward pass goes through so many at once. */
const LEAST_ROWS = 1024;

/** The bits of a pattern for tiles of `width` rows. Where rows recur, a few periods hold all of them. */
export function maskBits(acsr: Acsr, width: number): MaskBits {
  const {queryLength, recurringBits} = acsr;
  if (recurringBits !== undefined) {
    let rows = recurringBits.period;
    while (rows < queryLength && (rows % width !== 0 || rows < LEAST_ROWS)) rows += recurringBits.period;
    if (rows < queryLength) return {words: repeatBits(recurringBits, rows), rows};
  }
  return {words: toWords(acsr), rows: queryLength};
}
