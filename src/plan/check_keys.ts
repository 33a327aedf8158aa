import {KEY_ITEM, KEY_MERGE, read, VISIT} from './format.js';
import type {GradientPlan} from './gradient_plan.js';
import type {Plan} from './plan.js';
import {toDense} from './visit.js';

interface KeyItem {
  readonly firstKey: number;
  readonly keyStride: number;
  readonly keys: number;
  readonly slot: number;
  readonly y: number;
  readonly visits: readonly KeyVisit[];
}

interface KeyVisit {
  readonly firstRow: number;
  readonly rowStride: number;
  readonly begin: number;
  readonly end: number;
  readonly full: boolean;
  readonly mask: number;
}

/** The items of a pass as a kernel reads them. */
export function keyItemsOf({rows: {schedule}, keys: {offsets}}: GradientPlan, begin: number, end: number): KeyItem[] {
  const packed = {schedule, offsets};
  return Array.from({length: end - begin}, (_, i) => {
    const {visitBegin, visitEnd, number: y, ...item} = read(packed, 'items', KEY_ITEM, begin + i);
    const visits = Array.from({length: visitEnd - visitBegin}, (_, v) => {
      const {full, ...visit} = read(packed, 'spans', VISIT, visitBegin + v);
      return {...visit, full: full !== 0};
    });
    return {...item, y, visits};
  });
}

/** How often the key tiles of a plan visit each pair, row-major [queryLength · keyLength]: where bits are the mask, before they are asked. */
function computed(plan: GradientPlan): Uint8Array {
  const {rows, keys} = plan;
  const {queryLength, keyLength} = rows.problem;
  const pairs = new Uint8Array(queryLength * keyLength);
  for (const {itemBegin, itemEnd} of keys.passes) {
    for (const {firstKey, keyStride, keys: count, y, visits} of keyItemsOf(plan, itemBegin, itemEnd)) {
      for (const {firstRow, rowStride, begin, end, full, mask} of visits) {
        for (let place = begin; place < end; place++) {
          const at = 2 * (keys.offsets.intervals + mask + place);
          const [lo, hi] = full || rows.implementation === 'dense' ? [0, keyLength] : [rows.schedule[at]!, rows.schedule[at + 1]!];
          for (let own = 0; own < count; own++) {
            if (y + own >= lo && y + own < hi) pairs[(firstRow + rowStride * place) * keyLength + firstKey + keyStride * own]! += 1;
          }
        }
      }
    }
  }
  return pairs;
}

/** Chunks of rows that an item visits. */
const weightOf = ({visits}: KeyItem, rows: number): number =>
  visits.reduce((sum, {begin, end}) => sum + Math.ceil((end - begin) / rows), 0);

/**
 * Throws an Error that names the first law which the key tiles of a backward pass break. For tests and debugging: it expands the mask.
 *
 * The laws: the first pass owns every key exactly once, later ones at most once; slots are written once and summed once, those of a wave
 * within what the plan has; a key has its number in its class; parts are issued longest first; the pairs are those of the row tiles.
 */
export function checkGradientPlan(plan: GradientPlan, pairs: Uint8Array = pairsOfRows(plan.rows)): void {
  const must = (law: boolean, message: string): void => {
    if (!law) throw new Error(`key tiles: ${message}`);
  };
  if (plan.results === 'nothing') return must(plan.keys.passes.length === 0, 'there should be none');
  const {rows, keys, results} = plan;
  const {queryLength, keyLength} = rows.problem;
  const {tile} = rows;
  const packed = {schedule: rows.schedule, offsets: keys.offsets};
  const first = new Uint8Array(keyLength);
  let most = 0;
  keys.passes.forEach(({itemBegin, itemEnd, mergeBegin, mergeEnd, continues}, wave) => {
    must(wave === 0 ? !continues : continues || !keys.passes[wave - 1]!.continues, `wave ${wave} continues: ${continues}`);
    const owners = continues ? new Uint8Array(keyLength) : first;
    const own = (firstKey: number, stride: number, count: number): void => {
      must(count >= 1 && count <= tile.keys, `a tile of ${count} keys`);
      must(firstKey + stride * (count - 1) < keyLength, `a tile of keys past the last`);
      for (let key = 0; key < count; key++) owners[firstKey + stride * key]! += 1;
    };
    const tileOf = new Map<number, string>();
    for (let merge = mergeBegin; merge < mergeEnd; merge++) {
      const {firstKey, keyStride: stride, keys: count, slotBegin, slotEnd} = read(packed, 'merges', KEY_MERGE, merge);
      own(firstKey, stride, count);
      must(!continues || slotEnd > slotBegin, `merge ${merge} of a later pass adds nothing`);
      must(results !== 'gradients' || slotEnd > slotBegin + 1, `merge ${merge} of one part`);
      for (let slot = slotBegin; slot < slotEnd; slot++) {
        must(!tileOf.has(slot), `slot ${slot} is summed twice in wave ${wave}`);
        tileOf.set(slot, [firstKey, stride, count].join());
      }
    }
    const summed = tileOf.size;
    most = Math.max(most, summed);
    let last = Infinity;
    for (const item of keyItemsOf(plan, itemBegin, itemEnd)) {
      const {firstKey, keyStride, keys: count, slot, y, visits} = item;
      if (slot < 0) {
        must(results === 'gradients', 'an item without a slot');
        own(firstKey, keyStride, count);
      } else
        must(tileOf.get(slot) === [firstKey, keyStride, count].join(), `slot ${slot} is summed for other keys, or twice written`);
      tileOf.delete(slot);
      must(
        firstKey === (firstKey % keyStride) + keyStride * y,
        `key ${firstKey} has number ${y} in its class of stride ${keyStride}`,
      );
      const weight = weightOf(item, tile.rows);
      must(weight >= (slot < 0 && !continues ? 0 : 1) && weight <= last, `an item of ${weight} chunks after one of ${last}`);
      last = weight;
      for (const {firstRow, rowStride, begin, end} of visits) {
        must(begin >= 0 && begin < end, `visit of rows ${begin} to ${end}`);
        must(firstRow + rowStride * (end - 1) < queryLength, 'visit of rows past the last');
      }
    }
    must(tileOf.size === 0, `slots ${[...tileOf.keys()].join()} of wave ${wave} are summed, but not written`);
    must(summed <= keys.slots, `${summed} slots of ${keys.slots} in wave ${wave}`);
    if (continues) owners.forEach((count, key) => must(count <= 1, `key ${key} has ${count} owners in wave ${wave}`));
  });
  must(most === keys.slots, `${keys.slots} slots, but no wave has more than ${most}`);
  first.forEach((count, key) => must(count === 1, `key ${key} has ${count} owners in the first pass`));
  const found = computed(plan);
  const at = found.findIndex((times, pair) => times !== pairs[pair]);
  must(at < 0, `pair (${Math.floor(at / keyLength)}, ${at % keyLength}): computed ${found[at]} times, expected ${pairs[at]}`);
}

/** The same of the row tiles, in which each pair is visited once. */
const pairsOfRows = (rows: Plan): Uint8Array =>
  rows.implementation === 'dense' ? new Uint8Array(rows.problem.queryLength * rows.problem.keyLength).fill(1) : toDense(rows);
