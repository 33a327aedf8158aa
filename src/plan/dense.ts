import {ceilDiv} from '../support/index.js';
import type {Draft} from './draft.js';
import {SPAN, write} from './format.js';
import type {Kinds} from './plan.js';

/**
 * Every key tile of every row tile, each to be tested against mask bits: for masks without arithmetic. `words` are those of the pattern,
 * [queryLength · ⌈keyLength/32⌉], or null when the mask comes with the call.
 */
export function addDense(
  draft: Draft,
  {queryLength, keyLength}: {queryLength: number; keyLength: number},
  words: Uint32Array | null,
  width: number,
  kinds: Kinds,
  lines: readonly number[],
): void {
  const bitStride = words === null ? 0 : ceilDiv(keyLength, 64);
  const bits = words === null ? 0 : appendBits(draft, words, queryLength, ceilDiv(keyLength, 32));
  const group = draft.group({...kinds, mask: words === null ? 'tensor' : 'bits'}, 0, lines);
  for (let first = 0; first < queryLength; first += width) {
    const spanBegin = draft.nextSpan;
    const place = {firstKey: 0, keyStride: 1, begin: 0, end: keyLength, fullBegin: 0, fullEnd: 0};
    if (keyLength > 0) write(draft.spans, SPAN, {...place, mask: bits + first * bitStride, bitStride});
    draft.add(group, first, 1, Math.min(width, queryLength - first), spanBegin);
  }
}

/** Rows of whole pairs. */
function appendBits({bits}: Draft, words: Uint32Array, rows: number, perRow: number): number {
  const wide = 2 * ceilDiv(perRow, 2);
  const at = bits.grow(rows * wide);
  if (wide === perRow) bits.data.set(words, at);
  else {
    bits.data.fill(0, at, bits.length);
    for (let row = 0; row < rows; row++) bits.data.set(words.subarray(row * perRow, (row + 1) * perRow), at + row * wide);
  }
  return at / 2;
}
