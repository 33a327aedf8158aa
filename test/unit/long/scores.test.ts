import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import {attentionWeights, sparseAttention, spmm} from '../../../src/index.js';
import {CORPUS} from '../../corpus.js';
import {expectWithin, randomInputs} from '../../oracle.js';
import {specifyScores} from '../../support/score_cases.js';

for (const backend of ['cpu', 'wasm'])
  describe(`packed scores on the ${backend} backend:`, () => {
    beforeAll(() => tf.setBackend(backend));
    specifyScores(2e-6, 60);
  });

describe('weights times values are attention', () => {
  beforeAll(() => tf.setBackend('wasm'));
  for (const {name, pattern, shape, headDim, valueDim, heads, batch} of CORPUS)
    it(`of ${name}`, async () => {
      tf.engine().startScope();
      const {queryLength, keyLength = queryLength, queryOffset} = shape;
      const inputs = randomInputs({batch, heads, queryLength, keyLength, headDim, valueDim});
      const query = tf.tensor4d(inputs.query, [batch, heads, queryLength, headDim]);
      const key = tf.tensor4d(inputs.key, [batch, heads, keyLength, headDim]);
      const value = tf.tensor4d(inputs.value, [batch, heads, keyLength, valueDim]);
      const output = spmm(attentionWeights(query, key, pattern, {queryOffset}), value);
      const expected = sparseAttention(query, key, value, pattern, {queryOffset});
      expectWithin(await output.data(), await expected.data(), 2e-6, name);
      tf.engine().endScope();
    });
});
