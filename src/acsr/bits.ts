import type {RunList} from './runs.js';

/*
 * One row as bits: bit `key % 32` of word `⌊key/32⌋`, bits past keyLength 0, as in a mask pattern.
 */

/** Overwrites `words` with the keys of a row. */
export function paint(row: RunList, words: Uint32Array): void {
  words.fill(0);
  for (let i = 0; i < row.length; i++) {
    const start = row.start[i]!;
    const last = row.last(i);
    if (row.stride[i] === 1) paintKeys(start, last, words);
    else for (let key = start; key <= last; key += row.stride[i]!) words[key >>> 5]! |= 1 << (key & 31);
  }
}

/** Sets the bits of the keys `first … last` in the row that begins at word `at`. */
export function paintKeys(first: number, last: number, words: Uint32Array, at = 0): void {
  const from = at + (first >>> 5);
  const to = at + (last >>> 5);
  const head = -1 << (first & 31);
  const tail = -1 >>> (31 - (last & 31));
  if (from === to) {
    words[from]! |= head & tail;
    return;
  }
  words[from]! |= head;
  words.fill(0xffffffff, from + 1, to);
  words[to]! |= tail;
}

export function countBits(words: Uint32Array): number {
  let total = 0;
  for (let w = 0; w < words.length; w++) if (words[w] !== 0) total += onesIn(words[w]!);
  return total;
}

/** Bits of a word that are set. */
export function onesIn(word: number): number {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
