import {ceilDiv} from '../support/index.js';
import type {MaskBits} from './bits.js';
import type {Draft} from './draft.js';
import {SPAN, write} from './format.js';
import type {Kinds} from './plan.js';

/**
 * Every key tile of every row tile, each to be tested against mask bits: for masks without arithmetic. `mask`: the bits of the pattern, or null
 * when they come with the call.
 */
export function addDense(
  draft: Draft,
  {queryLength, keyLength}: {queryLength: number; keyLength: number},
  mask: MaskBits | null,
  width: number,
  kinds: Kinds,
  lines: readonly number[],
): void {
  const bitStride = mask === null ? 0 : ceilDiv(keyLength, 64);
  const bits = mask === null ? 0 : appendBits(draft, mask, ceilDiv(keyLength, 32));
  const written = mask?.rows ?? 1;
  const group = draft.group({...kinds, mask: mask === null ? 'tensor' : 'bits'}, 0, lines);
  for (let first = 0; first < queryLength; first += width) {
    const spanBegin = draft.nextSpan;
    const place = {firstKey: 0, keyStride: 1, begin: 0, end: keyLength, fullBegin: 0, fullEnd: 0};
    if (keyLength > 0) write(draft.spans, SPAN, {...place, mask: bits + (first % written) * bitStride, bitStride});
    draft.add(group, first, 1, Math.min(width, queryLength - first), spanBegin);
  }
}

/** Rows of whole pairs. */
function appendBits({bits}: Draft, {words, rows}: MaskBits, perRow: number): number {
  const wide = 2 * ceilDiv(perRow, 2);
  const at = bits.grow(rows * wide);
  if (wide === perRow) bits.data.set(words, at);
  else {
    bits.data.fill(0, at, bits.length);
    for (let row = 0; row < rows; row++) bits.data.set(words.subarray(row * perRow, (row + 1) * perRow), at + row * wide);
  }
  return at / 2;
}
