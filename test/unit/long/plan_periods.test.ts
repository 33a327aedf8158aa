import fc from 'fast-check';
import {checkAcsr, compress, type Acsr} from '../../../src/acsr/index.js';
import {
  blockLocal,
  causal,
  documents,
  full,
  planAttention,
  prefix,
  slidingWindow,
  strided,
  type Pattern,
} from '../../../src/index.js';
import {checkPlan, CORE_DEVICE, makePlan, type Plan} from '../../../src/plan/index.js';
import {tile, TILES} from '../../../src/plan/configurations.js';
import {readInterval, readItem, readSpan} from '../../../src/plan/format.js';
import {expectSamePairs, pairsOf, problemFor} from '../../support/plans.js';

/** What a schedule says, wherever its intervals lie. */
function sayings(plan: Plan): string[] {
  return plan.passes.flatMap(({itemBegin, itemEnd}) =>
    Array.from({length: itemEnd - itemBegin}, (_, i) => {
      const {spanBegin, spanEnd, ...item} = readItem(plan, itemBegin + i);
      const spans = Array.from({length: spanEnd - spanBegin}, (_, s) => {
        const {mask, ...span} = readSpan(plan, spanBegin + s);
        return {...span, rows: Array.from({length: plan.tile.rows}, (_, x) => readInterval(plan, {mask}, x))};
      });
      return JSON.stringify({...item, spans});
    }),
  );
}

const alone = ({recurrence: _, ...acsr}: Acsr): Acsr => acsr;

