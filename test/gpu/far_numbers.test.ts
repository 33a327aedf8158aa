import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {expectFar, expectFarGradients, FAR_CASES} from '../support/far_cases.js';

describe('on WebGPU, numbers near the ends of float32', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  for (const [name, cases] of Object.entries(FAR_CASES)) {
    it(`give what float64 gives: ${name}`, async () => {
      for (const given of cases) await expectFar(given);
    });

    it(`give the gradients of float64: ${name}`, async () => {
      for (const given of cases) await expectFarGradients(given);
    });
  }
});
