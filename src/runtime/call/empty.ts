import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D} from '@tensorflow/tfjs-core';
import {sizesOf} from '../given/arguments.js';
import type {DenseInputs, DenseOptions, HeadedInputs} from '../terms/part.js';
import {seenOf, termsBrought} from '../terms/terms.js';

type Options = Omit<DenseOptions, 'lines'>;

/** Terms read no query, key or value of a call without any. */
const callOf = (inputs: DenseInputs, options: Options): {inputs: HeadedInputs; options: DenseOptions} => ({
  inputs: inputs as HeadedInputs,
  options: {...options, lines: null},
});

/** What a call gives that has no sequence, query, key, head or value feature: zeros, and as log-sum-exp what rows have seen before their keys. */
export function emptyAttention(inputs: DenseInputs, options: Options): {output: Tensor; logSumExp: Tensor} {
  const {query, value} = inputs;
  const [batch, heads, queryLength] = sizesOf(query.shape, options.layout);
  return tf.tidy(() => {
    const none = tf.fill([batch, heads, queryLength, 1], -Infinity);
    const seen = seenOf(callOf(inputs, options));
    return {
      output: tf.zeros([...query.shape.slice(0, -1), value.shape.at(-1)!]),
      logSumExp: tf.reshape(seen === null ? none : tf.add(tf.zeros(none.shape), seen), [batch, heads, queryLength]),
    };
  });
}

/** Zeros for all tensors of floats, but for what rows have seen before their keys whatever comes back for the log-sum-exp. */
export function emptyGradients(
  inputs: DenseInputs,
  options: Options,
  dLogSumExp?: Tensor,
): Partial<Record<keyof DenseInputs, Tensor>> {
  return tf.tidy(() => {
    const floats = Object.entries(inputs as unknown as Record<string, Tensor>).filter(([, {dtype}]) => dtype === 'float32');
    const gradients = Object.fromEntries(floats.map(([role, tensor]) => [role, tf.zeros(tensor.shape)]));
    if (dLogSumExp === undefined || dLogSumExp.size === 0) return gradients;
    const call = callOf(inputs, options);
    const chunk = {rowBegin: 0, rowEnd: (dLogSumExp as Tensor3D).shape[2], keyBegin: 0, keyEnd: 0};
    const back = {...call, chunk, unit: 1, dScores: null, rowSums: null, dSeen: tf.expandDims(dLogSumExp, 3)};
    return Object.assign(
      gradients,
      ...termsBrought(call.inputs, options).map(({ops}) => ops.gradients?.(back)),
    ) as typeof gradients;
  });
}
