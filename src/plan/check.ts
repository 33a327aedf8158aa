import {readBit, readInterval, readItem, readMerge, readNumber, readSpan, type Item, type Span} from './format.js';

import type {Kinds, Pass, Plan, Work} from './plan.js';
import {isRowWise, keyOfFour, rowsPerSpan} from './row_wise.js';
import {forEachSpan, keyOfSpan, rowOfItem, serves, toDense, type LineName} from './visit.js';

/**
 * Throws an Error that names the first law a plan breaks, with item and word. For tests and debugging: it expands the mask.
 *
 * The laws: the passes that begin rows own each row of each line exactly once, others at most once; no pair is visited twice; rows, keys,
 * spans, intervals and bits stay inside their sections and the mask; keys said to be full are attended by every row; every slot is written
 * once and read by one merge; parts are issued longest first; where rows have spans of their own, an item has one for each of its rows.
 */
export function checkPlan(plan: Plan): void {
  checkWork(plan);
  const [first] = plan.passes;
  if (first === undefined || first.kinds.mask === 'tensor') return;
  const lines = linesOf(plan, first.kinds);
  const nnz = lines.reduce((sum, line) => sum + toDense(plan, line).reduce((pairs, times) => pairs + times, 0), 0);
  must(nnz === Math.round(plan.nnz * lines.length), `${nnz} pairs visited, nnz says ${plan.nnz} of each of ${lines.length} lines`);
}

/** All of these laws but that on the number of pairs, which plans of decoding steps and backward passes do not know. */
export function checkWork(plan: Work): void {
  plan.passes.forEach((pass, index) => checkPass(plan, pass, index));
  const [first] = plan.passes;
  if (first === undefined) return;
  for (const line of linesOf(plan, first.kinds)) {
    checkOwners(plan, line);
    if (first.kinds.mask === 'tensor') continue;
    forEachSpan(plan, (item, span, of) => checkSpan(plan, item, span, of), line);
    checkPairs(plan, line);
  }
}

function must(law: boolean, message: string): asserts law {
  if (!law) throw new Error(`plan: ${message}`);
}

/** The lines that items tell apart. */
function linesOf({problem: {heads, batch}}: Work, kinds: Kinds): LineName[] {
  const [h, b] = [kinds.heads === 'item' ? heads : Math.min(1, heads), kinds.batch === 'item' ? batch : Math.min(1, batch)];
  return Array.from({length: h * b}, (_, i) => ({head: i % h, batch: Math.floor(i / h)}));
}

function checkPass(plan: Work, {kinds, tile, itemBegin, itemEnd, mergeBegin, mergeEnd, slots: most}: Pass, pass: number): void {
  const {problem, weights} = plan;
  const slots = new Map<number, Item>();
  let last = Infinity;
  for (let index = itemBegin; index < itemEnd; index++) {
    const item = readItem(plan, index);
    const {rows, slot, line} = item;
    must(rows >= 1 && rows <= tile.rows, `item ${index} has ${rows} rows`);
    const served = linesOf(plan, kinds).some((each) => serves(plan, kinds, item, each));
    must(line >= 0 && served, `item ${index} serves line ${line} of ${problem.batch} × ${problem.heads}`);
    for (let x = 0; x < rows; x++) {
      const row = checkedNumber(plan, kinds.rows, item.firstRow, x, `row list of item ${index}`) ?? rowOfItem(plan, kinds, item, x);
      must(row >= 0 && row < problem.queryLength, `item ${index} has row ${row} of ${problem.queryLength}`);
    }
    const weight = isRowWise(kinds) ? tripsOf(plan, item, rowsPerSpan(kinds)!, tile.keys) : keyTilesOf(plan, item, tile.keys);
    must(weight === weights[index], `item ${index} visits ${weight} key tiles, its weight says ${weights[index]}`);
    must(weight <= last, `item ${index} is longer than the one before it`);
    last = weight;
    if (slot < 0) continue;
    must(slot < most, `slot ${slot} of ${most}`);
    must(!slots.has(slot), `slot ${slot} is written twice`);
    slots.set(slot, item);
  }
  for (let index = mergeBegin; index < mergeEnd; index++) {
    const {firstRow, line, slotBegin, slotEnd} = readMerge(plan, index);
    for (let slot = slotBegin; slot < slotEnd; slot++) {
      const item = slots.get(slot);
      must(
        item !== undefined && item.firstRow === firstRow && item.line === line,
        `merge ${index} reads slot ${slot} of other rows`,
      );
      slots.delete(slot);
    }
  }
  must(most <= plan.slots, `pass ${pass} has ${most} slots of ${plan.slots}`);
  must(slots.size === 0, `slots ${[...slots.keys()].join()} of pass ${pass} are never merged`);
}

