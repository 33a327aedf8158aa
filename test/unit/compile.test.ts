import {compile, compileMaskTensor, CORE_DEVICE, explain, type AttentionShape} from '../../src/pure.js';
import {planAttention} from '../../src/plan_attention.js';
import {causal, full, slidingWindow, type Pattern} from '../../src/pattern/index.js';
import {checkPlan} from '../../src/plan/index.js';
import {CORPUS, corpusCase, problemOfCase} from '../corpus.js';
import {refusal} from '../support/errors.js';
import {pairsOf, problemFor} from '../support/plans.js';

const SHAPE: AttentionShape = {queryLength: 100, keyLength: 120, headDim: 32};

describe('planAttention', () => {
  it('says what would be computed, by which kernel, why, and at what cost', () => {
    const plan = planAttention(slidingWindow({left: 128, right: 128}), {queryLength: 4096, keyLength: 4096, headDim: 64, heads: 8});
    expect(plan.implementation).toBe('fused');
    expect(plan.nnz).toBe(4096 * 257 - 128 * 129);
    expect(plan.density).toBe(plan.nnz / 4096 ** 2);
    expect(plan.tileDensity).toBeGreaterThan(0.8);
    expect(plan.tileDensity).toBeLessThanOrEqual(1);
    expect(plan.costMs).toBeGreaterThan(0);
    expect(plan.bytes).toBeGreaterThanOrEqual(plan.schedule.byteLength);
    expect(plan.reason).toContain('faster than dense');
  });

  it('fills in one head, one batch, values as wide as keys, the last query at the last key, the core device', () => {
    const {problem, device} = planAttention(causal(), SHAPE);
    const lengths = {queryLength: 100, keyLength: 120, queryOffset: 20};
    expect(problem).toEqual({...lengths, headDim: 32, valueDim: 32, heads: 1, keyHeads: 1, packedHeads: 1, batch: 1});
    expect(device).toBe(CORE_DEVICE);
  });

  it('refuses a dense kernel whose mask bits no binding holds, before it makes them', () => {
    const shape = {queryLength: 2 ** 17, keyLength: 2 ** 17, headDim: 64, implementation: 'dense'} as const;
    expect(refusal(() => planAttention(causal(), shape)).message).toBe(
      'mask bits of the dense kernel: found 2147483648 bytes, expected at most 134217728, a binding of this device. ' +
        'Split the queries over several calls, or simplify the pattern until it has a tiling.',
    );
  });

  it('gives a frozen plan', () => {
    const plan = planAttention(causal(), SHAPE);
    for (const part of [plan, plan.problem, plan.tile, plan.passes, plan.passes[0]!, plan.device]) {
      expect(Object.isFrozen(part)).withContext(JSON.stringify(part).slice(0, 60)).toBeTrue();
    }
    checkPlan(plan);
  });

  it('expands to the pairs of the pattern', () => {
    const plan = planAttention(causal(), SHAPE);
    expect(plan.toDense()).toEqual(pairsOf(causal(), plan.problem));
  });

  it('shows the plan as text, with its picture', () => {
    const text = planAttention(causal(), SHAPE).toString();
    expect(text).toMatch(/^plan {5}fused: computes \d+ key tiles/);
    expect(text).toContain('  query 100 × key 120, offset 20, 1 × 1 heads of 32 → 32\n');
    expect(text).toContain('▒');
    expect(`${planAttention(causal(), SHAPE)}`).toBe(text);
  });

  it('explains every stage, in order', () => {
    const text = planAttention(causal().and(full()), SHAPE).explain();
    const stages = [
      'pattern  causal() and full()',
      'acsr     100 × 120',
      'plan     fused',
      'launch   SparseAttention.attend',
      'fn main(',
    ];
    const places = stages.map((stage) => text.indexOf(stage));
    expect(places.every((at) => at >= 0))
      .withContext(places.join())
      .toBeTrue();
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it('takes an implementation and a device', () => {
    expect(planAttention(causal(), {...SHAPE, implementation: 'dense'}).reason).toBe('asked for');
    const device = {...CORE_DEVICE, software: true};
    expect(planAttention(causal(), {...SHAPE, queryLength: 9000, keyLength: 9000, device}).tile.rows).toBe(32);
  });

  const REFUSED: readonly (readonly [string, unknown, unknown, RegExp])[] = [
    ['a text in place of a pattern', 'causal()', SHAPE, /^pattern: found the text 'causal\(\)', expected a Pattern.*parsePattern/],
    ['no shape', causal(), undefined, /^shape: found undefined/],
    ['an unknown name', causal(), {...SHAPE, headDims: 3}, /^shape\.headDims: .*Did you mean 'headDim'\?/],
    ['an unknown name like no other', causal(), {...SHAPE, colour: 3}, /^shape\.colour: .*Remove it/],
    [
      'a missing headDim',
      causal(),
      {queryLength: 4, keyLength: 4},
      /^headDim: found undefined, expected a whole number from 1 to 2147483647/,
    ],
    ['a headDim of 0', causal(), {...SHAPE, headDim: 0}, /^headDim: found 0/],
    ['a headDim of 2³¹', causal(), {...SHAPE, headDim: 2 ** 31}, /^headDim: found 2147483648/],
    ['a fractional valueDim', causal(), {...SHAPE, valueDim: 2.5}, /^valueDim: found 2\.5/],
    ['negative heads', causal(), {...SHAPE, heads: -1}, /^heads: found -1/],
    ['a NaN batch', causal(), {...SHAPE, batch: NaN}, /^batch: found NaN/],
    ['a fractional length', causal(), {...SHAPE, queryLength: 1.5}, /^queryLength: found 1\.5/],
    ['a NaN offset', causal(), {...SHAPE, queryOffset: NaN}, /^queryOffset: found NaN/],
    ['a device without limits', causal(), {...SHAPE, device: {}}, /^device\.maxWorkgroupBytes: found undefined, expected a number/],
    [
      'an unknown implementation',
      causal(),
      {...SHAPE, implementation: 'fuse'},
      /^implementation: found the text 'fuse'.*Did you mean 'fused'\?/,
    ],
  ];
  for (const [what, pattern, shape, message] of REFUSED) {
    it(`refuses ${what}`, () => {
      expect(refusal(() => planAttention(pattern as Pattern, shape as AttentionShape)).message).toMatch(message);
    });
  }
});

describe('compile', () => {
  it('keeps every stage', () => {
    const pattern = causal();
    const compiled = compile(pattern, problemFor({queryLength: 50, keyLength: 50, queryOffset: 0}), CORE_DEVICE);
    expect(compiled.pattern).toBe(pattern);
    expect(compiled.lines!.rows[0]!.nnz).toBe(compiled.plan.nnz);
    expect(compiled.launches).toHaveSize(1);
    expect(compiled.workBytes).toEqual({scratch: 16, rowSums: 16});
    for (const part of [compiled, compiled.plan]) expect(Object.isFrozen(part)).toBeTrue();
  });

  it('asks for the scratch that its passes and parts need, and never for an empty buffer', () => {
    for (const each of CORPUS) {
      const problem = problemOfCase(each);
      const {plan, workBytes} = compile(each.pattern, problem, CORE_DEVICE, each);
      const lines = problem.batch * problem.heads;
      const rows = plan.passes.map(({slots, tile}) => slots * tile.rows);
      const parts = lines * Math.max(0, ...rows) * (Math.ceil(problem.valueDim / 4) + 1);
      expect(workBytes.scratch)
        .withContext(each.name)
        .toBe(Math.max(16, 16 * parts));
      const rowSums = plan.passes.length > 1 ? 8 * lines * problem.queryLength : 16;
      expect(workBytes.rowSums).withContext(each.name).toBe(Math.max(16, rowSums));
    }
  });

  it('packs a mask tensor first, 64 keys a pair of words, then says what tiles of 32 rows hold', () => {
    const problem = problemFor({queryLength: 20, keyLength: 70, queryOffset: 0}, {batch: 2, heads: 3});
    for (const [shape, pairs, states] of [
      [[2, 3, 20, 70], 2 * 3 * 20 * 2, 2 * 3 * 2],
      [[1, 1, 20, 70], 20 * 2, 2],
      [[2, 1, 1, 70], 2 * 2, 2 * 2],
      [[1, 3, 20, 1], 3 * 20 * 2, 3 * 2],
    ] as const) {
      const {launches, plan, tail, lines, pattern} = compileMaskTensor(problem, CORE_DEVICE, shape);
      expect(launches[0]!.program.name).toBe('SparseAttention.packMask');
      expect(launches[0]!.grid).toEqual([Math.ceil(pairs / 64), 1, 1]);
      expect(tail.maskBits).toBe(plan.schedule.length / 2);
      expect(launches[1]!.program.name).toBe('SparseAttention.maskStates');
      expect([tail.maskPairs, tail.statePairs, tail.pairs - tail.maskBits]).toEqual([pairs, states, pairs + states]);
      expect([lines, pattern]).toEqual([null, null]);
    }
  });

  it('explains a mask tensor: no pattern, no picture, three launches', () => {
    const problem = problemFor({queryLength: 20, keyLength: 70, queryOffset: 0});
    const text = explain(compileMaskTensor(problem, CORE_DEVICE, [1, 1, 20, 70]));
    expect(text).toMatch(/^pattern {2}a mask tensor\n\nplan {5}dense: the mask is a tensor\n/);
    expect(text).not.toMatch(/[█▒]/);
    expect(text.match(/^launch /gm)).toHaveSize(3);
  });

  it('packs masks of more words than one row of the grid takes', () => {
    const problem = problemFor({queryLength: 16384, keyLength: 16384, queryOffset: 0});
    const [x, y, z] = compileMaskTensor(problem, CORE_DEVICE, [1, 1, 16384, 16384]).launches[0]!.grid;
    expect(x * y * z * 64).toBeGreaterThanOrEqual(16384 * 256);
    expect(Math.max(x, y, z)).toBeLessThanOrEqual(65535);
  });

  it('gives equal text for equal calls', () => {
    const each = corpusCase('strided-and-local');
    const [a, b] = [1, 2].map(() => explain(compile(each.pattern, problemOfCase(each), CORE_DEVICE)));
    expect(a).toBe(b!);
  });
});
