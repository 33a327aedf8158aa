import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgl';
import {slidingWindow, sparseAttention} from '../../src/index.js';
import {broadcastBias, expectAttention, randomInputs} from '../oracle.js';

// Node has no WebGL.
if (typeof document !== 'undefined')
  describe('sparseAttention on WebGL', () => {
    it('gives what the oracle gives, composed of tf ops', async () => {
      await tf.setBackend('webgl');
      const inputs = randomInputs({batch: 2, heads: 2, queryLength: 30, keyLength: 41, headDim: 8, valueDim: 5});
      const bias = Float32Array.from({length: 41}, (_, key) => (key % 7 === 0 ? -Infinity : key / 41));
      const output = sparseAttention(
        tf.tensor4d(inputs.query, [2, 2, 30, 8]),
        tf.tensor4d(inputs.key, [2, 2, 41, 8]),
        tf.tensor4d(inputs.value, [2, 2, 41, 5]),
        slidingWindow({left: 6, right: 1}),
        {bias},
      );
      const attends = (query: number, key: number): boolean => key >= query + 11 - 6 && key <= query + 11 + 1;
      await expectAttention(output, inputs, attends, {bias: broadcastBias(bias, [1, 1, 1, 41])});
    });
  });
