import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {floats} from '../given/arguments.js';
import type {NumberArray} from '../given/number_array.js';
import {byHead, select} from './part.js';
import {shapedPerHead} from './shaped.js';
import type {CallTerm} from './term.js';

export interface SinkOptions {
  /** float32 [heads]: logits that join the sum of the softmax and carry no value. */
  readonly sinks?: Tensor | NumberArray | null | undefined;
}

export const sinksCall: CallTerm<SinkOptions> = {
  name: 'sinks',
  options: {sinks: true},
  roles: ['sinks'],
  check: ({sinks}, {problem: {heads}}) =>
    sinks === undefined ? {} : {tensors: {sinks: shapedPerHead('sinks', floats('sinks', sinks), heads)}},
  example: ({heads}) => ({tensors: {sinks: tf.zeros([heads])}}),
  cached: {},
  ops: {
    seen: ({inputs}) => byHead(inputs.sinks!),
    // Where there are no keys, a sink of −∞ is none at all.
    gradients({inputs: {sinks}, dSeen, dScores}) {
      const sum = tf.sum<tf.Tensor1D>(dSeen!, [0, 2, 3]);
      return {sinks: dScores === null ? select(tf.isFinite(sinks!), sum, 0) : sum};
    },
    interval: ({sinks}) => ({axis: 0, begin: 0, end: sinks!.shape[0]}),
  },
  gradients: {sinks: (call) => tf.sum(call.dSeen(), [0, 2])},
};
