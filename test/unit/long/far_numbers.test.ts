import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import {expectFar, expectFarGradients, FAR_CASES} from '../../support/far_cases.js';
import {expectFarCaches, expectFarMerges} from '../../support/far_parts.js';

for (const backend of ['cpu', 'wasm'])
  describe(`numbers near the ends of float32, on the ${backend} backend`, () => {
    beforeAll(() => tf.setBackend(backend));
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

    it('come out of a cache as out of a call', () => expectFarCaches({}));

    it('are merged: outputs, log-sum-exps and their gradients', () => expectFarMerges());
  });