describe('patterns whose rows recur', () => {
  const stride = fc.integer({min: 1, max: 12});
  const leaf = fc.oneof(
    stride.map((each) => strided({stride: each})),
    fc.constant(full()),
    fc.integer({min: 0, max: 40}).map(prefix),
    stride.map((dilation) => slidingWindow({left: Infinity, right: Infinity, dilation})),
  );
  const pattern = fc.letrec<{node: Pattern}>((tie) => ({
    node: fc.oneof(
      {depthSize: 'small'},
      leaf,
      tie('node').map((each) => each.not()),
      fc.tuple(tie('node'), tie('node')).map(([a, b]) => a.and(b)),
      fc.tuple(tie('node'), tie('node')).map(([a, b]) => a.or(b)),
    ),
  })).node;
  const length = fc.integer({min: 1, max: 150});

  it('are compressed to the rows that they would have one by one', () => {
    let recurring = 0;
    fc.assert(
      fc.property(pattern, length, length, fc.integer({min: -50, max: 50}), (each, queryLength, keyLength, moved) => {
        const shape = {queryLength, keyLength, queryOffset: moved};
        const acsr = compress(each, shape);
        checkAcsr(acsr);
        if (acsr.recurrence !== undefined) recurring++;
        const problem = problemFor(shape);
        const plan = makePlan(acsr, problem, CORE_DEVICE);
        checkPlan(plan);
        expectSamePairs(plan, pairsOf(each, shape));
      }),
      {numRuns: 80},
    );
    expect(recurring).toBeGreaterThan(10);
  });

  it('are planned as if nobody knew', () => {
    const patterns = [
      strided({stride: 7}).or(strided({stride: 9})),
      strided({stride: 16}).or(strided({stride: 17})),
      strided({stride: 3})
        .and(strided({stride: 5}))
        .or(strided({stride: 8})),
      strided({stride: 12}).and(strided({stride: 5}).not()),
      strided({stride: 4}).or(prefix(70)),
      strided({stride: 21}).or(strided({stride: 20})),
    ];
    for (const each of patterns) {
      for (const keyLength of [400, 1100]) {
        const shape = {queryLength: 1000, keyLength, queryOffset: keyLength - 1000};
        const acsr = compress(each, shape);
        expect(acsr.recurrence).withContext(String(each)).toBeDefined();
        const plans = [acsr, alone(acsr)].map((rows) => makePlan(rows, problemFor(shape), CORE_DEVICE, 'fused'));
        plans.forEach((plan) => checkPlan(plan));
        expect(sayings(plans[0]!)).withContext(String(each)).toEqual(sayings(plans[1]!));
        expect(plans[0]!.schedule.length).toBeLessThanOrEqual(plans[1]!.schedule.length);
      }
    }
  });

  it('share what their residues have in common: 63 of them took 250 MiB at 262,144 tokens', () => {
    const shape = {queryLength: 32768, keyLength: 32768, queryOffset: 0};
    const plan = planAttention(strided({stride: 31}).or(strided({stride: 32})), {...shape, headDim: 64});
    const spans = plan.offsets.intervals - plan.offsets.spans;
    expect(plan.offsets.merges - plan.offsets.intervals).toBeLessThan(spans);
  });

  it('are clipped by what leaves an interval of each row', () => {
    let recurring = 0;
    const size = fc.integer({min: 0, max: 80});
    const clip = fc.oneof(
      fc.constant(causal()),
      fc.tuple(size, size).map(([left, right]) => slidingWindow({left, right})),
      size.map((left) => slidingWindow({left}).and(causal())),
      size.map((right) => slidingWindow({left: Infinity, right})),
      size.map((each) => blockLocal({size: each + 1})),
    );
    fc.assert(
      fc.property(
        pattern,
        clip,
        length,
        length,
        fc.integer({min: -50, max: 50}),
        (each, interval, queryLength, keyLength, moved) => {
          const shape = {queryLength, keyLength, queryOffset: moved};
          const clipped = queryLength % 2 === 0 ? each.and(interval) : interval.and(each);
          const acsr = compress(clipped, shape);
          checkAcsr(acsr);
          if (acsr.recurrence?.clip) recurring++;
          const problem = problemFor(shape);
          const plans = [makePlan(acsr, problem, CORE_DEVICE)];
          if (!/too many runs|four strides/.test(plans[0]!.reason)) plans.push(makePlan(acsr, problem, CORE_DEVICE, 'fused'));
          for (const plan of plans) {
            checkPlan(plan);
            expectSamePairs(plan, pairsOf(clipped, shape));
          }
        },
      ),
      {numRuns: 150},
    );
    expect(recurring).toBeGreaterThan(30);
  });

  it('are those of the query before, one key further, where windows are not cut', () => {
    const window = fc
      .tuple(fc.integer({min: 0, max: 12}), fc.integer({min: 0, max: 6}), stride)
      .map(([left, right, dilation]) => slidingWindow({left, right, dilation}));
    const windows = fc.letrec<{node: Pattern}>((tie) => ({
      node: fc.oneof(
        {depthSize: 'small'},
        window,
        fc.constant(causal()),
        fc.tuple(tie('node'), tie('node')).map(([a, b]) => a.and(b)),
        fc.tuple(tie('node'), tie('node')).map(([a, b]) => a.or(b)),
      ),
    })).node;
    fc.assert(
      fc.property(windows, length, length, fc.integer({min: -50, max: 50}), (each, queryLength, keyLength, moved) => {
        const shape = {queryLength, keyLength, queryOffset: moved};
        const acsr = compress(each, shape);
        checkAcsr(acsr);
        expectSamePairs(makePlan(acsr, problemFor(shape), CORE_DEVICE), pairsOf(each, shape));
      }),
      {numRuns: 150},
    );
  });

  it('are clipped by documents', () => {
    const shape = {queryLength: 300, keyLength: 330, queryOffset: 30};
    const each = strided({stride: 6})
      .or(strided({stride: 7}))
      .and(documents([100, 1, 129, 100]));
    const acsr = compress(each, shape);
    expect(acsr.recurrence?.clip).toBeTruthy();
    checkAcsr(acsr);
    expectSamePairs(makePlan(acsr, problemFor(shape), CORE_DEVICE), pairsOf(each, shape));
  });

  it('may have no key at all, also alone in a tile', () => {
    const shape = {queryLength: 33, keyLength: 1, queryOffset: -30};
    const each = strided({stride: 4});
    const plan = makePlan(compress(each, shape), problemFor(shape), CORE_DEVICE, 'fused', {tile: TILES.decode4});
    checkPlan(plan);
    expectSamePairs(plan, pairsOf(each, shape));
  });

  it('are planned pair by pair where many queries see few keys, in tiles of few rows', () => {
    const strides = fc.array(
      fc.integer({min: 1, max: 12}).map((stride) => strided({stride})),
      {minLength: 1, maxLength: 4},
    );
    const given = fc.record({
      queryLength: fc.integer({min: 2, max: 140}),
      keyLength: fc.integer({min: 1, max: 30}),
      queryOffset: fc.integer({min: -60, max: 60}),
    });
    const rows = fc.constantFrom(1, 2, 3, 5, 32);
    let recurring = 0;
    fc.assert(
      fc.property(given, strides, fc.boolean(), rows, (shape, [first, ...others], clips, height) => {
        const all = others.reduce((joined, each) => joined.or(each), first!);
        const each = clips ? all.and(causal()) : all;
        const acsr = compress(each, shape);
        recurring += Number(acsr.recurrence !== null);
        const shaped = tile(height, 32, 8, 1, {scores: 1, values: 1}, 16384);
        const plan = makePlan(acsr, problemFor(shape), CORE_DEVICE, 'fused', {tile: shaped});
        checkPlan(plan);
        expectSamePairs(plan, pairsOf(each, shape));
      }),
      {numRuns: 1500},
    );
    expect(recurring).toBeGreaterThan(300);
  });

  it('are written out only when they are read', () => {
    const acsr = compress(
      strided({stride: 63})
        .or(strided({stride: 64}))
        .and(causal()),
      {queryLength: 262144, keyLength: 262144},
    );
    expect(acsr.recurrence!.start.length).toBeLessThan(64 * 63 * 64);
    expect(acsr.nnz).toBe(keysOfTwo(262144, 63, 64));
    const descriptor = Object.getOwnPropertyDescriptor(acsr, 'start');
    expect(descriptor?.get).toBeDefined();
  });

  for (const [a, b] of [
    [7, 9],
    [16, 17],
    [31, 32],
    [63, 64],
    [100, 101],
    [127, 128],
  ] as const) {
    it(`of strides ${a} and ${b} are planned in a moment at 262,144 tokens`, () => {
      const shape = {queryLength: 262144, keyLength: 262144, headDim: 64, heads: 8};
      const both = strided({stride: a}).or(strided({stride: b}));
      for (const each of [both, both.and(causal())]) {
        // Of processor time: 50 to 200 ms on a quiet core, where the aim is 300 (npm run bench:planning). Other programs stretch it to 350.
        const times: number[] = [];
        while (times.length < 3) {
          const begin = process.cpuUsage();
          const plan = planAttention(each, shape);
          const {user, system} = process.cpuUsage(begin);
          expect(plan.implementation).toBe('fused');
          times.push((user + system) / 1000);
        }
        expect(Math.min(...times))
          .withContext(String(each))
          .toBeLessThan(600);
      }
    });
  }
});

/** Pairs of two coprime strides below the diagonal, counted by inclusion and exclusion: Σ ⌊q/a⌋ + 1. */
function keysOfTwo(length: number, a: number, b: number): number {
  let keys = 0;
  for (let query = 0; query < length; query++)
    keys += Math.floor(query / a) + Math.floor(query / b) - Math.floor(query / (a * b)) + 1;
  return keys;
}
