import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import {specifySecondDerivatives} from '../../support/second_derivatives.js';

for (const backend of ['cpu', 'wasm'])
  describe(`second derivatives on the ${backend} backend`, () => {
    beforeAll(() => tf.setBackend(backend));
    specifySecondDerivatives();
  });
