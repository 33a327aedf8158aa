import fc from 'fast-check';
import {compress} from '../../../src/acsr/index.js';
import {causal, full, globalTokens, slidingWindow, strided, type Pattern} from '../../../src/pattern/index.js';
import {TILES, type TileName} from '../../../src/plan/configurations.js';
import {
  checkPlan,
  CORE_DEVICE,
  makePlan,
  scratchLayout,
  type Device,
  type Plan,
  type Precision,
  type Problem,
  formatsOf,
} from '../../../src/plan/index.js';
import {generate} from '../../../src/wgsl/index.js';
import {CORPUS, problemOfCase} from '../../corpus.js';
import {arbitraryCase} from '../../support/arbitraries.js';
import {expectSamePairs, featuredDevice, MATRIX_16, MATRIX_8, pairsOf, problemFor} from '../../support/plans.js';
import {readStruct, structLayout} from '../../support/wgsl_layout.js';

const FEATURED: readonly (readonly [string, Device, Precision])[] = [
  ['tensor cores of halves', featuredDevice(MATRIX_16), 'float16'],
  ['tensor cores of floats', featuredDevice(MATRIX_8), 'float32'],
  ['subgroups and halves', featuredDevice(), 'float16'],
];
const NAMES = Object.keys(TILES) as TileName[];

/** A plan for each implementation that the pattern has on this device. */
function* plansOf(pattern: Pattern, problem: Problem, device: Device, options: Parameters<typeof makePlan>[4]): Generator<Plan> {
  const acsr = compress(pattern, problem);
  yield makePlan(acsr, problem, device, 'dense', options);
  yield makePlan(acsr, problem, device, 'auto', options);
  yield makePlan(acsr, problem, device, 'fused', options);
}

function expectRight(plan: Plan, pairs: Uint8Array): void {
  checkPlan(plan);
  expectSamePairs(plan, pairs);
  expectApart(plan);
}

/** The parts of the scratch buffer follow one another, each as long as the kernels reach into it. */
function expectApart(plan: Plan): void {
  const {problem, passes, tile} = plan;
  const lines = problem.batch * problem.heads;
  const {record, flags, total} = scratchLayout(plan);
  expect(record).toBe(Math.ceil(problem.valueDim / 4) + 1);
  // The last record of the last slot ends where the flags begin, or before.
  for (const pass of passes) expect(lines * pass.slots * pass.tile.rows * record).toBeLessThanOrEqual(flags);
  for (const {itemBegin, itemEnd} of passes) {
    const groups = itemEnd - itemBegin;
    const last = flags + ((lines - 1) * groups + groups - 1) * tile.threadsY + tile.threadsY - 1;
    if (plan.matrix !== null && lines * groups > 0) expect(last).toBeLessThan(total);
  }
  if (plan.matrix === null) expect(total).toBe(flags);
  expect(16 * total).toBeLessThanOrEqual(plan.bytes);
}

