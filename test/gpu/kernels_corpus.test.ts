import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {causal, globalTokens, slidingWindow, sparseAttention} from '../../src/index.js';
import {CORPUS, problemOfCase} from '../corpus.js';
import {expectAttention, mulberry32, randomInputs} from '../oracle.js';
import {arbitraryCase} from '../support/arbitraries.js';
import {expectRight, tensorsOf} from '../support/attend.js';
import {problemFor} from '../support/plans.js';

describe('attention on WebGPU is what the oracle says', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  for (const each of CORPUS) {
    it(`for ${each.name}, fused and dense`, async () => {
      const problem = problemOfCase(each);
      for (const implementation of ['fused', 'dense'] as const) {
        await expectRight({pattern: each.pattern, problem, options: {implementation}, what: `${each.name} ${implementation}`});
      }
    });
  }

  it('for random patterns, sizes and biases', async () => {
    const seed = 20261120;
    await fc.assert(
      fc.asyncProperty(
        arbitraryCase({masks: true}),
        fc.constantFrom('fused', 'dense'),
        fc.option(fc.nat(15)),
        async ({pattern, shape}, implementation, broadcast) => {
          const problem = problemFor(shape, {batch: 2, heads: 2});
          const inputs = randomInputs(problem, seed);
          const {queryLength, keyLength, queryOffset} = problem;
          // Bit i of `broadcast`: dimension i of the bias is 1.
          const full = [2, 2, queryLength, keyLength] as const;
          const dims = full.map((size, i) => (broadcast !== null && (broadcast >> i) & 1 ? 1 : size)) as [
            number,
            number,
            number,
            number,
          ];
          const random = mulberry32(seed);
          const data = Float32Array.from({length: dims.reduce((a, b) => a * b)}, () => 3 * random());
          const at = (indices: readonly number[]): number =>
            data[indices.reduce((sum, index, i) => sum * dims[i]! + (dims[i] === 1 ? 0 : index), 0)]!;
          const bias = broadcast === null ? undefined : tf.tensor4d(data, dims);
          const output = sparseAttention(...tensorsOf(inputs), pattern, {
            queryOffset,
            implementation,
            ...(bias && {bias}),
          } as object);
          await expectAttention(
            output,
            inputs,
            (query, key) => pattern.attends(query, key, shape),
            bias ? {bias: (...indices) => at(indices)} : {},
            `${pattern} ${JSON.stringify(shape)} bias ${bias ? dims.join() : 'none'} (seed ${seed})`,
          );
        },
      ),
      {numRuns: 15, seed},
    );
  });

  it('and the same fused as dense, but for rounding', async () => {
    const problem = problemFor({queryLength: 100, keyLength: 100, queryOffset: 0}, {heads: 2});
    const three = tensorsOf(randomInputs(problem));
    for (const pattern of [causal(), slidingWindow({left: 9, right: 9}).or(globalTokens(2))]) {
      const [fused, dense] = (['fused', 'dense'] as const).map((implementation) =>
        sparseAttention(...three, pattern, {implementation}),
      );
      const [difference] = await tf.max(tf.abs(tf.sub(fused!, dense!))).data();
      expect(difference)
        .withContext(pattern.toString())
        .toBeLessThanOrEqual(2 ** -20);
    }
  });
});
