// Two terms more, in files of their own and a line in each list: nothing else of src knows of them.
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {causal, sparseAttentionWithAux, type SparseAttentionOptions} from '../../../src/index.js';
import {CALL_TERMS} from '../../../src/runtime/terms/terms.js';
import {SCORE_TERMS} from '../../../src/wgsl/terms/terms.js';
import {expectAttentionWithAux, expectWithin, mulberry32, randomInputs, type OracleOptions} from '../../oracle.js';
import {gradientTolerance, oracleGradients} from '../../oracle_gradients.js';
import {kerpleCall, type KerpleOptions} from './kerple_call.js';
import {kerple} from './kerple_scores.js';
import {temperature, temperatureCall, type TemperatureOptions} from './temperature.js';

/** Puts the terms into the lists for the specs of this block. */
export function withExtraTerms(): void {
  beforeAll(() => {
    // Before the softcap, and after everything.
    SCORE_TERMS.unshift(temperature);
    SCORE_TERMS.push(kerple);
    CALL_TERMS.unshift(temperatureCall);
    CALL_TERMS.push(kerpleCall);
  });
  afterAll(() => {
    SCORE_TERMS.splice(SCORE_TERMS.indexOf(temperature), 1);
    SCORE_TERMS.splice(SCORE_TERMS.indexOf(kerple), 1);
    CALL_TERMS.splice(CALL_TERMS.indexOf(temperatureCall), 1);
    CALL_TERMS.splice(CALL_TERMS.indexOf(kerpleCall), 1);
  });
}

const SIZES = {batch: 2, heads: 4, keyHeads: 2, queryLength: 33, keyLength: 50, headDim: 8, valueDim: 8};
const RATES = [0.5, 0, 2, -0.25];
const TEMPERATURES = [1, 0.5, 3, -2];

type Options = SparseAttentionOptions & KerpleOptions & TemperatureOptions;

/** Output, log-sum-exp and gradients of a call with the terms and everything they meet, against the oracle. */
export async function expectExtraTerms(implementation: 'auto' | 'fused' | 'dense', withOthers: boolean): Promise<void> {
  const {heads, queryLength, keyLength, headDim} = SIZES;
  const queryOffset = keyLength - queryLength;
  const inputs = randomInputs(SIZES, 5);
  const attends = (q: number, k: number): boolean => k <= q + queryOffset;
  const random = mulberry32(9);
  const biases = Float32Array.from({length: keyLength}, () => 2 * random() - 1);
  const sinks = [0.25, -1, 0, 1];
  // A temperature is one of all features of a query.
  const byHead = queryLength * headDim;
  const factorAt = (i: number): number => TEMPERATURES[Math.floor(i / byHead) % heads]!;
  const heated = {...inputs, query: inputs.query.map((x, i) => x * factorAt(i))};
  const decay = (h: number, q: number, k: number): number => -RATES[h]! * Math.log(1 + Math.abs(q + queryOffset - k));
  const spelled: OracleOptions = {
    bias: (_b, h, q, k) => decay(h, q, k) + (withOthers ? biases[k]! : 0),
    ...(withOthers && {softcap: 2, sinks}),
  };
  const dOutput = Float32Array.from({length: inputs.query.length}, () => 2 * random() - 1);
  const {query, key, value} = inputs;
  const tensors = [
    tf.tensor4d(query, [2, 4, 33, 8]),
    tf.tensor4d(key, [2, 2, 50, 8]),
    tf.tensor4d(value, [2, 2, 50, 8]),
    tf.tensor1d(RATES),
  ] as const;
  const optionsOf = (decayRates: tf.Tensor): Options => ({
    ...{implementation, decayRates, temperatures: tf.tensor1d(TEMPERATURES)},
    ...(withOthers && {softcap: 2, sinks: tf.tensor1d(sinks), bias: tf.tensor1d(biases)}),
  });

  const found = sparseAttentionWithAux(tensors[0], tensors[1], tensors[2], causal(), optionsOf(tensors[3]));
  const [output, logSumExp] = await Promise.all([found.output.data(), found.logSumExp.data()]);
  await expectAttentionWithAux({output, logSumExp}, heated, attends, spelled);

  const expected = oracleGradients(heated, attends, spelled, dOutput);
  const limits = await gradientTolerance(heated, attends, spelled, dOutput, undefined, expected);
  const loss = (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, rates: tf.Tensor): tf.Scalar =>
    tf.sum(tf.mul(sparseAttentionWithAux(q, k, v, causal(), optionsOf(rates)).output, tf.tensor(dOutput, [2, 4, 33, 8])));
  const [dQuery, dKey, dValue, dRates] = tf.grads(loss as never)([...tensors]) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  const hottest = Math.max(...TEMPERATURES.map(Math.abs));
  const ofQuery = expected.query.map((x, i) => x * factorAt(i));
  expectWithin(await dQuery.data(), ofQuery, hottest * limits.query, 'gradient of query');
  expectWithin(await dKey.data(), expected.key, limits.key, 'gradient of key');
  expectWithin(await dValue.data(), expected.value, limits.value, 'gradient of value');
  const ofRates = (scores: ArrayLike<number>): Float64Array => {
    const sums = new Float64Array(heads);
    for (let i = 0; i < scores.length; i++) {
      const [k, q] = [i % keyLength, Math.floor(i / keyLength) % queryLength];
      sums[Math.floor(i / keyLength / queryLength) % heads]! += scores[i]! * -Math.log(1 + Math.abs(q + queryOffset - k));
    }
    return sums;
  };
  expectWithin(await dRates.data(), ofRates(expected.scores), limits.sums(ofRates), 'gradient of decayRates');
}
