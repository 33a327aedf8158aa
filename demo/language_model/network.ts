import * as tf from '@tensorflow/tfjs-core';
import {rmsNorm} from '../../src/index.js';
import {VOCABULARY, type ModelConfig} from './config.js';

/** Weights by name: `embedding`, `logits` and, for each layer, `3/queryKeyValue`, `3/output`, `3/up`, `3/down`. */
export type Weights = Readonly<Record<string, tf.Tensor2D>>;

/** What attention gets from one product, side by side: [tokens, 3 · width]. */
export const PROJECTIONS = ['query', 'key', 'value'] as const;

/**
 * Attention of one layer: query, key and value side by side in, [tokens, 3 · width], and [tokens, width] out; how it takes them apart, how
 * it batches and who attends is its own affair.
 */
export type Attend = (layer: number, projected: tf.Tensor2D) => tf.Tensor2D;

/** Names and shapes of all weights; every matrix is [inputs, outputs]. */
export function weightShapes({width, hidden, layers}: ModelConfig): Record<string, [number, number]> {
  const shapes: Record<string, [number, number]> = {embedding: [VOCABULARY, width]};
  for (const layer of layers.keys()) {
    shapes[`${layer}/queryKeyValue`] = [width, PROJECTIONS.length * width];
    shapes[`${layer}/output`] = [width, width];
    shapes[`${layer}/up`] = [width, hidden];
    shapes[`${layer}/down`] = [hidden, width];
  }
  return {...shapes, logits: [width, VOCABULARY]};
}

/** Keeps a row of zeros from 0/0; too little to be seen beside the mean square of any other row. */
const NORM = {epsilon: 1e-12};

/**
 * The features of each byte after all layers, [tokens, width].
 *
 * Before each block rows are divided by their root mean square (arXiv 1910.07467, without a gain: the next matrix can hold it); the
 * feed-forward block squares a ReLU (arXiv 2109.08668).
 *
 * @param bytes int32 [tokens], those of all sequences of a batch one after the other.
 */
export function features(weights: Weights, {layers}: ModelConfig, bytes: tf.Tensor1D, attend: Attend): tf.Tensor2D {
  let x = dense(tf.oneHot(bytes, VOCABULARY, 1, 0, 'float32') as tf.Tensor2D, weights['embedding']!);
  for (const layer of layers.keys()) {
    const weight = (name: string): tf.Tensor2D => weights[`${layer}/${name}`]!;
    const attended = attend(layer, dense(rmsNorm(x, null, NORM), weight('queryKeyValue')));
    x = addTo(x, attended, weight('output'));
    x = addTo(x, squaredRelu(rmsNorm(x, null, NORM), weight('up')), weight('down'));
  }
  return rmsNorm(x, null, NORM);
}

/** The logits of the byte that follows each, [tokens, 256]. */
export function logits(weights: Weights, x: tf.Tensor2D): tf.Tensor2D {
  return dense(x, weights['logits']!);
}

/**
 * x + a · w. One row is what products take as a bias: a step of one byte has a dispatch less. (The wasm backend asks for the rank that the numbers
 * had first, and there are no dispatches to be saved.)
 */
function addTo(x: tf.Tensor2D, a: tf.Tensor2D, w: tf.Tensor2D): tf.Tensor2D {
  if (x.shape[0] !== 1 || tf.getBackend() !== 'webgpu') return tf.add(x, dense(a, w));
  return tf.fused.matMul({a, b: w, bias: tf.reshape(x, [-1])}) as tf.Tensor2D;
}

type Grad = (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[];
type Save = (tensors: tf.Tensor[]) => void;

/** A product of x and w and what its gradient needs beside them. */
interface Product {
  readonly value: tf.Tensor2D;
  readonly kept?: tf.Tensor2D;
}

/** An op with a gradient of our own: TensorFlow.js would keep and launch three times as much. */
function withGradient(
  forward: (x: tf.Tensor2D, w: tf.Tensor2D) => Product,
  gradient: (dy: tf.Tensor2D, x: tf.Tensor2D, w: tf.Tensor2D, kept: tf.Tensor2D) => tf.Tensor2D[],
) {
  const op = tf.customGrad((...args: (tf.Tensor | Save)[]) => {
    const [x, w, save] = args as [tf.Tensor2D, tf.Tensor2D, Save];
    const {value, kept} = forward(x, w);
    save(kept === undefined ? [x, w] : [x, w, kept]);
    const gradFunc: Grad = (dy, saved) => gradient(dy as tf.Tensor2D, ...(saved as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D]));
    return {value, gradFunc};
  });
  return (x: tf.Tensor2D, w: tf.Tensor2D): tf.Tensor2D => op(x, w) as tf.Tensor2D;
}

/** Rows that the gradient of a weight sums in one matrix product. */
const ROWS_OF_A_SHARE = 2048;

/**
 * The gradients of x and w from that of x · w. The one of w sums over all rows of a batch: as one product it would keep a hundred workgroups
 * busy and leave the rest of the GPU idle, hence shares of the rows that are summed afterwards.
 */
function productGradients(dy: tf.Tensor2D, x: tf.Tensor2D, w: tf.Tensor2D): tf.Tensor2D[] {
  const [rows, outputs] = dy.shape;
  const shares = rows % ROWS_OF_A_SHARE === 0 ? rows / ROWS_OF_A_SHARE : 1;
  const split = (tensor: tf.Tensor2D): tf.Tensor3D => tf.reshape(tensor, [shares, rows / shares, tensor.shape[1]]);
  const dw = tf.matMul(split(x), split(dy), true, false);
  // A product with a transposed second factor takes the slow road in TensorFlow.js; w is small.
  return [tf.matMul(dy, tf.transpose(w)), tf.reshape(shares === 1 ? dw : tf.sum(dw, 0), [x.shape[1], outputs])];
}

/** x · w */
export const dense = withGradient((x, w) => ({value: tf.matMul(x, w)}), productGradients);

/** relu(x · w)², the ReLU in the kernel of the product. */
export const squaredRelu = withGradient(
  (x, w) => {
    const kept = tf.fused.matMul({a: x, b: w, activation: 'relu'}) as tf.Tensor2D;
    return {value: tf.square(kept), kept};
  },
  (dy, x, w, kept) => productGradients(tf.mul(dy, tf.add(kept, kept)), x, w),
);
