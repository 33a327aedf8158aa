import type {Acsr} from './acsr.js';

/**
 * The keys of a query, ascending: the formula of the record, spelled out.
 *
 * @example
 * decodeRow(compress(strided({stride: 4}), {queryLength: 8, keyLength: 8}), 5); // Int32Array [1, 5]
 */
export function decodeRow(acsr: Acsr, query: number): Int32Array {
  const {rowRuns, start, stride, count} = acsr;
  const keys: number[] = [];
  for (let r = rowRuns[query]!; r < rowRuns[query + 1]!; r++) {
    for (let i = 0; i < count[r]!; i++) keys.push(start[r]! + stride[r]! * i);
  }
  const irregular = acsr.irregularRows.indexOf(query);
  if (irregular >= 0) {
    const wordsPerRow = acsr.bits.length / acsr.irregularRows.length;
    for (let key = 0; key < acsr.keyLength; key++) {
      if ((acsr.bits[irregular * wordsPerRow + (key >>> 5)]! >>> (key & 31)) & 1) keys.push(key);
    }
  }
  return Int32Array.from(keys).sort();
}
