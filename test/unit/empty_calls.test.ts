import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import {specifyEmptyCalls} from '../support/empty_calls.js';

for (const backend of ['cpu', 'wasm'])
  describe(`calls of nothing on the ${backend} backend`, () => {
    beforeAll(() => tf.setBackend(backend));
    specifyEmptyCalls();
  });
