import {countBits} from '../acsr/index.js';
import {ceilDiv, type Sliced} from '../support/index.js';
import {keysIn, namerOf, type BitRows} from './bit_rows.js';
import type {Draft} from './draft.js';
import {SPAN, VISIT, write} from './format.js';
import type {Kinds} from './plan.js';
import {FOUR_BITS, FOURS, ROW_WISE} from './row_wise.js';

/**
 * Rows with a list of keys of their own each, 8 successive ones a workgroup; or, `fours`, for every four of them, 32 a workgroup. Successive rows that
 * attend to the same keys share a list, which caches then hold. Seen from the keys, `owns` keys, the same.
 */
export function* addOwnRows(
  draft: Draft,
  {rows, words, wordsPerRow}: BitRows,
  fours: boolean,
  kinds: Kinds,
  order: number,
  lines: readonly number[],
  owns: 'rows' | 'keys' = 'rows',
): Sliced<void> {
  const tile = fours ? FOURS : ROW_WISE;
  const {kind, name} = namerOf(rows, tile.rows);
  const places: Pick<Kinds, 'rows' | 'keys'> = owns === 'rows' ? {rows: kind, keys: 'list'} : {rows: 'list', keys: kind};
  const group = draft.group({...kinds, ...places, mask: fours ? 'fours' : 'own'}, order, lines, tile);
  const perSpan = fours ? 4 : 1;
  const union = new Uint32Array(wordsPerRow);
  const own = new Uint32Array(wordsPerRow);
  const bits = new Uint32Array(4 * wordsPerRow);
  let list = {first: 0, end: -1};
  for (let at = 0; at < rows.length; at += tile.rows) {
    const spanBegin = draft.nextSpan;
    const {first, stride, count} = name(draft, at);
    union.fill(0);
    for (let row = at; row < at + count; row += perSpan) {
      const some = Math.min(perSpan, at + count - row);
      let same = list.end >= 0;
      own.fill(0);
      for (let x = 0; x < perSpan; x++)
        for (let w = 0; w < wordsPerRow; w++) {
          const word = x < some ? words[(row + x) * wordsPerRow + w]! : 0;
          own[w]! |= word;
          if (word !== bits[x * wordsPerRow + w]) {
            same = false;
            bits[x * wordsPerRow + w] = word;
          }
        }
      if (!same) list = appendKeys(draft, own, fours ? bits : null);
      for (let w = 0; w < wordsPerRow; w++) union[w]! |= own[w]!;
      const range = {begin: 0, end: list.end, mask: 0, bitStride: 0};
      if (owns === 'rows')
        write(draft.spans, SPAN, {firstKey: list.first, keyStride: 0, fullBegin: 0, fullEnd: fours ? 0 : list.end, ...range});
      else write(draft.spans, VISIT, {firstRow: list.first, rowStride: 0, full: 1, none: 0, ...range});
    }
    draft.addOwn(group, first, stride, count, spanBegin, countBits(union));
    yield;
  }
}

/** Keys as a list, which is whole pairs; with the bits of four rows, what each number is beside its key. */
function appendKeys({numbers}: Draft, own: Uint32Array, bits: Uint32Array | null): {readonly first: number; readonly end: number} {
  const keys = keysIn(own);
  const to = numbers.grow(2 * ceilDiv(keys.length, 2));
  const {data} = numbers;
  data.set(keys, to);
  if (keys.length % 2 === 1) data[to + keys.length] = 0;
  if (bits !== null)
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index]!;
      for (let x = 0; x < 4; x++)
        if ((bits[x * own.length + (key >>> 5)]! >>> (key & 31)) & 1) data[to + index]! |= 1 << (FOUR_BITS + x);
    }
  return {first: to / 2, end: keys.length};
}
