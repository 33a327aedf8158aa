import {KEY_ITEM, KEY_MERGE, read, readBit, readInterval, readItem, readNumber, readSpan, VISIT, type Packed} from './format.js';
import type {GradientPlan} from './gradient_plan.js';
import type {Kinds, Plan} from './plan.js';

interface KeyItem {
  /** What is not on the grid. */
  readonly line: number;
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
  readonly bitStride: number;
}

/** The items of a pass as a kernel reads them. */
export function keyItemsOf(
  {rows: {schedule}, keys: {offsets}}: Pick<GradientPlan, 'rows' | 'keys'>,
  begin: number,
  end: number,
): KeyItem[] {
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

/** How often each pair of a line is computed, row-major [queryLength · keyLength], by the line that items name; where a tensor is the mask, before it is asked. */
type PairsOfLines = Map<number, Uint8Array>;

class PairCount {
  readonly lines: PairsOfLines = new Map();

  constructor(
    private readonly packed: Packed,
    private readonly problem: Plan['problem'],
  ) {}

  /** Number `index` of a sequence or of a list. */
  place(kind: Kinds['rows'], first: number, stride: number, index: number): number {
    return kind === 'list' ? readNumber(this.packed, first, index) : first + stride * index;
  }

  add(line: number, row: number, key: number): void {
    const {queryLength, keyLength} = this.problem;
    let pairs = this.lines.get(line);
    if (pairs === undefined) this.lines.set(line, (pairs = new Uint8Array(queryLength * keyLength)));
    pairs[row * keyLength + key]! += 1;
  }
}

function pairsOfKeys({rows, keys}: GradientPlan): PairsOfLines {
  const packed = {schedule: rows.schedule, offsets: keys.offsets};
  const count = new PairCount(packed, rows.problem);
  for (const {kinds, itemBegin, itemEnd} of keys.passes) {
    for (const {firstKey, keyStride, keys: own, y, line, visits} of keyItemsOf({rows, keys}, itemBegin, itemEnd)) {
      for (const {firstRow, rowStride, begin, end, full, mask, bitStride} of visits) {
        for (let at = begin; at < end; at++) {
          const [lo, hi] = kinds.mask === 'interval' && !full ? readInterval(packed, {mask}, at) : [0, Infinity];
          const row = count.place(kinds.rows, firstRow, rowStride, at);
          for (let x = 0; x < own; x++) {
            const isHidden = kinds.mask === 'bits' && !full && readBit(packed, {mask, bitStride}, at, (y % 64) + x) === 0;
            if (y + x >= lo && y + x < hi && !isHidden) count.add(line, row, count.place(kinds.keys, firstKey, keyStride, x));
          }
        }
      }
    }
  }
  return count.lines;
}

/** The same of the row tiles. */
function pairsOfRows(rows: Plan): PairsOfLines {
  const count = new PairCount(rows, rows.problem);
  for (const {kinds, itemBegin, itemEnd} of rows.passes)
    for (let index = itemBegin; index < itemEnd; index++) {
      const item = readItem(rows, index);
      for (let at = item.spanBegin; at < item.spanEnd; at++) {
        const span = readSpan(rows, at);
        for (let x = 0; x < item.rows; x++) {
          const [lo, hi] = kinds.mask === 'interval' ? readInterval(rows, span, x) : [0, Infinity];
          const row = count.place(kinds.rows, item.firstRow, item.rowStride, x);
          for (let y = Math.max(lo, span.begin); y < Math.min(hi, span.end); y++)
            if (kinds.mask !== 'bits' || readBit(rows, span, x, y) === 1)
              count.add(item.line, row, count.place(kinds.keys, span.firstKey, span.keyStride, y));
        }
      }
    }
  return count.lines;
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
export function checkGradientPlan(plan: GradientPlan): void {
  const must = (law: boolean, message: string): void => {
    if (!law) throw new Error(`key tiles: ${message}`);
  };
  if (plan.results === 'nothing') return must(plan.keys.passes.length === 0, 'there should be none');
  const {rows, keys, results} = plan;
  const {queryLength, keyLength} = rows.problem;
  const {tile} = rows;
  const packed = {schedule: rows.schedule, offsets: keys.offsets};
  const count = new PairCount(packed, rows.problem);
  /** Of the first pass, by line. */
  const first: PairsOfLines = new Map();
  let most = 0;
  keys.passes.forEach(({kinds, itemBegin, itemEnd, mergeBegin, mergeEnd, continues}, wave) => {
    must(wave === 0 ? !continues : continues || !keys.passes[wave - 1]!.continues, `wave ${wave} continues: ${continues}`);
    const owners: PairsOfLines = continues ? new Map() : first;
    const isList = kinds.keys === 'list';
    const own = (line: number, firstKey: number, stride: number, some: number): void => {
      must(some >= 1 && some <= tile.keys, `a tile of ${some} keys`);
      let owned = owners.get(line);
      if (owned === undefined) owners.set(line, (owned = new Uint8Array(keyLength)));
      for (let x = 0; x < some; x++) {
        const key = count.place(kinds.keys, firstKey, stride, x);
        must(key >= 0 && key < keyLength, `a tile of keys with key ${key}`);
        owned[key]! += 1;
      }
    };
    const tileOf = new Map<number, string>();
    for (let merge = mergeBegin; merge < mergeEnd; merge++) {
      const {firstKey, keyStride, keys: some, slotBegin, slotEnd, line} = read(packed, 'merges', KEY_MERGE, merge);
      own(line, firstKey, keyStride, some);
      must(!continues || slotEnd > slotBegin, `merge ${merge} of a later pass adds nothing`);
      must(results !== 'gradients' || slotEnd > slotBegin + 1, `merge ${merge} of one part`);
      for (let slot = slotBegin; slot < slotEnd; slot++) {
        must(!tileOf.has(slot), `slot ${slot} is summed twice in wave ${wave}`);
        tileOf.set(slot, [firstKey, keyStride, some].join());
      }
    }
    const summed = tileOf.size;
    most = Math.max(most, summed);
    let last = Infinity;
    for (const [at, item] of keyItemsOf(plan, itemBegin, itemEnd).entries()) {
      const {firstKey, keyStride, keys: some, slot, y, line, visits} = item;
      if (slot < 0) {
        must(results === 'gradients', 'an item without a slot');
        own(line, firstKey, keyStride, some);
      } else
        must(tileOf.get(slot) === [firstKey, keyStride, some].join(), `slot ${slot} is summed for other keys, or twice written`);
      tileOf.delete(slot);
      must(
        isList || firstKey === (firstKey % keyStride) + keyStride * y,
        `key ${firstKey} has number ${y} in its class of stride ${keyStride}`,
      );
      const weight = weightOf(item, tile.rows);
      must(weight >= (slot < 0 && !continues ? 0 : 1) && weight <= last, `an item of ${weight} chunks after one of ${last}`);
      last = weight;
      must(
        keys.weights[itemBegin + at] === weight,
        `item ${itemBegin + at} of ${weight} chunks weighs ${keys.weights[itemBegin + at]}`,
      );
      for (const {firstRow, rowStride, begin, end} of visits) {
        must(begin >= 0 && begin < end, `visit of rows ${begin} to ${end}`);
        must(count.place(kinds.rows, firstRow, rowStride, end - 1) < queryLength, 'visit of rows past the last');
      }
    }
    must(tileOf.size === 0, `slots ${[...tileOf.keys()].join()} of wave ${wave} are summed, but not written`);
    must(summed <= keys.slots, `${summed} slots of ${keys.slots} in wave ${wave}`);
    if (continues)
      for (const owned of owners.values())
        owned.forEach((times, key) => must(times <= 1, `key ${key} has ${times} owners in wave ${wave}`));
  });
  must(most === keys.slots, `${keys.slots} slots, but no wave has more than ${most}`);
  for (const owned of first.values())
    owned.forEach((times, key) => must(times === 1, `key ${key} has ${times} owners in the first pass`));
  const expected = pairsOfRows(rows);
  const found = pairsOfKeys(plan);
  for (const line of new Set([...expected.keys(), ...found.keys()])) {
    const [there, here] = [expected.get(line), found.get(line)];
    for (let pair = 0; pair < queryLength * keyLength; pair++) {
      const [times, right] = [here?.[pair] ?? 0, there?.[pair] ?? 0];
      if (times !== right)
        must(
          false,
          `pair (${Math.floor(pair / keyLength)}, ${pair % keyLength}) of line ${line}: computed ${times} times, by rows ${right}`,
        );
    }
  }
}
