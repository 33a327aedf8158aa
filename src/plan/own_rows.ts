import {ceilDiv} from '../support/index.js';
import {keysIn, namerOf, ones, type BitRows} from './bit_rows.js';
import type {Draft} from './draft.js';
import {SPAN, write} from './format.js';
import type {Kinds} from './plan.js';
import {ROW_WISE} from './row_wise.js';

/**
 * Rows with a list of keys of their own each, 8 successive ones a workgroup. Successive rows that attend to the same keys share a list, which
 * caches then hold.
 */
export function addOwnRows(draft: Draft, bitRows: BitRows, kinds: Kinds, order: number, lines: readonly number[]): void {
  const {rows, words, wordsPerRow} = bitRows;
  const width = ROW_WISE.rows;
  const {kind, name} = namerOf(rows, width);
  const group = draft.group({...kinds, mask: 'own', rows: kind, keys: 'list'}, order, lines, ROW_WISE);
  const union = new Uint32Array(wordsPerRow);
  let keys = {firstKey: 0, end: 0};
  for (let at = 0; at < rows.length; at += width) {
    const spanBegin = draft.nextSpan;
    const {first, stride, count} = name(draft, at);
    union.fill(0);
    for (let row = at; row < at + count; row++) {
      const from = row * wordsPerRow;
      let same = row > 0;
      for (let w = 0; w < wordsPerRow; w++) {
        const word = words[from + w]!;
        union[w]! |= word;
        if (same && word !== words[from - wordsPerRow + w]) same = false;
      }
      if (!same) keys = appendKeys(draft, words.subarray(from, from + wordsPerRow));
      write(draft.spans, SPAN, {...keys, keyStride: 0, begin: 0, fullBegin: 0, fullEnd: keys.end, mask: 0, bitStride: 0});
    }
    draft.addOwn(group, first, stride, count, spanBegin, countOnes(union));
  }
}

/** The keys of a row as a list, which is whole pairs. */
function appendKeys({numbers}: Draft, row: Uint32Array): {readonly firstKey: number; readonly end: number} {
  const keys = keysIn(row);
  const to = numbers.grow(2 * ceilDiv(keys.length, 2));
  numbers.data.set(keys, to);
  if (keys.length % 2 === 1) numbers.data[to + keys.length] = 0;
  return {firstKey: to / 2, end: keys.length};
}

function countOnes(words: Uint32Array): number {
  let sum = 0;
  for (let w = 0; w < words.length; w++) if (words[w] !== 0) sum += ones(words[w]!);
  return sum;
}
