import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgl';
import {full, slidingWindow, sparseAttention} from '../../src/index.js';
import {denseAttention} from '../../src/runtime/tf_ops/dense.js';
import {broadcastBias, expectAttention, expectAttentionWithAux, randomInputs} from '../oracle.js';
import {specifyDebugMode} from '../support/debug_mode.js';
import {BESIDE_LENGTHS, PLAIN, spell, spoilPadding} from '../support/dense_cases.js';
import {specifyEmptyCalls} from '../support/empty_calls.js';
import {expectGradients} from '../support/gradient_cases.js';
import {specifyLines} from '../support/line_cases.js';
import {specifyOps} from '../support/op_cases.js';
import {BASE, expectCase, type OptionCase} from '../support/option_cases.js';
import {specifyProducts} from '../support/product_cases.js';
import {specifySecondDerivatives} from '../support/second_derivatives.js';
import {WIDE} from '../support/wide_cases.js';

// Node has no WebGL.
if (typeof document !== 'undefined')
  describe('sparseAttention on WebGL', () => {
    beforeEach(() => tf.setBackend('webgl'));

    it('gives what the oracle gives, composed of tf ops', async () => {
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

    it('gives the gradients of the oracle, with all options', async () => {
      const given: OptionCase = {...BASE, queryLength: 9, keyLength: 12, queryOffset: 3, implementation: 'auto'};
      await expectGradients({...given, sinks: true, softcap: 1.5, alibi: true, relative: 'heads', dropout: 0.2, aux: true});
    });

    it('gives what the oracle gives for scores far below zero, with an odd number of keys', async () => {
      const inputs = randomInputs({batch: 1, heads: 2, queryLength: 5, keyLength: 17, headDim: 4, valueDim: 3});
      const [query, key, value] = (['query', 'key', 'value'] as const).map((name) => {
        const [length, dim] = [name === 'query' ? 5 : 17, name === 'value' ? 3 : 4];
        return tf.tensor4d(inputs[name], [1, 2, length, dim]);
      }) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
      const output = sparseAttention(query, key, value, full(), {bias: [-500]});
      await expectAttention(output, inputs, () => true, {bias: () => -500});
    });

    for (const [name, changes] of BESIDE_LENGTHS)
      it(`takes padding behind lengths that holds anything, beside ${name}`, async () => {
        const given: OptionCase = {...BASE, ...PLAIN, implementation: 'auto', lengths: true, seed: 3, ...changes};
        for (const bad of [NaN, Infinity]) {
          const spelled = spell(given);
          const {tensors} = spoilPadding(spelled, bad);
          const {output, logSumExp} = denseAttention(tensors, spelled.options);
          await expectAttentionWithAux(
            {output: spelled.plain(output), logSumExp},
            spelled.inputs,
            spelled.attends,
            spelled.says,
            `${bad}`,
          );
          // The op takes a pattern or a mask.
          if (given.mask === null || given.pattern === null) await expectGradients(given, `${name}, ${bad}`, bad);
        }
      });

    for (const [name, given] of WIDE.slice(0, 4))
      it(`takes wide features: ${name}`, async () => {
        await expectCase(given, name);
        await expectGradients(given, name);
      });

    describe('and second derivatives', specifySecondDerivatives);
    describe('in debug mode', specifyDebugMode);
    describe('and calls of nothing', specifyEmptyCalls);
    describe('and patterns for each head and sequence', specifyLines);
  });

if (typeof document !== 'undefined')
  describe('norms and activations on WebGL:', () => {
    beforeEach(() => tf.setBackend('webgl'));
    specifyOps(2e-5, 20);
  });

if (typeof document !== 'undefined')
  describe('products of blocks on WebGL:', () => {
    beforeEach(() => tf.setBackend('webgl'));
    specifyProducts(40, 6);
  });
