import fc from 'fast-check';
import {compress, type Acsr, type Lines} from '../../src/acsr/index.js';
import {causal, full, slidingWindow, strided, type Pattern, type ResolvedShape} from '../../src/pattern/index.js';
import {
  checkGradientPlan,
  checkPlan,
  CORE_DEVICE,
  makeGradientPlan,
  makePlan,
  pairsByKeys,
  toDense,
  type Device,
  type Implementation,
  type Problem,
} from '../../src/plan/index.js';
import {randomMask} from '../corpus.js';
import {arbitraryPattern, arbitraryShape} from '../support/arbitraries.js';
import {featuredDevice, MATRIX_16, pairsOf, problemFor, SOFTWARE_DEVICE} from '../support/plans.js';

/** A pattern for each line, and the rows that these come to, once for each pattern. */
interface Given {
  readonly patterns: readonly Pattern[];
  readonly lines: Lines;
  readonly problem: Problem;
}

function given(
  patterns: readonly Pattern[],
  of: readonly number[],
  heads: number,
  shape: ResolvedShape,
  sizes: Partial<Problem>,
): Given {
  const batch = of.length / heads;
  const rows: Acsr[] = patterns.map((pattern) => compress(pattern, shape));
  const problem = problemFor(shape, {heads, batch, ...sizes});
  return {patterns: of.map((index) => patterns[index]!), lines: {rows, heads, batch, of}, problem};
}

/** Every line computes its own pairs, forward and backward. */
function expectRight({patterns, lines, problem}: Given, device: Device, implementation: Implementation | 'auto'): void {
  const plan = makePlan(lines, problem, device, implementation);
  checkPlan(plan);
  const results = problem.heads === problem.keyHeads ? (['gradients', 'records', 'nothing'] as const) : (['records'] as const);
  const backward = results.map((each) => makeGradientPlan(plan, lines, each));
  for (const gradients of backward) checkGradientPlan(gradients);
  patterns.forEach((pattern, index) => {
    const line = {head: lines.heads === 1 ? 0 : index % lines.heads, batch: Math.floor(index / lines.heads)};
    const pairs = pairsOf(pattern, problem);
    expect(toDense(plan, line)).toEqual(pairs);
    for (const gradients of backward) {
      expect(toDense(gradients.rows, line)).toEqual(pairs);
      if (gradients.results !== 'nothing') expect(pairsByKeys(gradients, line)).toEqual(pairs);
    }
  });
}

describe('a plan of different heads and sequences', () => {
  it('computes exactly the pairs of each, forward and backward', () => {
    const device = fc.constantFrom(CORE_DEVICE, SOFTWARE_DEVICE, featuredDevice(MATRIX_16));
    fc.assert(
      fc.property(
        arbitraryShape().chain((shape) =>
          fc.tuple(
            fc.constant(shape),
            fc.array(arbitraryPattern(shape.keyLength, {maskQueryLength: shape.queryLength}), {minLength: 2, maxLength: 3}),
          ),
        ),
        fc.constantFrom([2, 1, 2], [4, 1, 2], [1, 3, 1], [2, 2, 1], [4, 2, 4]),
        fc.array(fc.nat(2), {minLength: 8, maxLength: 8}),
        device,
        fc.constantFrom('auto', 'fused', 'dense'),
        ([shape, patterns], [heads, batch, keyHeads], numbers, on, implementation) => {
          const of = Array.from({length: heads! * batch!}, (_, line) => numbers[line]! % patterns.length);
          expectRight(given(patterns, of, heads!, shape, {keyHeads: keyHeads!}), on, implementation as 'auto');
        },
      ),
      {numRuns: 25},
    );
  });

  it('of many tiles is cut into parts, longest first over all heads', () => {
    const shape = {queryLength: 300, keyLength: 300, queryOffset: 0};
    const patterns = [slidingWindow({left: 30}), full(), strided({stride: 3}).and(causal()), randomMask(300, 300, 0.02, 3)];
    const each = given(patterns, [0, 1, 0, 2, 3, 0], 6, shape, {});
    expectRight(each, CORE_DEVICE, 'auto');
    const plan = makePlan(each.lines, each.problem, CORE_DEVICE, 'auto');
    expect(plan.slots).toBeGreaterThan(0);
    for (const {itemBegin, itemEnd} of plan.passes)
      for (let item = itemBegin + 1; item < itemEnd; item++)
        expect(plan.weights[item]!).toBeLessThanOrEqual(plan.weights[item - 1]!);
  });

  it('shares the tiles of equal heads', () => {
    const shape = {queryLength: 512, keyLength: 512, queryOffset: 0};
    const patterns = [slidingWindow({left: 30}), causal()];
    const bytes = (heads: number): number => {
      const of = Array.from({length: heads}, (_, head) => head % 2);
      const {lines, problem} = given(patterns, of, heads, shape, {});
      const {offsets} = makePlan(lines, problem, SOFTWARE_DEVICE, 'fused');
      return offsets.merges - offsets.spans;
    };
    expect(bytes(16)).toBe(bytes(2));
  });

  it('says what it is', () => {
    const shape = {queryLength: 512, keyLength: 512, queryOffset: 0};
    const {lines, problem} = given([slidingWindow({left: 30}), causal()], [0, 0, 0, 1], 4, shape, {});
    const plan = makePlan(lines, problem, CORE_DEVICE);
    expect(plan.reason).toMatch(/^2 patterns in 4 heads: computes \d+ key tiles where dense computes \d+/);
    expect(plan.nnz).toBe((3 * lines.rows[0]!.nnz + lines.rows[1]!.nnz) / 4);
  });
});
