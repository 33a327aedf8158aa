import type {Plan} from './plan.js';
import {readInterval, readItem, readMerge, readSpan} from './format.js';
import {forEachSpan, toDense} from './visit.js';

/**
 * Throws an Error that names the first law a plan breaks. For tests and debugging: it expands the mask.
 *
 * The laws: the first pass owns every row exactly once; no pair is visited twice; spans and intervals stay inside the keys; keys said to
 * be full are attended by every row; every slot is written once and read by one merge; parts are issued longest first.
 */
export function checkPlan(plan: Plan): void {
  const {queryLength, keyLength} = plan.problem;
  const must = (law: boolean, message: string): void => {
    if (!law) throw new Error(`plan: ${message}`);
  };
  plan.passes.forEach(({itemBegin, itemEnd, continues, mergeBegin, mergeEnd}, pass) => {
    must(continues === pass > 0, `pass ${pass} continues: ${continues}`);
    const owners = new Uint8Array(queryLength);
    const slots = new Map<number, number>();
    let last = Infinity;
    for (let index = itemBegin; index < itemEnd; index++) {
      const item = readItem(plan, index);
      must(item.rows >= 1 && item.rows <= plan.tile.rows, `item ${index} has ${item.rows} rows`);
      const weight = keysOf(plan, item.spanBegin, item.spanEnd);
      must(weight <= last, `item ${index} is longer than the one before it`);
      last = weight;
      if (item.slot >= 0) {
        must(!slots.has(item.slot), `slot ${item.slot} is written twice`);
        slots.set(item.slot, item.firstRow);
      } else {
        for (let x = 0; x < item.rows; x++) owners[item.firstRow + item.rowStride * x]! += 1;
      }
    }
    for (let index = mergeBegin; index < mergeEnd; index++) {
      const merge = readMerge(plan, index);
      for (let x = 0; x < merge.rows; x++) owners[merge.firstRow + merge.rowStride * x]! += 1;
      for (let slot = merge.slotBegin; slot < merge.slotEnd; slot++) {
        must(slots.get(slot) === merge.firstRow, `merge ${index} reads slot ${slot} of other rows`);
        must(slot < plan.slots, `slot ${slot} of ${plan.slots}`);
        slots.delete(slot);
      }
    }
    must(slots.size === 0, `slots ${[...slots.keys()].join()} are never merged`);
    owners.forEach((count, row) => must(pass === 0 ? count === 1 : count <= 1, `row ${row} has ${count} owners in pass ${pass}`));
  });
  if (plan.maskWords !== null || plan.implementation === 'dense') return;
  forEachSpan(plan, (item, span) => {
    must(span.keyStride >= 1 && span.begin < span.end, `empty span at rows from ${item.firstRow}`);
    must(span.firstKey + span.keyStride * (span.end - 1) < keyLength, `span past the keys at rows from ${item.firstRow}`);
    for (let x = 0; x < plan.tile.rows; x++) {
      const [lo, hi] = readInterval(plan, span, x);
      must(lo <= hi, `interval [${lo}, ${hi}) at rows from ${item.firstRow}`);
      if (span.fullBegin < span.fullEnd) {
        must(
          lo <= span.fullBegin && span.fullEnd <= hi,
          `row ${x} of the tile from ${item.firstRow} does not attend to all full keys`,
        );
      }
    }
  });
  const nnz = toDense(plan).reduce((sum, times, pair) => {
    must(times <= 1, `pair (${Math.floor(pair / keyLength)}, ${pair % keyLength}) is visited ${times} times`);
    return sum + times;
  }, 0);
  must(nnz === plan.nnz, `${nnz} pairs visited, nnz says ${plan.nnz}`);
}

function keysOf(plan: Plan, spanBegin: number, spanEnd: number): number {
  let tiles = 0;
  for (let span = spanBegin; span < spanEnd; span++) {
    const {begin, end} = readSpan(plan, span);
    tiles += Math.ceil((end - begin) / plan.tile.keys);
  }
  return tiles;
}
