import * as tf from '@tensorflow/tfjs-core';
import {sparseAttention} from '../../../src/index.js';
import {CONTEXT, patternsOf, VOCABULARY, type ModelConfig} from '../config.js';
import type {ByteModel} from '../load.js';
import {features, logits, PROJECTIONS, type Attend} from '../network.js';
import {heldOutBatch, heldOutCount} from './batches.js';

/** What a model does not know of a text. */
export interface HeldOut {
  /** Contexts that were read, each from nothing. */
  readonly contexts: number;
  readonly bitsPerByte: number;
  /** Over the second half of each context, where far bytes can help. */
  readonly secondHalf: number;
}

/** Bits per byte over the first contexts of a text, `most` of them or as many as there are. */
export async function heldOutBits(
  {config, weights}: Pick<ByteModel, 'config' | 'weights'>,
  text: Uint8Array,
  most: number,
): Promise<HeldOut> {
  const contexts = Math.min(most, heldOutCount(text));
  const attend = wholeContexts(config, 1);
  let [sum, late] = [0, 0];
  for (let i = 0; i < contexts; i++) {
    const losses = tf.tidy(() => {
      const {inputs, targets} = heldOutBatch(text, i);
      const scores = logits(weights, features(weights, config, tf.tensor1d(inputs, 'int32'), attend));
      const chosen = tf.sum(tf.mul(scores, tf.oneHot(tf.tensor1d(targets, 'int32'), VOCABULARY, 1, 0, 'float32')), 1);
      return tf.sub(tf.logSumExp(scores, 1), chosen);
    });
    const values = await losses.data();
    losses.dispose();
    values.forEach((value, at) => {
      sum += value;
      if (at >= CONTEXT / 2) late += value;
    });
  }
  const bits = contexts * CONTEXT * Math.LN2;
  return {contexts, bitsPerByte: sum / bits, secondHalf: (2 * late) / bits};
}

/** Attention over whole sequences of CONTEXT bytes, `batch` of them one after the other. */
export function wholeContexts(config: ModelConfig, batch: number): Attend {
  const {heads, width, layers} = config;
  const patterns = patternsOf(config);
  const slopes = layers.map(({alibiSlopes}) => tf.keep(tf.tensor1d([...alibiSlopes])));
  return (layer, projected) => {
    const heads4 = tf.reshape(projected, [batch, CONTEXT, PROJECTIONS.length * heads, width / heads]);
    const [query, key, value] = tf.split<tf.Tensor4D>(heads4, PROJECTIONS.length, 2);
    const attended = sparseAttention(query!, key!, value!, patterns[layer]!, {layout: 'blhd', alibiSlopes: slopes[layer]!});
    return tf.reshape(attended, [batch * CONTEXT, width]);
  };
}
