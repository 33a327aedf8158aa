import {ITEM, KEY_ITEM, KEY_MERGE, MERGE, pack, SPAN, VISIT, write} from '../../src/plan/format.js';
import {
  formatsOf,
  FOURS,
  isRowWise,
  ROW_WISE,
  type GradientPlan,
  type Kinds,
  type Pass,
  type Plan,
  type Problem,
  type TileShape,
} from '../../src/plan/index.js';
import {causal} from '../../src/pattern/index.js';
import type {Attends} from '../oracle.js';
import {planFor, SOFTWARE_DEVICE} from './plans.js';
import {Lists, range, SIZE, Slots} from './schedule_lists.js';

/**
 * A schedule of any mask, whatever its pass names and however: made from the meaning of the words, apart from the planner. Lists of rows are in
 * descending order, so that nothing works by being the identity. An interval needs rows whose keys follow one another among those that the
 * tile lists. `base` says with which kernel; its tiles have 32 rows or more. `parts`: spans are cut at every 64 keys, and merges join them.
 */
export function handMade(
  problem: Problem,
  kinds: Kinds,
  attends: Attends,
  parts: boolean,
  base: Plan = planFor(causal(), problem, SOFTWARE_DEVICE, 'fused'),
): Plan {
  const {queryLength, keyLength} = problem;
  if (isRowWise(kinds)) return handMadeRows(problem, kinds, attends, parts, base);
  const lists = new Lists();
  const slots = new Slots();
  for (const {batch, head, line} of linesOf(problem, kinds)) {
    const order = range(queryLength);
    if (kinds.rows === 'list') order.reverse();
    for (let first = 0; first < queryLength; first += SIZE) {
      const rows = order.slice(first, first + SIZE);
      const shown = (row: number, key: number): boolean => attends(row, key, batch, head);
      const keys = range(keyLength).filter((key) => kinds.keys === 'affine' || rows.some((row) => shown(row, key)));
      const [mask, bitStride] = lists.mask(kinds, rows, keys, shown);
      const isFull = keys.map((key) => rows.every((row) => shown(row, key)));
      const fullBegin = Math.max(0, isFull.indexOf(true));
      const fullEnd = fullBegin + Math.max(0, isFull.slice(fullBegin).concat(false).indexOf(false));
      const keysOf = kinds.keys === 'list' ? {firstKey: lists.number(keys), keyStride: 0} : {firstKey: 0, keyStride: 1};
      const rowsOf = kinds.rows === 'list' ? {firstRow: lists.number(rows), rowStride: 0} : {firstRow: rows[0]!, rowStride: 1};
      const cuts = range(parts ? Math.max(1, Math.ceil(keys.length / 64)) : 1);
      const place = {...rowsOf, rows: rows.length, none: 0, number: 0, line};
      const slot = cuts.length > 1 ? slots.take(cuts.length) : -1;
      for (const cut of cuts) {
        const spanBegin = lists.spans.length / SPAN.words;
        const [begin, end] = parts ? [64 * cut, Math.min(keys.length, 64 * cut + 64)] : [0, keys.length];
        if (begin < end) write(lists.spans, SPAN, {...keysOf, begin, end, fullBegin, fullEnd, mask, bitStride});
        const spanEnd = lists.spans.length / SPAN.words;
        write(lists.items, ITEM, {...place, slot: slot < 0 ? -1 : slot + cut, spanBegin, spanEnd});
      }
      if (slot >= 0) write(lists.merges, MERGE, {...place, slotBegin: slot, slotEnd: slot + cuts.length, unused: 0});
    }
  }
  const items = lists.items.length / ITEM.words;
  return {
    ...base,
    ...pack(lists.sections),
    passes: [passOf(kinds, base.tile, items, lists.merges.length / MERGE.words, slots.most)],
    weights: new Int32Array(items),
    slots: slots.most,
  };
}

/** Trips of a part. */
const TRIPS = 3;

