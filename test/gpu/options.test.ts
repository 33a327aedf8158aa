import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {causal, full, globalTokens, slidingWindow, sparseAttention, sparseAttentionWithAux, type Pattern} from '../../src/index.js';
import {alibiBias, expectAttention, expectAttentionWithAux, randomInputs, withinLengths} from '../oracle.js';
import {tensorsOf} from '../support/attend.js';
import {arbitraryDenseCase, spell} from '../support/dense_cases.js';
import {BASE, callCase, expectCase, type OptionCase} from '../support/option_cases.js';
import {missingPairs, pairwise} from '../support/pairwise.js';
import {problemFor} from '../support/plans.js';

const STRIDES = 'strided(stride: 8) and causal() or slidingWindow(left: 7)';

/** The names of the factors are those of a case, but for those that stand for several. */
const FACTORS = {
  bias: [null, [true, true, true, true], [true, false, false, true]],
  softcap: [null, 1.5],
  alibi: [false, true],
  relative: [null, 'heads', 'one'],
  lengths: [false, true],
  segments: [false, true],
  sinks: [false, true],
  dropout: [0, 0.2],
  layout: ['bhld', 'blhd'],
  keyHeads: [4, 2, 1],
  valueDim: [16, 5],
  cross: [false, true],
  precision: ['float32', 'float16'],
  source: ['fused', 'strides', 'dense', 'mask'],
  aux: [false, true],
} as const;

function caseOf({cross, source, keyHeads, ...same}: ReturnType<typeof pairwise<typeof FACTORS>>[number], seed: number): OptionCase {
  return {
    ...BASE,
    ...same,
    ...{keyHeads, group: 4 / keyHeads, seed},
    ...(cross ? {} : {keyLength: 45, queryOffset: 0}),
    ...(source === 'mask' && {pattern: null, mask: [true, false, true, true], implementation: 'auto'}),
    ...(source === 'dense' && {implementation: 'dense'}),
    ...(source === 'strides' && {pattern: STRIDES}),
  };
}

