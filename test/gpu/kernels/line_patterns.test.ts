import * as tf from '@tensorflow/tfjs-core';
import {
  causal,
  full,
  perBatch,
  perHead,
  planAttention,
  prefix,
  prepare,
  slidingWindow,
  sparseAttention,
  tune,
} from '../../../src/index.js';
import {refusal} from '../../support/errors.js';
import {expectCausalRun, split} from '../../support/kv_cases.js';
import {specifyLines} from '../../support/line_cases.js';

describe('patterns for each head and sequence on WebGPU', () => {
  beforeEach(async () => {
    await tf.setBackend('webgpu');
    tf.engine().startScope();
  });
  afterEach(() => tf.engine().endScope());

  describe('outputs and gradients', specifyLines);

  it('are steps of a cache: of query heads with keys of their own, and of heads that share some', async () => {
    const pattern = perHead([
      causal(),
      slidingWindow({left: 3}),
      prefix(2)
        .or(slidingWindow({left: 1}))
        .and(causal()),
      causal(),
    ]);
    for (const keyHeads of [4, 2]) {
      const run = {length: 31, steps: split(31, 13, 3), cache: {maxLength: 40}, sizes: {keyHeads, heads: 4}};
      await expectCausalRun(pattern, run, `${keyHeads} heads of keys`);
    }
  });

  it('can be planned, prepared and tuned', async () => {
    const lists = perHead([causal(), slidingWindow({left: 2})]);
    const sizes = {queryLength: 40, keyLength: 40, headDim: 4, heads: 2};
    const plan = planAttention(lists, sizes);
    expect(plan.reason).toContain('2 patterns in 2 heads');
    expect(plan.toDense({head: 1})[3 * 40]).toBe(0);
    expect(plan.toDense({head: 0})[3 * 40]).toBe(1);
    await prepare(lists, sizes);
    await tune(lists, sizes);
  });

  it('are refused before any GPU work where a list is not as long as what it lists', () => {
    const x = tf.ones([2, 2, 8, 4]);
    const before = tf.memory().numTensors;
    expect(refusal(() => sparseAttention(x, x, x, perHead([causal(), full(), causal()]))).found).toBe('3 patterns');
    expect(refusal(() => sparseAttention(x, x, x, perBatch([causal()]))).found).toBe('1 patterns');
    expect(tf.memory().numTensors).toBe(before);
  });
});