/** Row by row: `parts` of 12 keys, of which short rows have nothing in the last. */
function handMadeRows(problem: Problem, kinds: Kinds, attends: Attends, parts: boolean, base: Plan): Plan {
  const lists = new Lists();
  const slots = new Slots();
  const tile = kinds.mask === 'fours' ? FOURS : ROW_WISE;
  const weights: number[] = [];
  for (const {batch, head, line} of linesOf(problem, kinds)) {
    const order = range(problem.queryLength);
    if (kinds.rows === 'list') order.reverse();
    for (let first = 0; first < order.length; first += tile.rows) {
      const rows = order.slice(first, first + tile.rows);
      const shown = (row: number, key: number): boolean => attends(row, key, batch, head);
      const rowsOf = kinds.rows === 'list' ? {firstRow: lists.number(rows), rowStride: 0} : {firstRow: rows[0]!, rowStride: 1};
      const owned = lists.own(kinds, rows, range(problem.keyLength), shown);
      const longest = Math.max(...owned.map(({length}) => Math.ceil(length / tile.keys)));
      const cuts = range(parts ? Math.max(1, Math.ceil(longest / TRIPS)) : 1);
      const place = {...rowsOf, rows: rows.length, none: 0, line};
      const slot = cuts.length > 1 ? slots.take(cuts.length) : -1;
      for (const cut of cuts) {
        const spanBegin = lists.spans.length / SPAN.words;
        const [from, to] = parts ? [TRIPS * cut, TRIPS * (cut + 1)] : [0, longest];
        lists.ownSpans(SPAN, owned, from * tile.keys, to * tile.keys);
        const number = Math.min(longest, to) - from;
        weights.push(number);
        const spanEnd = lists.spans.length / SPAN.words;
        write(lists.items, ITEM, {...place, number, slot: slot < 0 ? -1 : slot + cut, spanBegin, spanEnd});
      }
      if (slot >= 0) write(lists.merges, MERGE, {...place, slotBegin: slot, slotEnd: slot + cuts.length, unused: 0});
    }
  }
  const items = lists.items.length / ITEM.words;
  return {
    ...base,
    ...pack(lists.sections),
    passes: [passOf(kinds, tile, items, lists.merges.length / MERGE.words, slots.most)],
    weights: Int32Array.from(weights),
    slots: slots.most,
  };
}

