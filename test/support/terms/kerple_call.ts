import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor1D} from '@tensorflow/tfjs-core';
import {floats} from '../../../src/runtime/given/arguments.js';
import type {NumberArray} from '../../../src/runtime/given/number_array.js';
import {inUnits, byHead, type Chunk} from '../../../src/runtime/terms/part.js';
import {shapedPerHead} from '../../../src/runtime/terms/shaped.js';
import type {CallTerm} from '../../../src/runtime/terms/term.js';

export interface KerpleOptions {
  /** float32 [heads] */
  readonly decayRates?: Tensor | NumberArray | null | undefined;
}

/** −log(1 + |position − key|) of the pairs of a chunk, [rows, keys]. */
function decays(queryOffset: number, {rowBegin, rowEnd, keyBegin, keyEnd}: Chunk): Tensor {
  const positions = tf.reshape(tf.range(rowBegin + queryOffset, rowEnd + queryOffset), [-1, 1]);
  return tf.neg(tf.log(tf.add(1, tf.abs(tf.sub(positions, tf.range(keyBegin, keyEnd))))));
}

export const kerpleCall: CallTerm<KerpleOptions> = {
  name: 'kerple',
  options: {decayRates: true},
  roles: ['decayRates'],
  check: ({decayRates}, {problem: {heads}}) =>
    decayRates === undefined ? {} : {tensors: {decayRates: shapedPerHead('decayRates', floats('decayRates', decayRates), heads)}},
  example: ({heads}) => ({tensors: {decayRates: tf.zeros([heads])}}),
  ops: {
    adds: (part) => tf.mul(inUnits(byHead(part.inputs.decayRates!), part), decays(part.options.queryOffset, part.chunk)),
    gradients: ({options: {queryOffset}, chunk, dScores}) =>
      dScores === null ? {} : {decayRates: tf.sum<Tensor1D>(tf.mul(dScores, decays(queryOffset, chunk)), [0, 2, 3])},
    interval: ({decayRates}) => ({axis: 0, begin: 0, end: decayRates!.shape[0]}),
  },
  gradients: {
    decayRates: (call, {shape}) => {
      const {queryLength, keyLength, queryOffset} = call.problem;
      const whole = {rowBegin: 0, rowEnd: queryLength, keyBegin: 0, keyEnd: keyLength};
      return tf.sum(tf.mul(call.scores([1, shape[0]!, queryLength, keyLength]), decays(queryOffset, whole)), [0, 2, 3]);
    },
  },
};