/** Who writes each row of a line, in each pass. */
function checkOwners(plan: Work, line: LineName): void {
  const {queryLength} = plan.problem;
  const begun = new Uint8Array(queryLength);
  plan.passes.forEach(({kinds, itemBegin, itemEnd, mergeBegin, mergeEnd, continues}, pass) => {
    const owners = new Uint8Array(queryLength);
    const own = (tile: Pick<Item, 'firstRow' | 'rowStride' | 'rows'>): void => {
      for (let x = 0; x < tile.rows; x++) owners[rowOfItem(plan, kinds, tile, x)]! += 1;
    };
    for (let index = itemBegin; index < itemEnd; index++) {
      const item = readItem(plan, index);
      if (serves(plan, kinds, item, line) && item.slot < 0) own(item);
    }
    for (let index = mergeBegin; index < mergeEnd; index++) {
      const merge = readMerge(plan, index);
      must(merge.slotBegin < merge.slotEnd, `merge ${index} joins no slot`);
      if (serves(plan, kinds, merge, line)) own(merge);
    }
    owners.forEach((count, row) => {
      must(count <= 1, `row ${row} has ${count} owners in pass ${pass}`);
      must(count === 0 || (begun[row] === 1) === continues, `pass ${pass} ${continues ? 'continues' : 'begins'} row ${row}`);
      if (count > 0) begun[row] = 1;
    });
  });
  begun.forEach((count, row) => must(count === 1, `row ${row} has no owner`));
}

function checkSpan(plan: Work, item: Item, span: Span, {kinds, tile}: Pass): void {
  const {keyLength} = plan.problem;
  const where = `rows from ${rowOfItem(plan, kinds, item, 0)}`;
  must(span.begin < span.end || (isRowWise(kinds) && span.begin === span.end), `empty span at ${where}`);
  must(kinds.keys === 'list' || span.keyStride >= 1, `key stride ${span.keyStride} at ${where}`);
  for (let y = span.begin; y < span.end; y++) {
    const number = checkedNumber(plan, kinds.keys, span.firstKey, y, `key list at ${where}`);
    if (kinds.mask === 'fours') must(number! > keyOfFour(number!), `no row of four attends to key ${number} at ${where}`);
    const key = keyOfSpan(plan, kinds, span, y);
    must(key >= 0 && key < keyLength, `key ${key} of ${keyLength} at ${where}`);
  }
  if (kinds.mask === 'bits') {
    must(kinds.keys === 'list' || span.begin % 64 === 0 || span.begin % tile.keys === 0, `bits from key ${span.begin} at ${where}`);
    const last = plan.offsets.bits + span.mask + (item.rows - 1) * span.bitStride + ((span.end - 1) >>> 6);
    must(span.mask >= 0 && 2 * last + 1 < plan.schedule.length, `bits past the schedule at ${where}`);
  }
  if (isRowWise(kinds)) return;
  for (let x = 0; x < (kinds.mask === 'bits' ? item.rows : tile.rows); x++) {
    if (kinds.mask === 'bits') {
      for (let y = Math.max(span.begin, span.fullBegin); y < Math.min(span.end, span.fullEnd); y++)
        must(readBit(plan, span, x, y) === 1, `row ${x} of the tile at ${where} does not attend to all full keys`);
      continue;
    }
    const [lo, hi] = readInterval(plan, span, x);
    must(lo <= hi, `interval [${lo}, ${hi}) at ${where}`);
    const full = span.fullBegin >= span.fullEnd || (lo <= span.fullBegin && span.fullEnd <= hi);
    must(full, `row ${x} of the tile at ${where} does not attend to all full keys`);
  }
}

/** A number of a list, which must lie in the section of numbers; undefined where there are no lists. */
function checkedNumber(plan: Work, kind: 'affine' | 'list', list: number, index: number, where: string): number | undefined {
  if (kind === 'affine') return undefined;
  const at = 2 * (plan.offsets.numbers + list) + index;
  must(list >= 0 && at < 2 * plan.offsets.bits, `${where} reads word ${at}, past the section of numbers`);
  return readNumber(plan, list, index);
}

/** Each pair is visited once at most. */
function checkPairs(plan: Work, line: LineName): void {
  const {keyLength} = plan.problem;
  toDense(plan, line).forEach((times, pair) =>
    must(times <= 1, `pair (${Math.floor(pair / keyLength)}, ${pair % keyLength}) is visited ${times} times`),
  );
}

/** Trips over keys of the longest row, which the item must name. */
function tripsOf(plan: Work, {spanBegin, spanEnd, rows, number}: Item, perSpan: number, keys: number): number {
  const spans = Math.ceil(rows / perSpan);
  must(spanEnd - spanBegin === spans, `${rows} rows have ${spanEnd - spanBegin} spans of their own`);
  let trips = 0;
  for (let span = spanBegin; span < spanEnd; span++) {
    const {begin, end} = readSpan(plan, span);
    trips = Math.max(trips, Math.ceil((end - begin) / keys));
  }
  must(trips === number, `an item says ${number} trips, its longest row has ${trips}`);
  return trips;
}

function keyTilesOf(plan: Work, {spanBegin, spanEnd}: Item, keys: number): number {
  let tiles = 0;
  for (let span = spanBegin; span < spanEnd; span++) {
    const {begin, end} = readSpan(plan, span);
    tiles += Math.ceil((end - begin) / keys);
  }
  return tiles;
}
