import type {PlainNode, ResolvedShape} from '../pattern/index.js';
import type {Acsr} from './acsr.js';
import {countBits} from './bits.js';
import {Irregular} from './collect.js';
import {rowsOf} from './expression.js';
import {periodOf} from './period.js';

/** A pattern whose rows recur, and all are bits, such as the complement of a wide stride; else null. One period is worked out. */
export function recurringBits(node: PlainNode, shape: ResolvedShape): Acsr | null {
  const {queryLength, keyLength, queryOffset} = shape;
  const period = periodOf(node);
  if (2 * period > queryLength) return null;
  const rows = rowsOf(node, shape);
  const irregular = new Irregular(keyLength, period);
  for (let query = 0; query < period; query++) {
    // What the bits of a row turn out to be does not depend on its place: nothing is usual in a single row.
    if (!rows.runs(query).overflow) return null;
    irregular.settle(query, query + queryOffset, rows);
    if (irregular.rows !== query + 1) return null;
  }
  const {bits: words} = irregular.finish();
  const perRow = words.length / period;
  let nnz = 0;
  for (let row = 0; row < period; row++)
    nnz += countBits(words.subarray(row * perRow, (row + 1) * perRow)) * (Math.floor((queryLength - 1 - row) / period) + 1);
  const repeated = {words, period};
  let written: WeakRef<Uint32Array> | undefined;
  const none = new Int32Array(0);
  return Object.freeze({
    ...{queryLength, keyLength, nnz, rowRuns: new Int32Array(queryLength + 1), start: none, stride: none, count: none},
    irregularRows: Int32Array.from({length: queryLength}, (_, query) => query),
    // Kept for as long as somebody reads them alone: who caches these rows counts one period.
    get bits() {
      const known = written?.deref();
      if (known !== undefined) return known;
      const bits = repeatBits(repeated, queryLength);
      written = new WeakRef(bits);
      return bits;
    },
    recurringBits: Object.freeze(repeated),
  });
}

/** The bits of the first rows. */
export function repeatBits({words, period}: NonNullable<Acsr['recurringBits']>, rows: number): Uint32Array {
  const all = new Uint32Array((words.length / period) * rows);
  for (let at = 0; at < all.length; at += words.length)
    all.set(all.length - at < words.length ? words.subarray(0, all.length - at) : words, at);
  return all;
}
