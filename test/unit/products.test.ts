import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import fc from 'fast-check';
import {anyProduct, expectProduct} from '../support/product_cases.js';

for (const backend of ['cpu', 'wasm'])
  describe(`products of blocks on the ${backend} backend:`, () => {
    beforeAll(() => tf.setBackend(backend));

    it('are those of the oracle, with their gradients', () =>
      fc.assert(
        fc.asyncProperty(anyProduct(60), (given) => expectProduct(given, 4e-6)),
        {numRuns: 40},
      ));
  });
