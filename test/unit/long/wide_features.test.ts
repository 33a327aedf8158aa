import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import {causal, planAttention, prepare, slidingWindow, sparseAttention} from '../../../src/index.js';
import {MultiHeadAttention} from '../../../src/layers/index.js';
import {compress, CORE_DEVICE, fromMask, oneLine, formatsOf} from '../../../src/pure.js';
import {checkPlan} from '../../../src/plan/index.js';
import {chunksOf, denseAttention, toHeads} from '../../../src/runtime/tf_ops/dense.js';
import {denseGradients} from '../../../src/runtime/tf_ops/dense_gradients.js';
import {SplatError} from '../../../src/support/index.js';
import {mulberry32} from '../../oracle.js';
import {expectGradients} from '../../support/gradient_cases.js';
import {expectCase} from '../../support/option_cases.js';
import {WIDE} from '../../support/wide_cases.js';

for (const backend of ['cpu', 'wasm'])
  describe(`features past 256 on the ${backend} backend`, () => {
    beforeAll(() => tf.setBackend(backend));

    for (const [name, given] of WIDE)
      it(`give outputs and gradients of the oracle: ${name}`, async () => {
        await expectCase(given, name);
        await expectGradients(given, name);
      });

    it('suit layers, and can be prepared for', async () => {
      const layer = new MultiHeadAttention({numHeads: 2, keyDim: 300, valueDim: 260});
      expect((layer.apply(tf.ones([1, 3, 4])) as tf.Tensor).shape).toEqual([1, 3, 4]);
      await prepare(causal(), {queryLength: 4, keyLength: 4, headDim: 512});
    });

    it('let a backend tidy up after each chunk', () => {
      const x = tf.ones([1, 1, 400, 3]);
      const options = {
        lines: oneLine(compress(slidingWindow({left: 9}), {queryLength: 400, keyLength: 400, queryOffset: 0})),
        scale: 1,
      };
      const [inputs, more] = [
        {query: x, key: x, value: x},
        {queryOffset: 0, layout: 'bhld' as const},
      ];
      const chunks = chunksOf(toHeads(inputs, 'bhld'), options.lines).length;
      expect(chunks).toBeGreaterThan(3);
      let calls = 0;
      const {output} = denseAttention(inputs, {...options, ...more}, () => calls++);
      expect(calls).toBe(chunks);
      denseGradients(inputs, {...options, ...more}, {output, dOutput: x}, () => calls++);
      expect(calls).toBe(2 * chunks);
    });

    it('take few rows at a time beside a relative bias, which is spread over rows · rows numbers', () => {
      const inputs = {query: tf.zeros([1, 1, 9000, 1]), key: tf.zeros([1, 1, 2, 1]), value: tf.zeros([1, 1, 2, 1])};
      const relativeBias = tf.zeros<tf.Rank.R2>([1, 9001]);
      expect(chunksOf(toHeads(inputs, 'bhld'), null).length).toBe(1);
      expect(chunksOf(toHeads({...inputs, relativeBias}, 'bhld'), null).map(({rowBegin}) => rowBegin)).toEqual([
        0, 2048, 4096, 6144, 8192,
      ]);
    });

    it('are told to have no fused kernel', () => {
      const x = tf.zeros([1, 1, 4, 300]);
      expect(() => sparseAttention(x, x, x, causal(), {implementation: 'fused'})).toThrowError(SplatError, /a WebGPU backend/);
      expect(() => sparseAttention(tf.zeros([1, 1, 4, 0]), tf.zeros([1, 1, 4, 0]), x, causal())).toThrowError(
        SplatError,
        /headDim of query: found 0, expected at least 1/,
      );
    });
  });

describe('a plan for features past 256', () => {
  const shape = {queryLength: 96, keyLength: 96, headDim: 512, heads: 8};

  it('says that TensorFlow.js ops compute it, and which pairs', () => {
    const pattern = slidingWindow({left: 9}).or(causal().and(slidingWindow({left: 90, dilation: 9})));
    const plan = planAttention(pattern, {...shape, valueDim: 64});
    expect([plan.implementation, plan.formats, plan.matrix]).toEqual(['dense', formatsOf('float32'), null]);
    expect(plan.reason).toMatch(/^headDim 512: our kernels take up to 256 features, so TensorFlow\.js ops compute/);
    expect(planAttention(pattern, {...shape, headDim: 8, valueDim: 257}).reason).toMatch(/^valueDim 257: /);
    checkPlan(plan);
    const mask = plan.toDense();
    const expected = Uint8Array.from({length: 96 * 96}, (_, i) =>
      Number(pattern.attends(Math.floor(i / 96), i % 96, {...shape, queryOffset: 0})),
    );
    expect(mask).toEqual(expected);
    expect(plan.density).toBe(expected.reduce((a, b) => a + b) / 96 ** 2);
    expect(plan.toString()).toContain('chunks of up to 4194304 pairs');
    expect(plan.toString()).toContain('▒');
    expect(plan.explain()).not.toContain('@compute');
  });

  it('is the same on any device, and takes patterns of bits', () => {
    const random = mulberry32(3);
    const mask = Array.from({length: 300 * 300}, () => random() < 0.5);
    const pattern = fromMask(mask, {queryLength: 300, keyLength: 300});
    const tensorCores = {...CORE_DEVICE, float16: true, vendor: 'nvidia', maxWorkgroupBytes: 49152};
    const plan = planAttention(pattern, {...shape, queryLength: 300, keyLength: 300, device: tensorCores, precision: 'float16'});
    expect(plan.reason).toContain('headDim 512');
    expect(Array.from(plan.toDense(), Boolean)).toEqual(mask);
    expect(plan.toString()).toContain('rounded to float16');
    expect(plan.explain()).toContain('SparseAttention.round');
  });

  it('is bounded in memory however long the call', () => {
    const plan = planAttention(slidingWindow({left: 63}), {queryLength: 65536, keyLength: 65536, headDim: 1024, heads: 8});
    expect(plan.bytes).toBeLessThan(2 ** 28);
  });

  it('refuses the fused kernel and names the cure', () => {
    for (const changes of [{}, {headDim: 16, valueDim: 300}])
      expect(() => planAttention(causal(), {...shape, ...changes, implementation: 'fused'})).toThrowError(
        SplatError,
        /implementation 'fused': found (headDim 512|valueDim 300), expected headDim and valueDim of at most 256.*'auto'/s,
      );
  });
});
