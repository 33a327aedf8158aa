import {readBit, readInterval, readItem, readNumber, readSpan, type Item, type Span} from './format.js';
import type {Kinds, Pass, Work} from './plan.js';
import {FOUR_BITS, keyOfFour, rowsPerSpan} from './row_wise.js';

/** One head of one sequence; by default the first of each. */
export interface LineName {
  readonly head?: number;
  readonly batch?: number;
}

/** Calls `visit` for every span of every item of a line, in schedule order, with the rows [from, to) of the item that visit it. */
export function forEachSpan(
  plan: Work,
  visit: (item: Item, span: Span, pass: Pass, from: number, to: number) => void,
  line: LineName = {},
): void {
  for (const pass of plan.passes) {
    const {kinds, itemBegin, itemEnd} = pass;
    const perSpan = rowsPerSpan(kinds);
    for (let index = itemBegin; index < itemEnd; index++) {
      const item = readItem(plan, index);
      if (!serves(plan, kinds, item, line)) continue;
      for (let span = item.spanBegin; span < item.spanEnd; span++) {
        const from = perSpan === null ? 0 : perSpan * (span - item.spanBegin);
        const to = perSpan === null ? item.rows : Math.min(item.rows, from + perSpan);
        visit(item, readSpan(plan, span), pass, from, to);
      }
    }
  }
}

/** Whether an item computes rows of a line. */
export function serves(
  {problem: {heads}}: Pick<Work, 'problem'>,
  kinds: Kinds,
  {line}: Pick<Item, 'line'>,
  {head = 0, batch = 0}: LineName,
): boolean {
  if (kinds.heads === 'grid') return kinds.batch === 'grid' || line === batch;
  return line % heads === head && (kinds.batch === 'grid' || Math.floor(line / heads) === batch);
}

/** Row number x of an item. */
export const rowOfItem = (
  plan: Work,
  {rows}: Kinds,
  {firstRow, rowStride}: Pick<Item, 'firstRow' | 'rowStride'>,
  x: number,
): number => (rows === 'list' ? readNumber(plan, firstRow, x) : firstRow + rowStride * x);

/** Key number y of a span. */
export const keyOfSpan = (
  plan: Work,
  {keys, mask}: Kinds,
  {firstKey, keyStride}: Pick<Span, 'firstKey' | 'keyStride'>,
  y: number,
): number => {
  if (keys === 'affine') return firstKey + keyStride * y;
  const number = readNumber(plan, firstKey, y);
  return mask === 'fours' ? keyOfFour(number) : number;
};

/** Whether row x of an item attends to key number y of a span by a bit. */
const attendsByBit = (plan: Work, {mask}: Kinds, span: Span, x: number, y: number): boolean =>
  mask === 'bits' ? readBit(plan, span, x, y) === 1 : ((readNumber(plan, span.firstKey, y) >>> (FOUR_BITS + (x % 4))) & 1) === 1;

/**
 * Calls `visit` with the keys `firstKey + keyStride·i, i < count` that a query reads in one part of the plan; those of bits one by one.
 * What a mask tensor hides is not known: every key counts.
 */
export function forEachRun(
  plan: Work,
  visit: (query: number, firstKey: number, keyStride: number, count: number, kinds: Kinds) => void,
  line: LineName = {},
): void {
  forEachSpan(
    plan,
    (item, span, {kinds}, from, to) => {
      for (let x = from; x < to; x++) {
        const query = rowOfItem(plan, kinds, item, x);
        if (kinds.mask === 'bits' || kinds.mask === 'fours') {
          for (let y = span.begin; y < span.end; y++)
            if (attendsByBit(plan, kinds, span, x, y)) visit(query, keyOfSpan(plan, kinds, span, y), 1, 1, kinds);
          continue;
        }
        const [low, high] = kinds.mask === 'interval' ? readInterval(plan, span, x) : [span.begin, span.end];
        const lo = Math.max(low, span.begin);
        const hi = Math.min(high, span.end);
        if (kinds.keys === 'list') for (let y = lo; y < hi; y++) visit(query, keyOfSpan(plan, kinds, span, y), 1, 1, kinds);
        else if (lo < hi) visit(query, span.firstKey + span.keyStride * lo, span.keyStride, hi - lo, kinds);
      }
    },
    line,
  );
}

/** The mask a plan computes for a line, row-major [queryLength · keyLength], 1 where the query attends to the key. */
export function toDense(plan: Work, line: LineName = {}): Uint8Array {
  const {queryLength, keyLength} = plan.problem;
  const dense = new Uint8Array(queryLength * keyLength);
  forEachRun(
    plan,
    (query, firstKey, keyStride, count) => {
      for (let i = 0; i < count; i++) dense[query * keyLength + firstKey + keyStride * i]! += 1;
    },
    line,
  );
  return dense;
}
