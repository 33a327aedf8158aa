import {KEY_ITEM, KEY_MERGE, read, readBit, readInterval, readNumber, VISIT, type Packed} from './format.js';
import type {GradientPlan} from './gradient_plan.js';
import type {Kinds, Pass} from './plan.js';
import {FOUR_BITS, isRowWise, keyOfFour, rowsPerSpan} from './row_wise.js';
import {serves, toDense, type LineName} from './visit.js';

type KeyItem = Readonly<Record<keyof typeof KEY_ITEM.at, number>>;
type Visit = Readonly<Record<keyof typeof VISIT.at, number>>;

/**
 * Throws an Error that names the first law the key tiles of a backward pass break. For tests and debugging: it expands the mask.
 *
 * The laws: the passes that begin keys own each key of each line once; tiles, lists and visits stay inside keys and queries; the pairs are
 * those of the row tiles; items are as long as their weight, longest first; every slot is written once in its wave and summed once.
 */
export function checkGradientPlan(plan: GradientPlan): void {
  const {rows, keys} = plan;
  const {heads, batch, keyLength} = rows.problem;
  const [first] = keys.passes;
  if (first === undefined) return;
  const most = Math.max(...keys.passes.map((pass) => checkSlots(plan, pass)));
  must(most === keys.slots, `${keys.slots} slots, but no wave has more than ${most}`);
  for (let b = 0; b < (first.kinds.batch === 'item' ? batch : Math.min(1, batch)); b++) {
    for (let h = 0; h < (first.kinds.heads === 'item' ? heads : Math.min(1, heads)); h++) {
      const line = {head: h, batch: b};
      const owners = new Uint8Array(keyLength);
      // Heads of a group may share a head of keys, which one of them begins.
      const group = first.kinds.heads === 'item' && plan.results === 'records' ? heads / rows.problem.keyHeads : 1;
      const begins = h % group === 0;
      eachOwned(plan, line, ({continues}, key) => {
        if (continues === begins) return;
        owners[key]! += 1;
      });
      if (begins) owners.forEach((count, key) => must(count === 1, `key ${key} of head ${h}, sequence ${b} has ${count} owners`));
      const [byKeys, byRows] = [pairsByKeys(plan, line), toDense(rows, line)];
      const wrong = byKeys.findIndex((times, pair) => times !== byRows[pair]);
      const where = `pair (${Math.floor(wrong / keyLength)}, ${wrong % keyLength}) of head ${h}, sequence ${b}`;
      must(wrong < 0, `${where} is computed ${byKeys[wrong]} times, by rows ${byRows[wrong]}`);
    }
  }
}

function must(law: boolean, message: string): asserts law {
  if (!law) throw new Error(`key tiles: ${message}`);
}

const packedKeys = ({rows: {schedule}, keys: {offsets}}: GradientPlan): Packed => ({schedule, offsets});

/** Calls `visit` for every key that a pass writes or sums for a line. */
function eachOwned(plan: GradientPlan, line: LineName, visit: (pass: Pass, key: number) => void): void {
  const packed = packedKeys(plan);
  for (const pass of plan.keys.passes) {
    const own = (tile: {firstKey: number; keyStride: number; keys: number; line: number}): void => {
      if (!serves(plan.rows, pass.kinds, tile, line)) return;
      for (let x = 0; x < tile.keys; x++) visit(pass, keyNumber(packed, pass.kinds, tile, x));
    };
    for (let index = pass.itemBegin; index < pass.itemEnd; index++) {
      const item = read(packed, 'items', KEY_ITEM, index);
      if (item.slot < 0) own(item);
    }
    for (let index = pass.mergeBegin; index < pass.mergeEnd; index++) own(read(packed, 'merges', KEY_MERGE, index));
  }
}

const keyNumber = (
  packed: Packed,
  {keys}: Kinds,
  {firstKey, keyStride}: {firstKey: number; keyStride: number},
  x: number,
): number => (keys === 'list' ? readNumber(packed, firstKey, x) : firstKey + keyStride * x);

