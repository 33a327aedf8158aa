import fc from 'fast-check';
import {compile, compileGradients, CORE_DEVICE, PLAIN, type Compiled, type Device, type Problem} from '../../../src/pure.js';
import {causal, slidingWindow, strided, type Pattern} from '../../../src/pattern/index.js';
import {gradientScratch, makeGradientPlan} from '../../../src/plan/index.js';
import {compress} from '../../../src/acsr/index.js';
import {ITEMS_FIRST, PARAMS} from '../../../src/wgsl/text/params.js';
import {planFor, problemFor} from '../../support/plans.js';
import {readStruct, structLayout} from '../../support/wgsl_layout.js';

const BINDING = 2 ** 27;

/** `length` tokens attend to themselves. */
const selfAttention = (length: number, sizes: Partial<Problem>): Problem =>
  problemFor({queryLength: length, keyLength: length, queryOffset: 0}, {headDim: 64, ...sizes});

const forwardOf = (pattern: Pattern, problem: Problem, device: Device, bias: boolean): Compiled =>
  compile(pattern, problem, device, {implementation: 'fused', aux: 'rowSums', features: {...PLAIN, bias}});

/** Bytes of what a forward and a backward pass bind beside a bias. */
function bytesBound(forward: Compiled): Record<string, number> {
  const {batch, heads, keyHeads, queryLength, keyLength, headDim, valueDim} = forward.plan.problem;
  const {workBytes, tail} = compileGradients(forward, false);
  return {
    ...{query: 4 * batch * heads * queryLength * headDim, output: 4 * batch * heads * queryLength * valueDim},
    ...{key: 4 * batch * keyHeads * keyLength * headDim, value: 4 * batch * keyHeads * keyLength * valueDim},
    ...{rowSums: 8 * batch * heads * queryLength, forwardScratch: forward.workBytes.scratch!, schedule: 8 * tail.pairs},
    ...workBytes,
  };
}

const window = slidingWindow({left: 128, right: 128});
const local = strided({stride: 64})
  .and(causal())
  .or(slidingWindow({left: 64}));

/** What a forward pass takes at 128 MiB a binding. */
const SIZES: readonly (readonly [Pattern, number, Partial<Problem>, bias?: boolean])[] = [
  [causal(), 65536, {heads: 8}],
  [window, 65536, {heads: 8}],
  [local, 65536, {heads: 8}],
  [causal(), 32768, {heads: 8}],
  [causal(), 16, {batch: 512, heads: 16}],
  [causal(), 131072, {heads: 4}],
  [causal(), 1, {batch: 65535, heads: 8}],
  // Records of all tiles: of grouped heads, and beside a bias.
  [causal(), 65536, {heads: 8, keyHeads: 1}],
  [causal(), 16, {batch: 512, heads: 16, keyHeads: 4}],
  [window, 65536, {heads: 8}, true],
  [causal(), 16, {batch: 512, heads: 16}, true],
  [causal(), 1, {batch: 8192, heads: 64}, true],
  // One head alone takes more than a binding, or more sums than a grid has workgroups.
  [window, 524288, {}, true],
  [window, 131072, {headDim: 256}, true],
  // Four times the query in row statistics.
  [window, 131072, {heads: 128, headDim: 2}],
];

const named = (pattern: Pattern, length: number, sizes: Partial<Problem>, bias = false): string =>
  `${pattern}, ${length} tokens, ${JSON.stringify(sizes)}${bias ? ', with a bias' : ''}`;

