import fc from 'fast-check';
import {compress} from '../../../src/acsr/index.js';
import {causal, full, globalTokens, slidingWindow, strided, type Pattern} from '../../../src/pattern/index.js';
import {TILES} from '../../../src/plan/configurations.js';
import {
  CORE_DEVICE,
  makeGradientPlan,
  makePlan,
  planMaskTensor,
  type Device,
  type GradientPlan,
  type KeyResults,
  type Problem,
} from '../../../src/plan/index.js';
import {KEY_ITEM, read, VISIT} from '../../../src/plan/format.js';
import {transpose} from '../../../src/plan/transpose.js';
import {CORPUS, problemOfCase} from '../../corpus.js';
import {arbitraryCase} from '../../support/arbitraries.js';
import {pairsOf, planFor, problemFor, SOFTWARE_DEVICE} from '../../support/plans.js';

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
function itemsOf({rows: {schedule}, keys: {offsets}}: GradientPlan, begin: number, end: number): KeyItem[] {
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

/** How often the key tiles of a plan compute each pair, row-major [queryLength · keyLength], without a mask of bits. */
function computed(plan: GradientPlan): Uint8Array {
  const {rows, keys} = plan;
  const {queryLength, keyLength} = rows.problem;
  const pairs = new Uint8Array(queryLength * keyLength);
  for (const {itemBegin, itemEnd} of keys.passes) {
    for (const {firstKey, keyStride, keys: count, y, visits} of itemsOf(plan, itemBegin, itemEnd)) {
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

/** Throws an Error that names the first law which the key tiles break. */
function check(plan: GradientPlan, pairs: Uint8Array | null): void {
  const must = (law: boolean, message: string): void => {
    if (!law) throw new Error(message);
  };
  const {rows, keys, results} = plan;
  const {queryLength, keyLength} = rows.problem;
  const {schedule, tile} = rows;
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
      const words = schedule.subarray(2 * (keys.offsets.merges + 4 * merge)) as unknown as number[];
      const [firstKey, stride, count, slotBegin, slotEnd] = words as [number, number, number, number, number];
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
    for (const item of itemsOf(plan, itemBegin, itemEnd)) {
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
  if (pairs === null) return;
  const found = computed(plan);
  const at = found.findIndex((times, pair) => times !== pairs[pair]);
  must(at < 0, `pair (${Math.floor(at / keyLength)}, ${at % keyLength}): computed ${found[at]} times, expected ${pairs[at]}`);
}

const DEVICES: readonly Device[] = [CORE_DEVICE, SOFTWARE_DEVICE];

const RESULTS = ['gradients', 'records'] as const;

function gradientPlan(
  pattern: Pattern,
  problem: Problem,
  device: Device,
  implementation: 'auto' | 'dense',
  results: KeyResults = 'gradients',
): GradientPlan {
  return makeGradientPlan(planFor(pattern, problem, device, implementation), compress(pattern, problem), results);
}

/** All that a dense plan visits: its bits are tested apart. */
const every = ({queryLength, keyLength}: Problem): Uint8Array => new Uint8Array(queryLength * keyLength).fill(1);

function expectRight(pattern: Pattern, problem: Problem): void {
  const pairs = pairsOf(pattern, problem);
  for (const device of DEVICES) {
    for (const implementation of ['auto', 'dense'] as const) {
      for (const results of RESULTS) {
        const plan = gradientPlan(pattern, problem, device, implementation, results);
        check(plan, plan.rows.implementation === 'dense' ? every(problem) : pairs);
      }
    }
    const acsr = compress(pattern, problem);
    // All tiles of a backward pass, whether the pattern would get them or not, with and without parts, in one wave and in several.
    for (const name of ['software', 'wide'] as const) {
      let whole;
      try {
        whole = makePlan(acsr, problem, SOFTWARE_DEVICE, 'fused', {tile: TILES[name]});
      } catch {
        continue; // it has no tiling
      }
      for (const results of RESULTS) {
        for (const mostSlots of [Infinity, 3]) {
          const {schedule, ...keys} = transpose(whole, device, {direct: results === 'gradients', mostSlots}, whole);
          expect(keys.slots).toBeLessThanOrEqual(mostSlots);
          check({rows: {...whole, schedule}, keys, results, storage: 'float32'}, pairs);
        }
      }
    }
  }
}

describe('the key tiles of a gradient plan', () => {
  for (const {name, pattern, ...each} of CORPUS)
    it(`compute exactly the pairs of ${name}`, () => {
      expect(() => expectRight(pattern, problemOfCase({name, pattern, ...each}))).not.toThrow();
    });

  it('compute exactly the pairs of any pattern', () => {
    fc.assert(
      fc.property(arbitraryCase({masks: true}), ({pattern, shape}) => {
        fc.pre(shape.queryLength > 0 && shape.keyLength > 0);
        expectRight(pattern, problemFor(shape));
      }),
      {numRuns: 150},
    );
  });

  it('compute exactly the pairs of patterns many tiles long', () => {
    const length = fc.integer({min: 200, max: 700});
    const patterns = fc.constantFrom(
      slidingWindow({left: 70, right: 40}).or(globalTokens(3)),
      slidingWindow({left: 30, right: 9, dilation: 3}),
      strided({stride: 4})
        .and(causal())
        .or(slidingWindow({left: 20})),
      strided({stride: 7}).or(strided({stride: 3})),
      causal().and(slidingWindow({left: 10, right: 10}).not()),
      globalTokens([1, 100, 199]),
      full(),
    );
    fc.assert(
      fc.property(patterns, length, length, fc.integer({min: -60, max: 60}), (pattern, queryLength, keyLength, queryOffset) => {
        expectRight(pattern, problemFor({queryLength, keyLength, queryOffset}));
      }),
      {numRuns: 25},
    );
  });

  it('are cut into parts where a device has more room than there are tiles, but not on a CPU', () => {
    const problem = problemFor({queryLength: 1000, keyLength: 1000, queryOffset: 0});
    expect(gradientPlan(globalTokens(4), problem, CORE_DEVICE, 'auto').keys.slots).toBeGreaterThan(0);
    expect(gradientPlan(globalTokens(4), problem, SOFTWARE_DEVICE, 'auto').keys.slots).toBe(0);
  });

  it('visit runs of rows, O(n) of them', () => {
    const visits = (pattern: Pattern, length: number): number => {
      const plan = gradientPlan(
        pattern,
        problemFor({queryLength: length, keyLength: length, queryOffset: 0}),
        SOFTWARE_DEVICE,
        'auto',
      );
      expect(plan.rows.implementation).toBe('fused');
      return plan.keys.passes
        .flatMap(({itemBegin, itemEnd}) => itemsOf(plan, itemBegin, itemEnd))
        .reduce((sum, item) => sum + item.visits.length, 0);
    };
    // 128 key tiles: the rows of the diagonal, and all after it; for a window the full ones in between, too.
    expect(visits(causal(), 4096)).toBe(128 + 127);
    expect(visits(slidingWindow({left: 256, right: 256}), 4096)).toBeLessThanOrEqual(3 * 128);
    expect(visits(slidingWindow({left: 256, right: 256}), 8192)).toBeLessThanOrEqual(3 * 256);
  });

  it('of a mask tensor visit all rows at once', () => {
    const problem = problemFor({queryLength: 300, keyLength: 100, queryOffset: 0});
    const plan = makeGradientPlan(planMaskTensor(problem, SOFTWARE_DEVICE), null, 'records');
    check(plan, every(problem));
    expect(itemsOf(plan, 0, 4).map(({visits}) => visits.length)).toEqual([1, 1, 1, 1]);
  });

  it('lie behind the row tiles, which stay as they were', () => {
    const problem = problemFor({queryLength: 200, keyLength: 300, queryOffset: 50});
    const {rows, keys} = gradientPlan(causal(), problem, CORE_DEVICE, 'auto');
    const alone = makePlan(compress(causal(), problem), problem, CORE_DEVICE, rows.implementation, {tile: rows.tile});
    expect(rows.schedule.subarray(0, alone.schedule.length)).toEqual(alone.schedule);
    const {intervals, ...own} = keys.offsets;
    expect(intervals).toBe(rows.offsets.intervals);
    expect(Math.min(...Object.values(own))).toBe(alone.schedule.length / 2);
  });
});
