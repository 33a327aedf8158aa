import * as tf from '@tensorflow/tfjs-core';
import type {ModelConfig} from './config.js';
import {PROJECTIONS} from './network.js';

/** [tokens, 3 · width] to query, key and value [1, heads, tokens, headDim]: all three change places at once, and are parted then. */
export function splitHeads(projected: tf.Tensor2D, {heads, width}: ModelConfig): [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D] {
  const tokens = projected.shape[0];
  const headDim = width / heads;
  const parts = PROJECTIONS.length;
  // One token lies in memory as its heads do.
  const split =
    tokens === 1
      ? tf.reshape(projected, [parts, heads, 1, headDim])
      : tf.transpose(tf.reshape(projected, [tokens, parts, heads, headDim]), [1, 2, 0, 3]);
  const [query, key, value] = tf.split<tf.Tensor4D>(split, parts);
  return [query!, key!, value!];
}

/** [1, heads, tokens, headDim] to [tokens, width]. */
export function mergeHeads(x: tf.Tensor4D): tf.Tensor2D {
  const [, heads, tokens, headDim] = x.shape;
  return tf.reshape(tokens === 1 ? x : tf.transpose(x, [0, 2, 1, 3]), [tokens, heads * headDim]);
}