describe('at 128 MiB a binding, a backward pass', () => {
  for (const [pattern, length, sizes, bias = false] of SIZES)
    it(`takes what a forward pass takes: ${named(pattern, length, sizes, bias)}`, () => {
      const forward = forwardOf(pattern, selfAttention(length, sizes), CORE_DEVICE, bias);
      const bound = bytesBound(forward);
      for (const [role, bytes] of Object.entries(bound)) expect(bytes).withContext(role).toBeLessThanOrEqual(BINDING);
      for (const {program, grid} of compileGradients(forward, false).launches)
        expect(Math.max(...grid))
          .withContext(program.name)
          .toBeLessThanOrEqual(CORE_DEVICE.maxWorkgroupsPerDimension);
    });

  it('needs 16 bytes a row where keys have one part each', () => {
    for (const [length, sizes] of [
      [65536, {heads: 8}],
      [32768, {heads: 8}],
      [16, {batch: 512, heads: 16}],
    ] as const) {
      const {scratch} = bytesBound(forwardOf(causal(), selfAttention(length, sizes), CORE_DEVICE, false));
      expect(scratch).toBe(16 * length * sizes.heads * ('batch' in sizes ? sizes.batch : 1));
    }
  });

  it('takes no more than 256 MiB of scratch on larger devices', () => {
    const large = {...CORE_DEVICE, maxBindingBytes: 2 ** 32};
    const {scratch} = bytesBound(forwardOf(window, selfAttention(65536, {heads: 32, keyHeads: 8}), large, false));
    expect(scratch).toBeGreaterThan(2 ** 27);
    expect(scratch).toBeLessThanOrEqual(2 ** 28);
  });
});

describe('the shares of a backward pass', () => {
  const sizes = fc
    .record({
      batch: fc.integer({min: 1, max: 7}),
      keyHeads: fc.integer({min: 1, max: 5}),
      group: fc.integer({min: 1, max: 6}),
      length: fc.integer({min: 1, max: 150}),
      room: fc.integer({min: 1, max: 60_000}),
      results: fc.constantFrom('gradients' as const, 'records' as const, 'scores' as const),
    })
    .map(({keyHeads, group, ...rest}) => ({...rest, keyHeads, heads: keyHeads * group, group}));

  it('hold every head of every sequence once, and fit', () => {
    fc.assert(
      fc.property(sizes, ({batch, keyHeads, heads, group, length, room, results}) => {
        const device = {...CORE_DEVICE, maxBindingBytes: 16 * room};
        const problem = selfAttention(length, {batch, heads, keyHeads, headDim: 8});
        const plan = makeGradientPlan(planFor(causal(), problem, device, 'fused'), compress(causal(), problem), results);
        const {shares, total} = gradientScratch(plan);
        const seen = new Uint8Array(batch * heads);
        for (const {firstBatch, batches, firstHead, heads: count} of shares) {
          for (let b = firstBatch; b < firstBatch + batches; b++)
            for (let h = firstHead; h < firstHead + count; h++) seen[b * heads + h]! += 1;
          // Whole groups, or heads of one.
          const last = firstHead + count - 1;
          if (count % group !== 0 || firstHead % group !== 0) expect(Math.floor(firstHead / group)).toBe(Math.floor(last / group));
        }
        expect([...new Set(seen)]).toEqual([1]);
        // The least is one head with one tile of keys.
        const record = results === 'scores' ? 1 : 4;
        const least = length + plan.rows.tile.keys * record;
        if (least <= room) expect(total).toBeLessThanOrEqual(room);
      }),
      {numRuns: 300},
    );
  });

  it('are what the dispatches cover, of every pass', () => {
    const device = {...CORE_DEVICE, maxBindingBytes: 16 * 4000};
    const members = structLayout(PARAMS, 'Params');
    for (const keyHeads of [6, 2]) {
      const problem = selfAttention(300, {batch: 3, heads: 6, keyHeads, headDim: 8});
      const forward = forwardOf(strided({stride: 2}).or(slidingWindow({left: 60})), problem, device, false);
      const covered = new Map<string, number>();
      for (const {program, grid, params} of compileGradients(forward, false).launches) {
        if (!/(query|key)Gradients/.test(program.name)) continue;
        const {firstBatch, firstHead, shareHeads, first, flags} = readStruct(params({scale: 1}), members) as Record<string, number>;
        // Row-wise items of even length lie along the first dimension.
        const heads = grid[(flags! & ITEMS_FIRST) === 0 ? 0 : 1];
        expect(shareHeads).toBe(heads);
        for (let z = 0; z < grid[2]; z++)
          for (let x = 0; x < heads; x++) {
            const name = [program.name, first, firstBatch! + z, firstHead! + x].join();
            covered.set(name, (covered.get(name) ?? 0) + 1);
          }
      }
      expect([...new Set(covered.values())]).toEqual([1]);
      const kernels = new Set([...covered.keys()].map((name) => name.split(',').slice(0, 2).join()));
      expect(covered.size).toBe(kernels.size * 3 * 6);
      expect(kernels.size).toBeGreaterThanOrEqual(4);
    }
  });
});
