import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {blockLocal, slidingWindow, sparseAttention, strided} from '../../../src/index.js';
import {expectFar, expectFarGradients, FAR_CASES} from '../../support/far_cases.js';

describe('on WebGPU, numbers near the ends of float32', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('give what float64 gives on both kernels: huge values', async () => {
    for (const given of FAR_CASES['huge values']!) {
      if (given.pattern !== undefined) await expectFar(given, {implementation: 'fused'});
      await expectFar(given, {implementation: 'dense'});
    }
  });

  it('leave what is no number in its feature', async () => {
    const [query, key] = [1, 2].map((seed) => tf.randomNormal([1, 1, 40, 4], 0, 1, 'float32', seed)) as [tf.Tensor4D, tf.Tensor4D];
    for (const [bad, pattern] of [
      [NaN, slidingWindow({left: 3})],
      [Infinity, slidingWindow({left: 3})],
      [NaN, strided({stride: 4}).or(blockLocal({size: 8}))],
    ] as const) {
      const values = Float32Array.from({length: 160}, (_, i) => (i === 4 * 20 + 1 ? bad : 2));
      const options = {implementation: 'fused'} as const;
      const output = await sparseAttention(query, key, tf.tensor4d(values, [1, 1, 40, 4]), pattern, options).data();
      for (let q = 0; q < 40; q++) {
        const sees = pattern.attends(q, 20, {queryLength: 40, keyLength: 40});
        for (let d = 0; d < 4; d++) {
          const found = output[4 * q + d]!;
          if (sees && d === 1) expect(Number.isFinite(found)).withContext(`row ${q}, feature ${d}, ${bad}`).toBeFalse();
          else if (d !== 1) expect(found).withContext(`row ${q}, feature ${d}, ${bad}`).toBeCloseTo(2, 5);
        }
      }
    }
  });

  for (const [name, cases] of Object.entries(FAR_CASES)) {
    it(`give what float64 gives: ${name}`, async () => {
      for (const given of cases) await expectFar(given);
    });

    it(`give the gradients of float64: ${name}`, async () => {
      for (const given of cases) await expectFarGradients(given);
    });
  }
});