function checkSlots(plan: GradientPlan, {kinds, tile, itemBegin, itemEnd, mergeBegin, mergeEnd}: Pass): number {
  const packed = packedKeys(plan);
  const slots = new Set<number>();
  let last = Infinity;
  for (let index = itemBegin; index < itemEnd; index++) {
    const item = read(packed, 'items', KEY_ITEM, index);
    const {firstKey, keyStride, keys, slot, number, visitBegin, visitEnd} = item;
    let weight = 0;
    for (let visit = visitBegin; visit < visitEnd; visit++) {
      const {begin, end} = read(packed, 'spans', VISIT, visit);
      const tiles = Math.ceil((end - begin) / tile.keys);
      weight = isRowWise(kinds) ? Math.max(weight, tiles) : weight + tiles;
    }
    const perVisit = rowsPerSpan(kinds);
    if (perVisit !== null)
      must(
        visitEnd - visitBegin === Math.ceil(keys / perVisit) && number === weight,
        `item ${index} of ${keys} keys has other visits`,
      );
    must(
      weight === plan.keys.weights[index],
      `item ${index} visits ${weight} tiles of rows, its weight says ${plan.keys.weights[index]}`,
    );
    must(weight <= last, `item ${index} is longer than the one before it`);
    last = weight;
    must(keys >= 1 && keys <= tile.rows, `a tile of ${keys} keys`);
    for (let x = 0; x < keys; x++) {
      const key = keyNumber(packed, kinds, item, x);
      must(key >= 0 && key < plan.rows.problem.keyLength, `item ${index} has key ${key} of ${plan.rows.problem.keyLength}`);
    }
    const counted = kinds.mask !== 'interval' || kinds.keys === 'list' || firstKey === (firstKey % keyStride) + keyStride * number;
    must(counted, `key ${firstKey} has number ${number} in its class of stride ${keyStride}`);
    if (slot < 0) continue;
    must(slot < plan.keys.slots && !slots.has(slot), `item ${index} writes slot ${slot} of ${plan.keys.slots} again`);
    slots.add(slot);
  }
  const written = slots.size;
  for (let index = mergeBegin; index < mergeEnd; index++) {
    const {slotBegin, slotEnd} = read(packed, 'merges', KEY_MERGE, index);
    for (let slot = slotBegin; slot < slotEnd; slot++)
      must(slots.delete(slot), `merge ${index} reads slot ${slot}, which is not there`);
  }
  must(slots.size === 0, `slots ${[...slots].join()} are never summed`);
  return written;
}

/** How often the key tiles compute each pair of a line, row-major [queryLength · keyLength]; of a mask tensor, every pair that they visit. */
export function pairsByKeys(plan: GradientPlan, line: LineName = {}): Uint8Array {
  const packed = packedKeys(plan);
  const {queryLength, keyLength} = plan.rows.problem;
  const pairs = new Uint8Array(queryLength * keyLength);
  for (const {kinds, itemBegin, itemEnd} of plan.keys.passes) {
    const perVisit = rowsPerSpan(kinds);
    for (let index = itemBegin; index < itemEnd; index++) {
      const item = read(packed, 'items', KEY_ITEM, index);
      if (!serves(plan.rows, kinds, item, line)) continue;
      for (let number = item.visitBegin; number < item.visitEnd; number++) {
        const visit = read(packed, 'spans', VISIT, number);
        for (let y = visit.begin; y < visit.end; y++) {
          const word = kinds.rows === 'list' ? readNumber(packed, visit.firstRow, y) : visit.firstRow + visit.rowStride * y;
          const row = kinds.mask === 'fours' ? keyOfFour(word) : word;
          must(row >= 0 && row < queryLength, `item ${index} meets row ${row} of ${queryLength}`);
          for (let x = 0; x < item.keys; x++) {
            if (perVisit !== null && Math.floor(x / perVisit) !== number - item.visitBegin) continue;
            if (kinds.mask === 'fours' && ((word >>> (FOUR_BITS + (x % 4))) & 1) === 0) continue;
            if (attends(packed, kinds, item, visit, x, y)) pairs[row * keyLength + keyNumber(packed, kinds, item, x)]! += 1;
          }
        }
      }
    }
  }
  return pairs;
}

/** Whether row y of a visit attends to key x of an item. */
function attends(
  packed: Packed,
  {mask: kind}: Kinds,
  {number}: KeyItem,
  {full, mask, bitStride}: Visit,
  x: number,
  y: number,
): boolean {
  if (full !== 0 || kind === 'tensor' || kind === 'own' || kind === 'fours') return true;
  if (kind === 'interval') {
    const [lo, hi] = readInterval(packed, {mask}, y);
    return number + x >= lo && number + x < hi;
  }
  return readBit(packed, {mask, bitStride}, y, (number % 64) + x) === 1;
}
