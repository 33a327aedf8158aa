import {ceilDiv} from '../support/index.js';
import {partsOf} from './parts.js';
import type {Pass, Plan} from './plan.js';
import type {Device} from './problem.js';
import {IntList, ITEM_PAIRS, longestFirst, MERGE_PAIRS, packSections, readItem, readSpan} from './schedule.js';

/**
 * The tile list of a plan seen from its keys, for gradients of keys and values: a key tile and the row tiles that visit it. The pattern is
 * not transposed, for a column of an affine pattern need not be an interval: rows keep their [lo, hi), and the kernel asks whether its keys
 * lie in it.
 *
 * Records mirror those of schedule.ts, keys in the place of rows:
 *
 *     item   4 pairs  (firstKey, keyStride) (keys, slot) (visitBegin, visitEnd) (y of the first key in its class, 0)
 *     visit  4 pairs  (firstRow, rowStride) (0, rows) (every row attends to every key, 0) (intervals, 0)
 *     merge  4 pairs  (firstKey, keyStride) (keys, slotBegin) (slotEnd, 0) (0, 0)
 */
export interface KeySchedule {
  readonly passes: readonly Pass[];
  readonly schedule: Int32Array;
  readonly offsets: {readonly items: number; readonly visits: number; readonly intervals: number; readonly merges: number};
  /** Key tiles of partial results per head and batch: every item has one. */
  readonly slots: number;
}

interface Visit {
  readonly firstRow: number;
  readonly rowStride: number;
  rows: number;
  readonly full: boolean;
  readonly intervals: number;
}

interface KeyTile {
  readonly residue: number;
  readonly stride: number;
  /** Number of the first key in its residue class. */
  readonly y: number;
  readonly keys: number;
  readonly visits: Visit[];
}

/** Transposes a plan whose rows are whole (no slots). */
export function transpose(plan: Plan, device: Device): KeySchedule {
  const {problem, tile} = plan;
  const items = new IntList();
  const visits = new IntList();
  const merges = new IntList();
  let slots = 0;
  const passes = plan.passes.map((pass, index): Pass => {
    const tiles = [...keyTiles(plan, pass, index === 0)];
    const itemBegin = items.length / (2 * ITEM_PAIRS);
    const mergeBegin = merges.length / (2 * MERGE_PAIRS);
    const drafts = new IntList();
    const weights: number[] = [];
    const lengths = tiles.map(({visits}) => chunks(visits, tile.rows));
    const {longest, part} = partsOf(lengths, problem, device, {...tile, keys: tile.rows});
    tiles.forEach(({residue, stride, y, keys, visits: own}, at) => {
      const length = lengths[at]!;
      const parts = length === 0 ? [] : length <= longest ? [own] : cut(own, ceilDiv(length, ceilDiv(length, part)), tile.rows);
      const firstKey = residue + stride * y;
      merges.push(firstKey, stride, keys, slots, slots + parts.length, 0, 0, 0);
      for (const some of parts) {
        const begin = visits.length / 8;
        for (const {firstRow, rowStride, rows, full, intervals} of some)
          visits.push(firstRow, rowStride, 0, rows, full ? 1 : 0, 0, intervals, 0);
        drafts.push(firstKey, stride, keys, slots++, begin, visits.length / 8, y, 0);
        weights.push(chunks(some, tile.rows));
      }
    });
    for (const draft of longestFirst(weights)) items.append(drafts.data.subarray(8 * draft, 8 * draft + 8));
    const ends = {itemEnd: items.length / (2 * ITEM_PAIRS), mergeEnd: merges.length / (2 * MERGE_PAIRS)};
    return {itemBegin, mergeBegin, ...ends, continues: index > 0};
  });
  const {schedule, at} = packSections([items.view(), visits.view(), merges.view(), intervalsOf(plan)]);
  const [itemsAt, visitsAt, mergesAt, intervalsAt] = at as [number, number, number, number];
  return {passes, schedule, offsets: {items: itemsAt, visits: visitsAt, merges: mergesAt, intervals: intervalsAt}, slots};
}

