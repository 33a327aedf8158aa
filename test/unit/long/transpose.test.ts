import fc from 'fast-check';
import {compress} from '../../../src/acsr/index.js';
import {causal, full, globalTokens, slidingWindow, strided, type Pattern} from '../../../src/pattern/index.js';
import {TILES} from '../../../src/plan/configurations.js';
import {
  checkGradientPlan,
  CORE_DEVICE,
  FOURS,
  makeGradientPlan,
  makePlan,
  pairsByKeys,
  planMaskTensor,
  REGULAR,
  ROW_WISE,
  rowsPerSpan,
  type Device,
  type GradientPlan,
  type KeyResults,
  type Problem,
  type TileShape,
  formatsOf,
} from '../../../src/plan/index.js';
import {KEY_ITEM, KEY_MERGE, read, readNumber, VISIT} from '../../../src/plan/format.js';
import {asLines} from '../../../src/plan/lines.js';
import {choicesOf} from '../../../src/plan/choose_tiling.js';
import {draftRows} from '../../../src/plan/draft_rows.js';
import {partsOf, WHOLE} from '../../../src/plan/parts.js';
import {keyOfFour} from '../../../src/plan/row_wise.js';
import {transpose} from '../../../src/plan/transpose.js';
import {atOnce} from '../../../src/support/index.js';
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

/** Chunks of rows that an item visits; key by key, those of the key that has most. */
function weightOf({visits}: KeyItem, rows: number, own: boolean): number {
  const chunks = visits.map(({begin, end}) => Math.ceil((end - begin) / rows));
  return own ? Math.max(...chunks) : chunks.reduce((sum, count) => sum + count, 0);
}

/** Throws an Error that names the first law which the key tiles break. */
function check(plan: GradientPlan, pairs: Uint8Array | null): void {
  const must = (law: boolean, message: string): void => {
    if (!law) throw new Error(message);
  };
  const {rows, keys, results} = plan;
  const {queryLength, keyLength} = rows.problem;
  const {schedule} = rows;
  const packed = {schedule, offsets: keys.offsets};
  const first = new Uint8Array(keyLength);
  let most = 0;
  keys.passes.forEach(({kinds, tile, itemBegin, itemEnd, mergeBegin, mergeEnd, continues}, wave) => {
    must(wave === 0 ? !continues : continues || !keys.passes[wave - 1]!.continues, `wave ${wave} continues: ${continues}`);
    const owners = continues ? new Uint8Array(keyLength) : first;
    const own = (firstKey: number, stride: number, count: number): void => {
      must(count >= 1 && count <= tile.rows, `a tile of ${count} keys`);
      const keyAt = (x: number): number => (kinds.keys === 'list' ? readNumber(packed, firstKey, x) : firstKey + stride * x);
      must(keyAt(count - 1) < keyLength, `a tile of keys past the last`);
      for (let x = 0; x < count; x++) owners[keyAt(x)]! += 1;
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
    for (const item of itemsOf(plan, itemBegin, itemEnd)) {
      const {firstKey, keyStride, keys: count, slot, y, visits} = item;
      if (slot < 0) {
        must(results === 'gradients', 'an item without a slot');
        own(firstKey, keyStride, count);
      } else
        must(tileOf.get(slot) === [firstKey, keyStride, count].join(), `slot ${slot} is summed for other keys, or twice written`);
      tileOf.delete(slot);
      const perVisit = rowsPerSpan(kinds);
      const isOwn = perVisit !== null;
      const weight = weightOf(item, tile.keys, isOwn);
      must(
        isOwn
          ? y === weight && visits.length === Math.ceil(count / perVisit)
          : kinds.mask === 'bits'
            ? kinds.rows === 'list'
              ? y === 0
              : y === firstKey
            : firstKey === (firstKey % keyStride) + keyStride * y,
        `key ${firstKey} has number ${y} in its class of stride ${keyStride}`,
      );
      must(weight >= (slot < 0 && !continues ? 0 : 1) && weight <= last, `an item of ${weight} chunks after one of ${last}`);
      last = weight;
      for (const {firstRow, rowStride, begin, end} of visits) {
        must(begin >= 0 && (isOwn ? begin <= end : begin < end), `visit of rows ${begin} to ${end}`);
        if (begin === end) continue;
        const number = kinds.rows === 'list' ? readNumber(packed, firstRow, end - 1) : firstRow + rowStride * (end - 1);
        const row = kinds.mask === 'fours' ? keyOfFour(number) : number;
        must(row < queryLength, 'visit of rows past the last');
      }
    }
    must(tileOf.size === 0, `slots ${[...tileOf.keys()].join()} of wave ${wave} are summed, but not written`);
    must(summed <= keys.slots, `${summed} slots of ${keys.slots} in wave ${wave}`);
    if (continues) owners.forEach((count, key) => must(count <= 1, `key ${key} has ${count} owners in wave ${wave}`));
  });
  must(most === keys.slots, `${keys.slots} slots, but no wave has more than ${most}`);
  first.forEach((count, key) => must(count === 1, `key ${key} has ${count} owners in the first pass`));
  if (pairs === null) return;
  checkGradientPlan(plan);
  const found = pairsByKeys(plan);
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
        check(plan, pairs);
      }
    }
    // All tiles of a backward pass, whether the pattern would get them or not, with and without parts, in one wave and in several.
    const lines = asLines(compress(pattern, problem));
    for (const name of ['software', 'wide'] as const) {
      const tile = TILES[name];
      const {draft} = atOnce(draftRows(lines, problem, device, 'fused', tile, [ROW_WISE]));
      for (const shapes of [[tile, ROW_WISE], [FOURS]]) {
        const keyDraft = atOnce(transpose(draft, problem, tile, () => 0, choicesOf(shapes, problem, device, 1), 1));
        // The lists of keys stand behind those of rows.
        const rows = atOnce(draft.pack({parts: WHOLE}));
        for (const results of RESULTS) {
          for (const mostSlots of [Infinity, 3]) {
            const parts = (weights: readonly number[], shape: TileShape) => partsOf(weights, 1, device, shape);
            const {schedule, ...keys} = atOnce(
              keyDraft.pack({parts, direct: results === 'gradients', mostSlots: () => mostSlots}, rows),
            );
            expect(keys.slots).toBeLessThanOrEqual(mostSlots);
            const work = {problem, device, tile, formats: formatsOf('float32'), matrix: null};
            check({rows: {...work, ...rows, schedule}, keys, results, formats: formatsOf('float32')}, pairs);
          }
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
      for (const {kinds} of plan.keys.passes) expect(kinds).toEqual(REGULAR);
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
    const alone = makePlan(compress(causal(), problem), problem, CORE_DEVICE, 'fused', {tile: rows.tile});
    expect(rows.schedule.subarray(0, alone.schedule.length)).toEqual(alone.schedule);
    const {intervals, ...own} = keys.offsets;
    expect(intervals).toBe(rows.offsets.intervals);
    expect(Math.min(...Object.values(own))).toBe(alone.schedule.length / 2);
  });
});
