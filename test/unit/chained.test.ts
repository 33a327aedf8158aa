import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '../../src/chained.js';
import {causal, gelu, layerNorm, rmsNorm, silu, slidingWindow, sparseAttention, SplatError} from '../../src/index.js';

describe('query.sparseAttention', () => {
  const tensors = (rank: 3 | 4): tf.Tensor[] =>
    [1, 2, 3].map((seed) => tf.randomNormal(rank === 4 ? [2, 3, 9, 4] : [2, 9, 4], 0, 1, 'float32', seed));

  beforeAll(() => tf.setBackend('cpu'));

  for (const rank of [3, 4] as const) {
    it(`is the op with the tensor as its query, rank ${rank}`, async () => {
      const [query, key, value] = tensors(rank) as [tf.Tensor, tf.Tensor, tf.Tensor];
      const options = {scale: 0.3, queryOffset: 1};
      const pattern = slidingWindow({left: 2, right: 1});
      const chained = query.sparseAttention(key, value, pattern, options);
      expect(await chained.array()).toEqual(await sparseAttention(query, key, value, pattern, options).array());
      expect(await query.sparseAttention(key, value, causal()).array()).toEqual(
        await sparseAttention(query, key, value, causal()).array(),
      );
    });
  }

  it('keeps the rank of the query in its type', () => {
    const query = tf.zeros<tf.Rank.R4>([1, 1, 2, 2]);
    const output: tf.Tensor4D = query.sparseAttention(query, query, causal());
    expect(output.shape).toEqual([1, 1, 2, 2]);
  });

  it('is there for variables, takes arrays and mask tensors, and has a gradient', async () => {
    const query = tf.variable(tf.ones([1, 2, 2]));
    const rows = [
      [
        [1, 2],
        [3, 4],
      ],
    ];
    const mask = tf.tensor2d([1, 0, 0, 1], [2, 2], 'bool');
    expect(await query.sparseAttention(rows, rows, mask).array()).toEqual(rows);
    const gradient = tf.grad((x) => x.sparseAttention(rows, rows, causal()))(query);
    expect(await gradient.array()).toEqual(
      await tf
        .grad((x) => sparseAttention(x, rows, rows, causal()))(query)
        .array(),
    );
    expect(gradient.shape).toEqual([1, 2, 2]);
  });

  it('refuses as the op does', () => {
    const query = tf.ones([1, 2, 2]);
    expect(() => query.sparseAttention(query, query, 'causal' as never)).toThrowError(SplatError, /^pattern: found/);
    query.dispose();
    expect(() => query.sparseAttention(query, query, causal())).toThrowError(SplatError, /^query: found a disposed tensor/);
  });
});

describe('chained norms and activations', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it('are the ops with the tensor as x, of its type, also of variables', async () => {
    const x: tf.Tensor2D = tf.tensor2d([1, -2, 3, 0.5, 1, 2], [2, 3]);
    const [gamma, beta] = [tf.tensor1d([1, 2, 3]), tf.tensor1d([0, 1, -1])];
    const found: tf.Tensor2D[] = [x.layerNorm(gamma, beta, {epsilon: 0.1}), x.rmsNorm(gamma, {residual: x}), x.gelu(), x.silu()];
    const right = [layerNorm(x, gamma, beta, {epsilon: 0.1}), rmsNorm(x, gamma, {residual: x}), gelu(x), silu(x)];
    for (const [i, each] of found.entries()) expect(await each.array()).toEqual(await right[i]!.array());
    const variable = tf.variable(x);
    expect(await variable.gelu({approximate: true}).array()).toEqual(await gelu(x, {approximate: 'tanh'}).array());
    expect(() => x.rmsNorm(tf.slice(beta, 0, 2))).toThrowError(SplatError, /^gamma: found shape \[2\]/);
  });
});
