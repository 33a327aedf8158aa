import type {Plan} from './plan.js';
import {readInterval, readItem, readSpan, type Item, type Span} from './format.js';

/** Calls `visit` for every span of every item of a fused plan, in schedule order. */
export function forEachSpan(plan: Plan, visit: (item: Item, span: Span) => void): void {
  for (const {itemBegin, itemEnd} of plan.passes) {
    for (let index = itemBegin; index < itemEnd; index++) {
      const item = readItem(plan, index);
      for (let span = item.spanBegin; span < item.spanEnd; span++) visit(item, readSpan(plan, span));
    }
  }
}

/** Calls `visit` with the keys `firstKey + keyStride·i, i < count` that a query reads in one part of the plan. Fused plans only. */
export function forEachRun(plan: Plan, visit: (query: number, firstKey: number, keyStride: number, count: number) => void): void {
  forEachSpan(plan, (item, span) => {
    for (let x = 0; x < item.rows; x++) {
      const [low, high] = readInterval(plan, span, x);
      const lo = Math.max(low, span.begin);
      const hi = Math.min(high, span.end);
      if (lo < hi) visit(item.firstRow + item.rowStride * x, span.firstKey + span.keyStride * lo, span.keyStride, hi - lo);
    }
  });
}

/** The mask a plan computes, row-major [queryLength · keyLength], 1 where the query attends to the key. */
export function toDense(plan: Plan): Uint8Array {
  const {queryLength, keyLength} = plan.problem;
  const dense = new Uint8Array(queryLength * keyLength);
  if (plan.maskWords !== null) {
    const wordsPerRow = Math.ceil(keyLength / 32);
    for (let query = 0; query < queryLength; query++) {
      for (let key = 0; key < keyLength; key++) {
        dense[query * keyLength + key] = (plan.maskWords[query * wordsPerRow + (key >>> 5)]! >>> (key & 31)) & 1;
      }
    }
    return dense;
  }
  forEachRun(plan, (query, firstKey, keyStride, count) => {
    for (let i = 0; i < count; i++) dense[query * keyLength + firstKey + keyStride * i]! += 1;
  });
  return dense;
}
