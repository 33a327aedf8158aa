import * as tf from '@tensorflow/tfjs-core';
import {byteModelConfig} from '../../demo/language_model/config.js';
import {features, logits, PROJECTIONS} from '../../demo/language_model/network.js';
import {untrainedModel} from '../../demo/language_model/untrained.js';
import {parsePattern, sparseAttention} from '../../src/index.js';

/** The language model of the demo, untrained: its logits for so many bytes, and inputs by round. */
export function alibiModel(length: number) {
  const {config, weights} = untrainedModel(byteModelConfig('sparse'), 'sparse');
  const {heads, width} = config;
  const slopes = config.layers.map(({alibiSlopes}) => [...alibiSlopes]);
  const patterns = config.layers.map(({pattern}) => parsePattern(pattern));
  const split = (x: tf.Tensor): tf.Tensor4D =>
    tf.transpose(tf.reshape(x, [1, length, heads, width / heads]), [0, 2, 1, 3]) as tf.Tensor4D;
  const run = ({bytes}: {bytes: tf.Tensor}): tf.Tensor =>
    logits(
      weights,
      features(weights, config, bytes as tf.Tensor1D, (layer, projected) => {
        const [query, key, value] = tf.split(projected, PROJECTIONS.length, 1) as [tf.Tensor, tf.Tensor, tf.Tensor];
        const output = sparseAttention(split(query), split(key), split(value), patterns[layer]!, {alibiSlopes: slopes[layer]!});
        return tf.reshape(tf.transpose(output, [0, 2, 1, 3]), [length, width]);
      }),
    );
  const inputs = (round: number) => ({
    bytes: tf.tensor1d(
      Int32Array.from({length}, (_, i) => (i * 31 + round * 7) % 256),
      'int32',
    ),
  });
  return {run, inputs};
}
