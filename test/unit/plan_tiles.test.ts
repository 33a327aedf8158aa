import fc from 'fast-check';
import {compress} from '../../src/acsr/index.js';
import {causal, fromMask, full, globalTokens, prefix, slidingWindow, strided, type Pattern} from '../../src/pattern/index.js';
import {TILES} from '../../src/plan/configurations.js';
import {checkPlan, CORE_DEVICE, makePlan, planMaskTensor, REGULAR, toDense, type Device, type Plan} from '../../src/plan/index.js';
import {CORPUS, corpusCase, problemOfCase, randomMask} from '../corpus.js';
import {mulberry32} from '../oracle.js';
import {arbitraryCase} from '../support/arbitraries.js';
import {expectSamePairs, pairsOf, planFor, problemFor, SOFTWARE_DEVICE} from '../support/plans.js';

const DEVICES: readonly (readonly [string, Device, number])[] = [
  ['a GPU', CORE_DEVICE, 16],
  ['a software adapter', SOFTWARE_DEVICE, 16],
  ['wide values', CORE_DEVICE, 200],
];

function expectRightPlans(pattern: Pattern, problem: Parameters<typeof planFor>[1], device: Device, pairs: Uint8Array): void {
  for (const implementation of ['dense', 'auto', 'fused'] as const) {
    const plan = planFor(pattern, problem, device, implementation);
    checkPlan(plan);
    expectSamePairs(plan, pairs);
  }
}

/** A window, and five rows without order: each of these attends to every other key but some. */
function mixedRows(): {pattern: Pattern} {
  const rows = [3, 50, 51, 170, 299];
  const random = mulberry32(5);
  const mask = Array.from({length: 600 * 600}, (_, pair) => rows.includes(Math.floor(pair / 600)) && random() < 0.5);
  return {pattern: slidingWindow({left: 90, right: 90}).or(fromMask(mask, {queryLength: 600, keyLength: 600}))};
}

