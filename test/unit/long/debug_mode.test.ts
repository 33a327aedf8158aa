import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import {specifyDebugMode} from '../../support/debug_mode.js';

for (const backend of ['cpu', 'wasm'])
  describe(`debug mode of TensorFlow.js on the ${backend} backend`, () => {
    beforeAll(() => tf.setBackend(backend));
    specifyDebugMode();
  });