describe('a plan for more than core WebGPU', () => {
  for (const [what, device, precision] of FEATURED) {
    it(`computes exactly the pairs of the corpus: ${what}`, () => {
      for (const each of CORPUS) {
        const problem = {...problemOfCase(each), headDim: 16, valueDim: 16};
        const pairs = pairsOf(each.pattern, problem);
        for (const plan of plansOf(each.pattern, problem, device, {formats: formatsOf(precision)})) {
          expect(() => expectRight(plan, pairs))
            .withContext(`${each.name}, ${plan.implementation}`)
            .not.toThrow();
          expect(plan.matrix !== null).toBe(device.matrices.length > 0);
        }
      }
    });

    it(`computes exactly the pairs of any pattern: ${what}`, () => {
      fc.assert(
        fc.property(
          arbitraryCase({masks: true}),
          fc.constantFrom(16, 64, 128),
          fc.constantFrom(1, 3),
          ({pattern, shape}, valueDim, heads) => {
            const problem = problemFor(shape, {headDim: 16, valueDim, heads, batch: 2});
            const pairs = pairsOf(pattern, shape);
            for (const plan of plansOf(pattern, problem, device, {formats: formatsOf(precision)})) expectRight(plan, pairs);
          },
        ),
        {numRuns: 60},
      );
    });
  }

  it('computes exactly the pairs of any pattern with every tile shape', () => {
    fc.assert(
      fc.property(arbitraryCase({masks: true}), fc.constantFrom(...NAMES), ({pattern, shape}, name) => {
        const pairs = pairsOf(pattern, shape);
        for (const plan of plansOf(pattern, problemFor(shape), featuredDevice(MATRIX_16), {
          formats: formatsOf('float16'),
          tile: TILES[name],
        })) {
          expectRight(plan, pairs);
          expect(plan.matrix !== null).toBe(TILES[name].queries === 'fragments');
        }
      }),
      {numRuns: 150},
    );
  });

  it('computes exactly the pairs of patterns many tiles long, cut into parts, with every tile shape', () => {
    const length = fc.integer({min: 200, max: 700});
    const patterns = [
      full(),
      causal(),
      slidingWindow({left: 70, right: 40}).or(globalTokens(3)),
      slidingWindow({left: 30, right: 9, dilation: 3}),
      strided({stride: 4})
        .and(causal())
        .or(slidingWindow({left: 20})),
      strided({stride: 7}).or(strided({stride: 3})),
    ];
    let cut = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...patterns.slice(1)),
        length,
        length,
        fc.integer({min: -60, max: 60}),
        (random, queryLength, keyLength, queryOffset) => {
          for (const pattern of [patterns[0]!, random]) {
            const problem = problemFor({queryLength, keyLength, queryOffset});
            const pairs = pairsOf(pattern, problem);
            const acsr = compress(pattern, problem);
            for (const name of NAMES) {
              for (const [precision, matrix] of [
                ['float16', MATRIX_16],
                ['float32', MATRIX_8],
              ] as const) {
                const plan = makePlan(acsr, problem, featuredDevice(matrix), 'fused', {
                  formats: formatsOf(precision),
                  tile: TILES[name],
                });
                expect(() => expectRight(plan, pairs))
                  .withContext(name)
                  .not.toThrow();
                if (plan.slots > 0) cut++;
              }
            }
          }
        },
      ),
      {numRuns: 4},
    );
    expect(cut).toBeGreaterThan(0);
  });

  it('tells its kernels where slots and flags begin', () => {
    const problem = problemFor({queryLength: 60, keyLength: 1300, queryOffset: 1240}, {heads: 2, batch: 3});
    const pattern = slidingWindow({left: 450}).or(strided({stride: 2}));
    const plan = makePlan(compress(pattern, problem), problem, featuredDevice(MATRIX_16), 'fused', {formats: formatsOf('float16')});
    expectApart(plan);
    expect([plan.passes.length, plan.slots > 0]).toEqual([2, true]);
    const {flags} = scratchLayout(plan);
    const launches = generate(plan);
    const names = launches.map(({program}) => program.name.replace('SparseAttention.', ''));
    expect(names).toEqual(['convert', 'attendMatrix', 'repair', 'merge', 'attendMatrix', 'repair', 'merge']);
    for (const {program, params, grid, range} of launches.slice(1)) {
      const {slotBase, flagBase, slots} = readStruct(params({scale: 1}), structLayout(program.code, 'Params'));
      // A flag for each subgroup of every item of 2 · 3 lines: ranges share none.
      const flagged = range?.of === 'items' ? flags + 6 * range.begin * plan.tile.threadsY : flagBase;
      const own = plan.passes.find(({itemBegin, itemEnd, mergeBegin, mergeEnd}) =>
        range?.of === 'items'
          ? itemBegin <= range.begin && range.end <= itemEnd
          : mergeBegin <= range!.begin && range!.end <= mergeEnd,
      )!;
      expect([slotBase, flagBase, slots]).toEqual([0, flagged, own.slots]);
      expect(grid[2]).toBe(3);
    }
    // The repair reads what the kernel before it flagged: the same items, the same grid.
    for (const at of [1, 4]) {
      expect(launches[at + 1]!.grid).toEqual(launches[at]!.grid);
      expect(launches[at + 1]!.params({scale: 1})).toEqual(launches[at]!.params({scale: 1}));
    }
  });

  it('has no flags where there are no tensor cores, and may have nothing at all', () => {
    const problem = problemFor({queryLength: 64, keyLength: 64, queryOffset: 0});
    const plan = (device: Device): Plan =>
      makePlan(compress(causal(), problem), problem, device, 'fused', {formats: formatsOf('float16')});
    expect(scratchLayout(plan(CORE_DEVICE)).total).toBe(0);
    expect(scratchLayout(plan(featuredDevice(MATRIX_16))).total).toBe(2);
  });
});
