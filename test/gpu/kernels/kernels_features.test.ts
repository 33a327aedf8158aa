import * as tf from '@tensorflow/tfjs-core';
import {causal, globalTokens, slidingWindow, sparseAttention} from '../../../src/index.js';
import {expectAttention, randomInputs} from '../../oracle.js';
import {expectRight, tensorsOf} from '../../support/attend.js';
import {problemFor} from '../../support/plans.js';

/** Full and partial key tiles, in rows long enough that a GPU takes 64 × 64 tiles for values of up to 128 features. */
const pattern = slidingWindow({left: 180, right: 3}).or(globalTokens(2));
const shape = {queryLength: 70, keyLength: 300, queryOffset: 200};

describe('attention on WebGPU is right for heads of', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  // Each pair is a pipeline, and a software adapter takes seconds for one.
  for (const [headDim, valueDim] of [
    [1, 3],
    [3, 1],
    [32, 32],
    [64, 64],
    [80, 96],
    [96, 80],
    [128, 128],
    [256, 256],
  ] as const) {
    it(`${headDim} features and values of ${valueDim}`, async () => {
      await expectRight({pattern, problem: problemFor(shape, {headDim, valueDim}), options: {implementation: 'fused'}});
    });
  }

  it('16 features in any number of heads and batches', async () => {
    for (const [batch, heads] of [
      [1, 1],
      [3, 1],
      [1, 5],
      [2, 3],
    ] as const) {
      const problem = problemFor(shape, {batch, heads});
      await expectRight({pattern, problem, options: {implementation: 'fused'}, what: `${batch} × ${heads}`});
    }
  });

  it('16 features, given as tensors of rank 3', async () => {
    const inputs = randomInputs(problemFor(shape, {batch: 2}));
    const [query, key, value] = tensorsOf(inputs).map((tensor) => tf.squeeze(tensor, [1])) as [tf.Tensor, tf.Tensor, tf.Tensor];
    for (const implementation of ['fused', 'dense'] as const) {
      const output = sparseAttention(query, key, value, pattern, {implementation, queryOffset: shape.queryOffset});
      expect(output.shape).toEqual([2, 70, 16]);
      await expectAttention(output, inputs, (q, k) => pattern.attends(q, k, shape));
    }
  });

  it('16 features, with more queries than keys, fewer, and an offset', async () => {
    for (const [queryLength, keyLength, queryOffset] of [
      [100, 37, -63],
      [37, 100, 63],
      [1, 100, 99],
      [100, 1, -99],
      [50, 60, 3],
      [50, 60, -20],
      [50, 60, 45],
    ] as const) {
      for (const each of [pattern, causal()]) {
        const problem = problemFor({queryLength, keyLength, queryOffset});
        await expectRight({pattern: each, problem, options: {implementation: 'fused'}, what: `${each} ${JSON.stringify(problem)}`});
      }
    }
  });
});
