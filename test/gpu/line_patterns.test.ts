import * as tf from '@tensorflow/tfjs-core';
import {
  causal,
  full,
  KvCache,
  perBatch,
  perHead,
  planAttention,
  prepare,
  slidingWindow,
  sparseAttention,
  tune,
} from '../../src/index.js';
import {expectAttention, randomInputs} from '../oracle.js';
import {refusal} from '../support/errors.js';

describe('patterns for each head and sequence on WebGPU', () => {
  beforeEach(() => tf.setBackend('webgpu'));

  const lists = perHead([causal(), slidingWindow({left: 2})]);
  const sizes = {queryLength: 8, keyLength: 8, headDim: 4, heads: 2};

  it('are refused before any GPU work where they differ', async () => {
    const x = tf.ones([2, 2, 8, 4]);
    const before = tf.memory();
    const cure = 'Attend in a call for each pattern';
    expect(refusal(() => sparseAttention(x, x, x, lists)).cure).toContain(cure);
    expect(refusal(() => sparseAttention(x, x, x, perBatch([causal(), full()]))).cure).toContain(cure);
    expect(refusal(() => tf.grad((query: tf.Tensor) => sparseAttention(query, x, x, lists))(x)).cure).toContain(cure);
    await expectAsync(prepare(lists, sizes)).toBeRejectedWithError(/2 patterns for different heads/);
    await expectAsync(tune(lists, sizes)).toBeRejectedWithError(/2 patterns for different heads/);
    expect(refusal(() => planAttention(lists, sizes)).found).toBe('2 patterns for different heads');
    expect(tf.memory().numTensors).toBe(before.numTensors);
    const cache = new KvCache(lists, {batch: 2, keyHeads: 2, headDim: 4, maxLength: 8});
    expect(refusal(() => cache.attend(x, x, x)).cure).toContain(cure);
    expect(cache.lengths).toEqual([0, 0]);
    cache.dispose();
  });

  it('run where all of them are one', async () => {
    const inputs = randomInputs({batch: 1, heads: 2, queryLength: 8, keyLength: 8, headDim: 4, valueDim: 4});
    const [query, key, value] = (['query', 'key', 'value'] as const).map((name) => tf.tensor4d(inputs[name], [1, 2, 8, 4]));
    const output = sparseAttention(query!, key!, value!, perHead([causal(), slidingWindow({left: Infinity})]));
    await expectAttention(output, inputs, (q, k) => k <= q);
  });
});