/** The same from the keys. Key tiles write their gradients themselves, or leave records that merges join, two for each tile. */
export function handMadeGradients(
  problem: Problem,
  kinds: Kinds,
  attends: Attends,
  results: 'gradients' | 'records',
): GradientPlan {
  const {queryLength, keyLength, heads, keyHeads} = problem;
  const own = kinds.mask === 'fours' ? FOURS : ROW_WISE;
  const size = isRowWise(kinds) ? own.rows : SIZE;
  const rows = handMade(problem, kinds, attends, results === 'records');
  const lists = new Lists();
  const slots = new Slots();
  const weights: number[] = [];
  const group = heads / keyHeads;
  const lines = linesOf(problem, kinds);
  // A list has the keys that somebody attends to; who owns the others, whose gradients are zeros, is nobody's concern here.
  const attended = (key: number): boolean =>
    lines.some(({batch, head}) => range(queryLength).some((row) => attends(row, key, batch, head)));
  const order = range(keyLength);
  if (kinds.keys === 'list') order.splice(0, Infinity, ...order.reverse().filter(attended));
  type Own = {readonly firstKey: number; readonly keyStride: number; readonly keys: number};
  const addMerge = (place: Own, slot: number, head: number, line: number): void => {
    const named = kinds.heads === 'item';
    if (slot < 0 || (named && head % group !== group - 1)) return;
    const count = named ? 2 * group : 2;
    write(lists.merges, KEY_MERGE, {...place, slotBegin: slot + 2 - count, slotEnd: slot + 2, unused: 0, none: 0, line});
  };
  for (let first = 0; first < order.length; first += size) {
    const keys = order.slice(first, first + size);
    const keysOf = kinds.keys === 'list' ? {firstKey: lists.number(keys), keyStride: 0} : {firstKey: keys[0]!, keyStride: 1};
    const place = {...keysOf, keys: keys.length};
    for (const {batch, head, line} of lines) {
      const shown = (row: number, key: number): boolean => attends(row, key, batch, head);
      const met = range(queryLength);
      if (kinds.rows === 'list') met.reverse();
      if (isRowWise(kinds)) {
        const owned = lists.own(kinds, keys, met, (key, row) => shown(row, key));
        const longest = Math.max(...owned.map(({length}) => Math.ceil(length / own.keys)));
        const halves = results === 'records' ? [0, Math.floor(longest / 2), longest] : [0, longest];
        const slot = results === 'records' ? slots.take(2) : -1;
        for (let cut = 0; cut + 1 < halves.length; cut++) {
          const visitBegin = lists.spans.length / VISIT.words;
          const [from, to] = [halves[cut]!, halves[cut + 1]!];
          lists.ownSpans(VISIT, owned, from * own.keys, to * own.keys);
          weights.push(to - from);
          const visitEnd = lists.spans.length / VISIT.words;
          write(lists.items, KEY_ITEM, {...place, slot: slot < 0 ? -1 : slot + cut, visitBegin, visitEnd, number: to - from, line});
        }
        addMerge(place, slot, head, line);
        continue;
      }
      const rowsOf = kinds.rows === 'list' ? {firstRow: lists.number(met), rowStride: 0} : {firstRow: 0, rowStride: 1};
      const number = first;
      const [mask, bitStride] =
        kinds.mask === 'bits' ? lists.columns(met, keys, number, shown) : lists.mask(kinds, met, order, shown);
      const cuts = results === 'records' ? [0, 1] : [0];
      // Heads that items name follow one another in a group, so that one merge of its keys joins them.
      const slot = results === 'records' ? slots.take(2) : -1;
      for (const cut of cuts) {
        const visitBegin = lists.spans.length / VISIT.words;
        const middle = kinds.rows === 'list' ? queryLength - SIZE : SIZE;
        const [begin, end] = results === 'records' ? (cut === 0 ? [0, middle] : [middle, queryLength]) : [0, queryLength];
        const full = met.slice(begin, end).every((row) => keys.every((key) => shown(row, key))) ? 1 : 0;
        write(lists.spans, VISIT, {...rowsOf, begin: begin!, end: end!, full, none: 0, mask, bitStride});
        const visitEnd = lists.spans.length / VISIT.words;
        weights.push(Math.ceil((end! - begin!) / rows.tile.rows));
        write(lists.items, KEY_ITEM, {...place, slot: slot < 0 ? -1 : slot + cut, visitBegin, visitEnd, number, line});
      }
      addMerge(place, slot, head, line);
    }
  }
  const {schedule, offsets} = pack(lists.sections, rows.schedule);
  const pass = passOf(
    kinds,
    isRowWise(kinds) ? own : rows.tile,
    lists.items.length / KEY_ITEM.words,
    lists.merges.length / KEY_MERGE.words,
    slots.most,
  );
  return {
    rows: {...rows, schedule},
    keys: {passes: [pass], offsets, slots: slots.most, weights: Int32Array.from(weights)},
    results,
    formats: formatsOf('float32'),
  };
}

const passOf = (kinds: Kinds, tile: TileShape, itemEnd: number, mergeEnd: number, slots: number): Pass => ({
  kinds,
  tile,
  itemBegin: 0,
  itemEnd,
  continues: false,
  mergeBegin: 0,
  mergeEnd,
  slots,
});

/** The lines that items name, one for all where everything is on the grid. The mask of what is on the grid is that of its first. */
function linesOf({batch, heads}: Problem, kinds: Kinds): {readonly batch: number; readonly head: number; readonly line: number}[] {
  const sequences = kinds.batch === 'item' ? range(batch) : [0];
  return sequences.flatMap((b) =>
    (kinds.heads === 'item' ? range(heads) : [0]).map((head) => ({
      batch: b,
      head,
      line: kinds.heads === 'item' ? (kinds.batch === 'item' ? b * heads + head : head) : kinds.batch === 'item' ? b : 0,
    })),
  );
}