describe('a plan', () => {
  for (const each of CORPUS) {
    it(`computes exactly the pairs of ${each.name}, whatever the device and the kernel`, () => {
      const pairs = pairsOf(each.pattern, problemOfCase(each));
      for (const [what, device, valueDim] of DEVICES) {
        const problem = {...problemOfCase(each), valueDim};
        expect(() => expectRightPlans(each.pattern, problem, device, pairs))
          .withContext(what)
          .not.toThrow();
      }
    });
  }

  it('computes exactly the pairs of any pattern', () => {
    fc.assert(
      fc.property(arbitraryCase({masks: true}), fc.constantFrom(...DEVICES), ({pattern, shape}, [, device, valueDim]) => {
        expectRightPlans(pattern, problemFor(shape, {valueDim}), device, pairsOf(pattern, shape));
      }),
      {numRuns: 150},
    );
  });

  it('computes exactly the pairs of patterns many tiles long', () => {
    const length = fc.integer({min: 200, max: 420});
    const patterns = fc.constantFrom(
      slidingWindow({left: 70, right: 40}).or(globalTokens(3)),
      slidingWindow({left: 30, right: 9, dilation: 3}),
      strided({stride: 4})
        .and(causal())
        .or(slidingWindow({left: 20})),
      strided({stride: 7}).or(strided({stride: 3})),
      causal().and(slidingWindow({left: 10, right: 10}).not()),
      globalTokens([1, 100, 199]).or(prefix(40)),
    );
    fc.assert(
      fc.property(patterns, length, length, fc.integer({min: -60, max: 60}), (pattern, queryLength, keyLength, queryOffset) => {
        const shape = {queryLength, keyLength, queryOffset};
        const pairs = pairsOf(pattern, shape);
        // The larger ones are otherwise chosen from n = 4097 on.
        for (const tile of [TILES.long, TILES.wide, TILES.narrow]) {
          const problem = problemFor(shape);
          const fused = makePlan(compress(pattern, problem), problem, CORE_DEVICE, 'fused', {tile});
          checkPlan(fused);
          expectSamePairs(fused, pairs);
        }
      }),
      {numRuns: 12},
    );
  });

  it('owns every row, also those without keys, so that their zeros get written', () => {
    for (const name of ['few-keys', 'empty-rows', 'nothing', 'strided']) {
      const each = corpusCase(name);
      const plan = planFor(each.pattern, problemOfCase(each), CORE_DEVICE, 'fused');
      const [first] = plan.passes;
      let rows = 0;
      for (let item = first!.itemBegin; item < first!.itemEnd; item++)
        rows += plan.schedule[2 * (plan.offsets.items + 4 * item) + 2]!;
      expect(rows).withContext(name).toBe(plan.problem.queryLength);
    }
  });

  it('tells rows of one stride from rows of another that have their keys at the same places', () => {
    const shape = {queryLength: 20, keyLength: 40, queryOffset: 0};
    const strides: Readonly<Record<number, number>> = {0: 3, 2: 3, 4: 5, 7: 5, 9: 7, 14: 7};
    const mask = Uint8Array.from({length: 20 * 40}, (_, pair) => {
      const [query, key] = [Math.floor(pair / 40), pair % 40];
      const stride = strides[query];
      return Number(stride !== undefined && key % stride === 0 && key < 4 * stride);
    });
    const pattern = fromMask(mask, {queryLength: 20, keyLength: 40});
    const plan = planFor(pattern, problemFor(shape), CORE_DEVICE, 'fused');
    checkPlan(plan);
    expectSamePairs(plan, pairsOf(pattern, shape));
  });

  it('exists for every zero size', () => {
    for (const [queryLength, keyLength] of [
      [0, 0],
      [0, 9],
      [9, 0],
    ] as const) {
      for (const pattern of [full(), causal(), strided({stride: 3}), globalTokens(4)]) {
        const plan = planFor(pattern, problemFor({queryLength, keyLength, queryOffset: 0}));
        checkPlan(plan);
        expect(plan.nnz).toBe(0);
        expect(plan.density).toBe(0);
      }
    }
  });

  it('of a mask tensor visits every pair, tested against bits that come with the call', () => {
    const plan = planMaskTensor(problemFor({queryLength: 70, keyLength: 90, queryOffset: 0}), CORE_DEVICE);
    checkPlan(plan);
    for (const {kinds} of plan.passes) expect(kinds.mask).toBe('tensor');
    expect(plan.implementation).toBe('dense');
    expect(plan.reason).toBe('the mask is a tensor');
    expect(plan.nnz).toBe(70 * 90);
  });

  it('groups the rows of a dilated window by residue, so that a tile visits keys of one residue only', () => {
    const plan = planFor(
      slidingWindow({left: 64, right: 64, dilation: 8}),
      problemFor({queryLength: 1024, keyLength: 1024, queryOffset: 0}),
    );
    const {offsets, schedule, passes} = plan;
    expect(passes).toHaveSize(1);
    for (let item = 0; item < passes[0]!.itemEnd; item++) {
      const at = 2 * (offsets.items + 4 * item);
      expect(schedule[at + 1]).toBe(8);
      const span = 2 * (offsets.spans + 4 * schedule[at + 4]!);
      expect([schedule[span], schedule[span + 1]]).toEqual([schedule[at]! % 8, 8]);
    }
  });

  it('lists the keys of what no stride class has: strides beyond the four with most keys, and irregular rows', () => {
    const many = strided({stride: 3}).or(strided({stride: 5}), strided({stride: 7}), strided({stride: 11}), strided({stride: 13}));
    const problem = problemFor({queryLength: 200, keyLength: 200, queryOffset: 0});
    // Five dispatches for so few pairs are worth it where they cost nothing.
    const plan = planFor(many, problem, {...CORE_DEVICE, gpu: {dispatchMs: 1e-9}}, 'fused');
    expect(plan.passes.at(-1)!.kinds).toEqual({...REGULAR, rows: 'list', keys: 'list', mask: 'own'});
    expect(plan.passes.map(({continues}) => continues)).toEqual(plan.passes.map((_, pass) => pass > 0));
    checkPlan(plan);
    expectSamePairs(plan, pairsOf(many, problem));
  });

  it('keeps irregular rows beside regular ones: they continue what these began', () => {
    const {pattern} = mixedRows();
    const problem = problemFor({queryLength: 600, keyLength: 600, queryOffset: 0});
    const plan = planFor(pattern, problem, CORE_DEVICE, 'fused');
    expect(plan.passes.map(({kinds, continues}) => [kinds.rows, kinds.keys, kinds.mask, continues])).toEqual([
      ['affine', 'affine', 'interval', false],
      ['list', 'list', 'own', true],
    ]);
    checkPlan(plan);
    expectSamePairs(plan, pairsOf(pattern, problem));
  });
});

describe('long rows', () => {
  const causalPlan = (sizes: {heads: number; device?: Device}): Plan =>
    planFor(
      causal(),
      problemFor({queryLength: 1500, keyLength: 1500, queryOffset: 0}, {heads: sizes.heads, headDim: 64}),
      sizes.device ?? CORE_DEVICE,
      'fused',
    );

  it('are cut into parts of about 192 keys, joined by merges', () => {
    const plan = causalPlan({heads: 1});
    checkPlan(plan);
    expectSamePairs(plan, pairsOf(causal(), plan.problem));
    const [pass] = plan.passes;
    expect(plan.slots).toBeGreaterThan(0);
    expect(pass!.mergeEnd - pass!.mergeBegin).toBeGreaterThan(0);
    expect(plan.bytes).toBeGreaterThan(4 * plan.slots * plan.tile.rows * plan.problem.valueDim);
    for (let item = pass!.itemBegin; item < pass!.itemEnd; item++) {
      const at = 2 * (plan.offsets.items + 4 * item);
      let keys = 0;
      for (let span = plan.schedule[at + 4]!; span < plan.schedule[at + 5]!; span++) {
        const spanAt = 2 * (plan.offsets.spans + 4 * span);
        keys += plan.schedule[spanAt + 3]! - plan.schedule[spanAt + 2]!;
      }
      expect(keys).toBeLessThan(2 * 192);
    }
  });

  it('stay whole where heads and batches fill the device, and where a CPU plays the device', () => {
    expect(causalPlan({heads: 64}).slots).toBe(0);
    expect(causalPlan({heads: 1, device: SOFTWARE_DEVICE}).slots).toBe(0);
  });

  it('are cut in every pass', () => {
    const problem = problemFor({queryLength: 70, keyLength: 3000, queryOffset: 2930});
    const two = slidingWindow({left: 900}).or(strided({stride: 2}));
    const more = two.or(strided({stride: 3}));
    for (const [pattern, cut] of [
      [two, [true, true]],
      [more, [true, true, true]],
    ] as const) {
      const plan = planFor(pattern, problem, CORE_DEVICE, 'fused');
      checkPlan(plan);
      expectSamePairs(plan, pairsOf(pattern, problem));
      expect(plan.passes.map(({continues}) => continues)).toEqual(cut.map((_, pass) => pass > 0));
      expect(plan.passes.map(({mergeBegin, mergeEnd}) => mergeEnd > mergeBegin))
        .withContext(pattern.toString())
        .toEqual([...cut]);
    }
  });
});

