import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Layout} from '../../pure.js';
import {sizesOf} from './arguments.js';
import {perHead, select, type DenseInputs} from '../tf_ops/dense.js';

/** What a call gives that has no sequence, query, key, head or value feature: zeros, and the sinks alone as log-sum-exp. */
export function emptyAttention({query, value, sinks}: DenseInputs, layout: Layout): {output: Tensor; logSumExp: Tensor} {
  const [batch, heads, queryLength] = sizesOf(query.shape, layout);
  return tf.tidy(() => {
    const alone = perHead(sinks ?? tf.fill([heads], -Infinity));
    return {
      output: tf.zeros([...query.shape.slice(0, -1), value.shape.at(-1)!]),
      logSumExp: tf.tile(tf.reshape(alone, [1, heads, 1]), [batch, 1, queryLength]),
    };
  });
}

/** Zeros for all tensors of floats, but for the sinks whatever comes back for the log-sum-exp. */
export function emptyGradients(inputs: DenseInputs, dLogSumExp?: Tensor): Partial<Record<keyof DenseInputs, Tensor>> {
  return tf.tidy(() => {
    const floats = Object.entries(inputs as unknown as Record<string, Tensor>).filter(([, {dtype}]) => dtype === 'float32');
    const gradients: Record<string, Tensor> = Object.fromEntries(floats.map(([role, tensor]) => [role, tf.zeros(tensor.shape)]));
    const {sinks} = inputs;
    if (sinks !== undefined && dLogSumExp !== undefined && dLogSumExp.size > 0)
      gradients['sinks'] = select(tf.isFinite(sinks), tf.sum(dLogSumExp, [0, 2]), 0);
    return gradients;
  });
}
