import fc from 'fast-check';
import {compress} from '../../../src/acsr/index.js';
import {causal, full, globalTokens, slidingWindow, strided, type Pattern} from '../../../src/pattern/index.js';
import {TILES} from '../../../src/plan/configurations.js';
import {
  checkGradientPlan,
  CORE_DEVICE,
  makeGradientPlan,
  makePlan,
  planMaskTensor,
  type Device,
  type GradientPlan,
  type KeyResults,
  type Problem,
} from '../../../src/plan/index.js';
import {keyItemsOf} from '../../../src/plan/check_keys.js';
import {transpose} from '../../../src/plan/transpose.js';
import {CORPUS, problemOfCase} from '../../corpus.js';
import {arbitraryCase} from '../../support/arbitraries.js';
import {expectSamePairs, pairsOf, planFor, problemFor, SOFTWARE_DEVICE} from '../../support/plans.js';

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

function expectRight(pattern: Pattern, problem: Problem): void {
  const pairs = pairsOf(pattern, problem);
  for (const device of DEVICES) {
    for (const implementation of ['auto', 'dense'] as const) {
      for (const results of RESULTS) {
        const plan = gradientPlan(pattern, problem, device, implementation, results);
        checkGradientPlan(plan);
        if (plan.rows.implementation !== 'dense') expectSamePairs(plan.rows, pairs);
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
          expectSamePairs(whole, pairs);
          checkGradientPlan({rows: {...whole, schedule}, keys, results, storage: 'float32'});
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
        .flatMap(({itemBegin, itemEnd}) => keyItemsOf(plan, itemBegin, itemEnd))
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
    checkGradientPlan(plan);
    expect(keyItemsOf(plan, 0, 4).map(({visits}) => visits.length)).toEqual([1, 1, 1, 1]);
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