const intervalsOf = ({schedule, offsets}: Plan): Int32Array => schedule.subarray(2 * offsets.intervals, 2 * offsets.merges);

/** The key tiles of a pass in the order of their keys; all there are, `owned`, also those that nobody visits. */
function keyTiles(plan: Plan, {itemBegin, itemEnd}: Pass, owned: boolean): Iterable<KeyTile> {
  const {keyLength} = plan.problem;
  const {keys: width} = plan.tile;
  const tiles = new Map<number, KeyTile>();
  const tileAt = (residue: number, stride: number, number: number): KeyTile => {
    const y = number * width;
    const name = residue + stride * y;
    let tile = tiles.get(name);
    if (tile === undefined) {
      const keys = Math.min(width, ceilDiv(keyLength - residue, stride) - y);
      tiles.set(name, (tile = {residue, stride, y, keys, visits: []}));
    }
    return tile;
  };
  const rowTiles = Array.from({length: itemEnd - itemBegin}, (_, i) => readItem(plan, itemBegin + i));
  // Row tiles that follow one another become one visit.
  rowTiles.sort(
    (a, b) => a.rowStride - b.rowStride || (a.firstRow % a.rowStride) - (b.firstRow % b.rowStride) || a.firstRow - b.firstRow,
  );
  let stride = 1;
  for (const {spanBegin, spanEnd} of rowTiles) if (spanBegin < spanEnd) stride = readSpan(plan, spanBegin).keyStride;
  if (owned)
    for (let residue = 0; residue < Math.min(stride, keyLength); residue++)
      for (let number = 0; number * width < ceilDiv(keyLength - residue, stride); number++) tileAt(residue, stride, number);
  for (const {firstRow, rowStride, rows, spanBegin, spanEnd} of rowTiles) {
    for (let index = spanBegin; index < spanEnd; index++) {
      const {firstKey, keyStride, yBegin, yEnd, fullBegin, fullEnd, intervals} = readSpan(plan, index);
      for (let number = Math.floor(yBegin / width); number * width < yEnd; number++) {
        const tile = tileAt(firstKey, keyStride, number);
        const full = fullBegin <= tile.y && tile.y + tile.keys <= fullEnd;
        visit(tile.visits, {firstRow, rowStride, rows, full, intervals}, plan);
      }
    }
  }
  return tiles.values();
}

/** Appends a visit, or makes the last one longer. */
function visit(visits: Visit[], next: Visit, {implementation, tile}: Plan): void {
  const last = visits.at(-1);
  const follows =
    last !== undefined &&
    last.rowStride === next.rowStride &&
    last.firstRow + last.rowStride * last.rows === next.firstRow &&
    last.rows % tile.rows === 0 &&
    last.full === next.full &&
    (next.full || implementation === 'dense' || last.intervals + last.rows === next.intervals);
  if (follows) last.rows += next.rows;
  else visits.push(next);
}

const chunks = (visits: readonly Visit[], rows: number): number =>
  visits.reduce((sum, visit) => sum + ceilDiv(visit.rows, rows), 0);

/** Cuts visits into parts of `length` chunks of rows. */
function cut(visits: readonly Visit[], length: number, chunk: number): Visit[][] {
  const parts: Visit[][] = [[]];
  let room = length;
  for (const {firstRow, rowStride, rows, full, intervals} of visits) {
    for (let from = 0; from < rows;) {
      if (room === 0) {
        parts.push([]);
        room = length;
      }
      const take = Math.min(rows - from, room * chunk);
      parts.at(-1)!.push({firstRow: firstRow + rowStride * from, rowStride, rows: take, full, intervals: intervals + from});
      room -= ceilDiv(take, chunk);
      from += take;
    }
  }
  return parts;
}