describe('on WebGPU, attention with options', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const alone: readonly (readonly [string, readonly Partial<OptionCase>[]])[] = [
    [
      'a bias of every broadcast shape',
      Array.from({length: 16}, (_, bits) => ({bias: [0, 1, 2, 3].map((i) => ((bits >> i) & 1) === 1)})),
    ],
    ['a softcap', [{softcap: 0.3}, {softcap: 50, pattern: STRIDES}]],
    ['slopes', [{alibi: true}, {alibi: true, queryOffset: -9, pattern: 'full()'}, {alibi: true, pattern: STRIDES}]],
    ['a relative bias', [{relative: 'heads'}, {relative: 'one', pattern: STRIDES}, {relative: 'heads', group: 1, keyHeads: 1}]],
    ['lengths', [{lengths: true}, {lengths: true, pattern: STRIDES, seed: 8}, {lengths: true, batch: 5, pattern: 'full()'}]],
    ['segments', [{segments: true}, {segments: true, pattern: STRIDES}]],
    ['sinks', [{sinks: true}, {sinks: true, pattern: STRIDES}, {sinks: true, pattern: 'prefix(0)'}]],
    ['dropout', [{dropout: 0.5}, {dropout: 0.1, pattern: STRIDES, seed: 2 ** 32 - 1}, {dropout: 0.9, seed: 0}]],
    ['heads after lengths', [{layout: 'blhd'}, {layout: 'blhd', pattern: STRIDES}]],
    [
      'fewer key heads',
      [
        {keyHeads: 1, group: 4},
        {keyHeads: 3, group: 2, layout: 'blhd', pattern: STRIDES},
      ],
    ],
    ['one head of rank 3', [{rank3: true, keyHeads: 1, group: 1, layout: 'blhd', aux: true}]],
  ];
  for (const [what, cases] of alone)
    it(`is what the oracle says: ${what}`, async () => {
      for (const [i, each] of cases.entries()) await expectCase({...BASE, ...each, aux: i === 0});
    });

  const rows = pairwise(FACTORS);
  it('is what the oracle says: any two of them', async () => {
    expect(missingPairs(FACTORS, rows)).toEqual([]);
    for (const [i, row] of rows.entries()) await expectCase(caseOf(row, 100 + i));
  });

  it('is what the oracle says: any of them', async () => {
    const seed = 20261121;
    await fc.assert(
      fc.asyncProperty(
        arbitraryDenseCase(),
        fc.constantFrom('auto' as const, 'dense' as const),
        fc.boolean(),
        async (random, implementation, aux) => {
          tf.engine().startScope();
          // A mask or a pattern; features that need no pipeline of their own.
          const {mask} = random.pattern === null ? random : {mask: null};
          const given = {...BASE, ...random, mask, aux, headDim: 16, valueDim: random.valueDim < 4 ? 5 : 16};
          await expectCase({...given, implementation: mask === null ? implementation : 'auto'});
          tf.engine().endScope();
        },
      ),
      {numRuns: 8, seed},
    );
  });

  it('gives −∞ and zeros for rows without keys, and the sink where there is one', async () => {
    const inputs = randomInputs(problemFor({queryLength: 40, keyLength: 40, queryOffset: 0}, {heads: 2}));
    const pattern = causal().and(slidingWindow({left: 3}));
    const none = causal().not().and(causal());
    for (const implementation of ['fused', 'dense'] as const) {
      for (const [each, empty] of [
        [none, 40],
        [pattern, 5],
      ] as const) {
        const options = {implementation, queryOffset: each === none ? 0 : -5};
        const {output, logSumExp} = sparseAttentionWithAux(...tensorsOf(inputs), each, options);
        const sums = await logSumExp.data();
        const rows = [...sums.keys()].filter((row) => sums[row] === -Infinity);
        expect(rows.length).toBe(2 * empty);
        const found = await output.data();
        expect(rows.every((row) => found.subarray(16 * row, 16 * row + 16).every((x) => x === 0))).toBeTrue();

        const withSinks = sparseAttentionWithAux(...tensorsOf(inputs), each, {...options, sinks: [0.75, -Infinity]});
        const sunk = await withSinks.logSumExp.data();
        const ofSinks = rows.map((row) => (row < 40 ? Math.fround(0.75) : -Infinity));
        expect(rows.map((row) => sunk[row]!))
          .withContext(`${each}, ${implementation}`)
          .toEqual(ofSinks);
        const beside = await withSinks.output.data();
        expect(rows.every((row) => beside.subarray(16 * row, 16 * row + 16).every((x) => x === 0)))
          .withContext(`${each}, ${implementation}`)
          .toBeTrue();
        await expectAttentionWithAux(
          withSinks,
          inputs,
          (q, k) => each.attends(q, k, {queryLength: 40, keyLength: 40, queryOffset: options.queryOffset}),
          {sinks: [0.75, -Infinity]},
          `sinks beside ${each}, ${implementation}`,
        );
      }
    }
  });

  it('sees no key past the lengths: none at all, one, not a NaN', async () => {
    const sizes = {queryLength: 40, keyLength: 70, queryOffset: 30};
    const inputs = randomInputs(problemFor(sizes, {heads: 2, batch: 4}));
    const keyLengths = [0, 1, 33, 70];
    const spoilt = {...inputs, key: Float32Array.from(inputs.key), value: Float32Array.from(inputs.value)};
    keyLengths.forEach((length, batch) => {
      for (let head = 0; head < 2; head++) {
        const line = (batch * 2 + head) * 70;
        for (const tensor of [spoilt.key, spoilt.value]) tensor.fill(NaN, 16 * (line + length), 16 * (line + 70));
      }
    });
    const patterns: readonly Pattern[] = [full(), slidingWindow({left: 9, right: 2}), globalTokens([5, 60]), causal()];
    for (const pattern of patterns) {
      for (const implementation of ['fused', 'dense'] as const) {
        for (const lengths of [keyLengths, tf.tensor1d(keyLengths, 'int32')]) {
          const found = sparseAttentionWithAux(...tensorsOf(spoilt), pattern, {implementation, keyLengths: lengths});
          const attends = withinLengths((q, k) => pattern.attends(q, k, sizes), keyLengths);
          await expectAttentionWithAux(found, inputs, attends, {}, `${pattern}, ${implementation}`);
        }
      }
    }
  });

  it('takes lengths past the keys as all of them, and negative ones as none', async () => {
    const inputs = randomInputs(problemFor({queryLength: 33, keyLength: 33, queryOffset: 0}, {batch: 2}));
    const output = sparseAttention(...tensorsOf(inputs), full(), {keyLengths: tf.tensor1d([1000, -3], 'int32')});
    await expectAttention(output, inputs, (_q, _k, b) => b === 0);
  });

  it('hides what a bias of −∞ hides beside a relative bias', async () => {
    const inputs = randomInputs(problemFor({queryLength: 40, keyLength: 40, queryOffset: 0}));
    const hidden = (q: number, k: number): boolean => (q + k) % 3 === 0 || q === 7;
    const bias = tf.tensor2d(
      Float32Array.from({length: 1600}, (_, i) => (hidden(Math.floor(i / 40), i % 40) ? -Infinity : 0)),
      [40, 40],
    );
    const relative = Float32Array.from({length: 79}, (_, r) => (r === 40 ? -Infinity : Math.cos(r)));
    for (const implementation of ['fused', 'dense'] as const) {
      const {output, logSumExp} = sparseAttentionWithAux(...tensorsOf(inputs), full(), {
        implementation,
        bias,
        relativeBias: tf.tensor2d(relative, [1, 79]),
        alibiSlopes: [0.3],
      });
      const shown = (q: number, k: number): boolean => !hidden(q, k) && k - q !== 1;
      const says = {
        bias: (b: number, h: number, q: number, k: number) => relative[k - q + 39]! + alibiBias([0.3], 0)(b, h, q, k),
      };
      await expectAttentionWithAux({output, logSumExp}, inputs, shown, says, implementation);
    }
  });

  it('takes arrays for its tensors', async () => {
    const spelled = spell({
      ...BASE,
      lengths: true,
      segments: true,
      alibi: true,
      relative: 'one',
      sinks: true,
      bias: [true, false, true, true],
    });
    const arrays = Object.fromEntries(
      Object.entries(spelled.tensors).map(([name, tensor]) => [name, (tensor as tf.Tensor).arraySync()]),
    );
    const output = callCase(BASE, spelled, arrays as unknown as Record<string, tf.Tensor>).output;
    await expectAttention(output, spelled.inputs, spelled.attends, spelled.says, 'arrays');
  });

  it('gives what the cpu backend gives, with every option at once', async () => {
    const every: Partial<OptionCase> = {
      ...{lengths: true, segments: true, alibi: true, relative: 'heads', sinks: true, softcap: 1.2, dropout: 0.3},
      ...{layout: 'blhd', bias: [true, true, true, true], aux: true, implementation: 'auto', valueDim: 5, seed: 3},
    };
    for (const pattern of ['causal()', STRIDES]) {
      const given: OptionCase = {...BASE, ...every, pattern};
      const found = [];
      for (const name of ['webgpu', 'cpu']) {
        await tf.setBackend(name);
        const {output, logSumExp} = callCase(given, spell(given));
        found.push({output: await output.data(), logSumExp: await logSumExp!.data()});
      }
      await tf.setBackend('webgpu');
      const [gpu, cpu] = found as [(typeof found)[0], (typeof found)[0]];
      const differs = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
        Array.from(a).reduce((most, x, i) => Math.max(most, x === b[i] ? 0 : Math.abs(x - b[i]!)), 0);
      expect(gpu.output.some((x) => x !== 0)).toBeTrue();
      expect(differs(gpu.output, cpu.output)).withContext(pattern).toBeLessThan(2e-6);
      expect(differs(gpu.logSumExp, cpu.logSumExp)).withContext(pattern).toBeLessThan(4e-6);
    }
  });
});