describe('checkPlan', () => {
  const {pattern} = corpusCase('window-and-globals');
  const good = (): Plan => {
    const plan = planFor(pattern, problemFor({queryLength: 500, keyLength: 500, queryOffset: 0}), CORE_DEVICE, 'fused');
    return {...plan, schedule: plan.schedule.slice()};
  };
  /** A plan with one int of its schedule changed. */
  const changed = (section: keyof Plan['offsets'], record: number, field: number, by: number): Plan => {
    const plan = good();
    const pairs = section === 'intervals' ? 1 : 4;
    plan.schedule[2 * (plan.offsets[section] + pairs * record) + field]! += by;
    return plan;
  };

  it('accepts a good plan', () => {
    const plan = good();
    expect(plan.slots).toBeGreaterThan(0);
    expect(() => checkPlan(plan)).not.toThrow();
  });

  const FAULTS: readonly (readonly [string, () => Plan, RegExp])[] = [
    ['a row that nobody owns', () => changed('items', 5, 2, -1), /row \d+ has no owner/],
    ['a row with two owners', () => changed('items', 5, 0, -1), /owners in pass 0/],
    ['a tile of more rows than a workgroup holds', () => changed('items', 5, 2, 100), /item 5 has 132 rows/],
    ['an item without its spans', () => changed('items', 5, 5, -1), /item 5 visits \d+ key tiles, its weight says/],
    [
      'a slot written twice',
      () => changed('items', 1, 3, -1),
      /slot \d+ (is written twice|of other rows|are never merged)|never merged/,
    ],
    ['a merge of too few slots', () => changed('merges', 0, 4, -1), /slots \d+ of pass 0 are never merged/],
    ['a merge of other rows', () => changed('merges', 0, 0, 32), /reads slot \d+ of other rows/],
    ['keys past the end', () => changed('spans', 0, 0, 500), /key 500 of 500 at rows from/],
    ['an empty span', () => changed('spans', 0, 2, 500), /item 0 visits -\d+ key tiles, its weight says/],
    ['full keys that a row lacks', () => changed('spans', 8, 5, 40), /does not attend to all full keys/],
    ['an interval that ends before it begins', () => changed('intervals', 3, 1, -600), /interval \[/],
    ['a missing pair', () => changed('intervals', 63, 1, -1), /nnz says|full keys/],
    ['a wrong nnz', () => ({...good(), nnz: 1}), /nnz says 1 of each/],
    [
      'a first pass that continues',
      () => ({...good(), passes: [{...good().passes[0]!, continues: true}]}),
      /pass 0 continues row 0/,
    ],
  ];
  for (const [fault, plan, message] of FAULTS) {
    it(`finds ${fault}`, () => expect(() => checkPlan(plan())).toThrowError(Error, message));
  }

  it('finds a pair that is computed twice', () => {
    const plan = good();
    // The second span of the heaviest item becomes a copy of its first.
    const {schedule, offsets} = plan;
    const item = [...Array(plan.passes[0]!.itemEnd).keys()].find((index) => {
      const at = 2 * (offsets.items + 4 * index);
      return schedule[at + 5]! - schedule[at + 4]! > 1;
    })!;
    const first = 2 * (offsets.spans + 4 * schedule[2 * (offsets.items + 4 * item) + 4]!);
    schedule.copyWithin(first + 8, first, first + 8);
    expect(() => checkPlan(plan)).toThrowError(Error, /its weight says|is visited 2 times/);
  });
});

describe('the pairs of a dense plan', () => {
  it('are its mask bits', () => {
    const pattern = randomMask(33, 65, 0.3, 7);
    const problem = problemFor({queryLength: 33, keyLength: 65, queryOffset: 0});
    expect(toDense(planFor(pattern, problem, CORE_DEVICE, 'dense'))).toEqual(pairsOf(pattern, problem));
  });
});
