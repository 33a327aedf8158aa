import * as tf from '@tensorflow/tfjs-core';
import {patternsOf, VOCABULARY, type ModelConfig} from '../../demo/language_model/config.js';
import type {ByteModel} from '../../demo/language_model/load.js';
import {features, logits, PROJECTIONS, type Attend, type Weights} from '../../demo/language_model/network.js';
import {sparseAttention} from '../../src/index.js';

/** Attention over a whole text at once. */
function attendWhole(config: ModelConfig, tokens: number): Attend {
  const {heads, width, layers} = config;
  const patterns = patternsOf(config);
  return (layer, projected) => {
    const split = tf.reshape(projected, [1, tokens, PROJECTIONS.length * heads, width / heads]);
    const [query, key, value] = tf.split<tf.Tensor4D>(split, PROJECTIONS.length, 2);
    const options = {layout: 'blhd', alibiSlopes: tf.tensor1d([...layers[layer]!.alibiSlopes])} as const;
    return tf.reshape(sparseAttention(query!, key!, value!, patterns[layer]!, options), [tokens, width]);
  };
}

/** The logits after each byte, from attention over the whole text at once. */
export function wholeText({config, weights}: Pick<ByteModel, 'config' | 'weights'>, bytes: Uint8Array): tf.Tensor2D {
  return logits(
    weights,
    features(weights, config, tf.tensor1d(Int32Array.from(bytes), 'int32'), attendWhole(config, bytes.length)),
  );
}

/** The weights as files of before 2026-12 have them, a matrix each for query, key and value. */
export function partedWeights(weights: Weights): Record<string, tf.Tensor2D> {
  return Object.fromEntries(
    Object.entries(weights).flatMap(([name, tensor]): [string, tf.Tensor2D][] => {
      if (!name.endsWith('/queryKeyValue')) return [[name, tensor]];
      const layer = name.slice(0, name.indexOf('/'));
      return tf.split<tf.Tensor2D>(tensor, PROJECTIONS.length, 1).map((part, i) => [`${layer}/${PROJECTIONS[i]!}`, part]);
    }),
  );
}

/** The logits after each byte as the network was first written and trained: TensorFlow.js ops alone, three products before an attention. */
export function logitsByParts({config}: Pick<ByteModel, 'config'>, parts: Weights, bytes: Uint8Array): tf.Tensor2D {
  const attend = attendWhole(config, bytes.length);
  const normalize = (x: tf.Tensor): tf.Tensor =>
    tf.mul(x, tf.rsqrt(tf.clipByValue(tf.mean(tf.square(x), 1, true), 1e-5, Infinity)));
  const ids = tf.tensor1d(Int32Array.from(bytes), 'int32');
  let x: tf.Tensor = tf.matMul(tf.oneHot(ids, VOCABULARY, 1, 0, 'float32'), parts['embedding']!);
  for (const layer of config.layers.keys()) {
    const weight = (name: string): tf.Tensor2D => parts[`${layer}/${name}`]!;
    const normed = normalize(x);
    const projected = PROJECTIONS.map((name) => tf.matMul(normed, weight(name)));
    x = tf.add(x, tf.matMul(attend(layer, tf.concat(projected, 1) as tf.Tensor2D), weight('output')));
    const inner = tf.square(tf.relu(tf.matMul(normalize(x), weight('up'))));
    x = tf.add(x, tf.matMul(inner, weight('down')));
  }
  return tf.matMul(normalize(x), parts['logits']!);
}
