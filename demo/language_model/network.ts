import * as tf from '@tensorflow/tfjs-core';
import {VOCABULARY, type ModelConfig} from './config.js';

/** Weights by name: `embedding`, `logits` and, for each layer, `3/query`, `3/key`, `3/value`, `3/output`, `3/up`, `3/down`. */
export type Weights = Readonly<Record<string, tf.Tensor2D>>;

/** Attention of one layer: query, key and value [tokens, width] in, [tokens, width] out; how it batches and who attends is its own affair. */
export type Attend = (layer: number, query: tf.Tensor2D, key: tf.Tensor2D, value: tf.Tensor2D) => tf.Tensor2D;

/** Names and shapes of all weights; every matrix is [inputs, outputs]. */
export function weightShapes({width, hidden, layers}: ModelConfig): Record<string, [number, number]> {
  const shapes: Record<string, [number, number]> = {embedding: [VOCABULARY, width]};
  for (const layer of layers.keys()) {
    for (const name of ['query', 'key', 'value', 'output']) shapes[`${layer}/${name}`] = [width, width];
    shapes[`${layer}/up`] = [width, hidden];
    shapes[`${layer}/down`] = [hidden, width];
  }
  return {...shapes, logits: [width, VOCABULARY]};
}

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
    const normed = normalize(x);
    const attended = attend(layer, dense(normed, weight('query')), dense(normed, weight('key')), dense(normed, weight('value')));
    x = tf.add(x, dense(attended, weight('output')));
    x = tf.add(x, dense(squaredRelu(dense(normalize(x), weight('up'))), weight('down')));
  }
  return normalize(x);
}

/** The logits of the byte that follows each, [tokens, 256]. */
export function logits(weights: Weights, x: tf.Tensor2D): tf.Tensor2D {
  return dense(x, weights['logits']!);
}

/** The least mean square that a row is divided by. */
const LEAST_SQUARE = 1e-5;

type Grad = (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[];
type Save = (tensors: tf.Tensor[]) => void;

/** An op with a gradient of our own: TensorFlow.js would keep and launch three times as much. */
function withGradient(
  forward: (...inputs: tf.Tensor2D[]) => tf.Tensor2D,
  gradient: (dy: tf.Tensor2D, ...saved: tf.Tensor2D[]) => tf.Tensor2D[],
) {
  const op = tf.customGrad((...args: (tf.Tensor | Save)[]) => {
    const save = args.at(-1) as Save;
    const inputs = args.slice(0, -1) as tf.Tensor2D[];
    save(inputs);
    const gradFunc: Grad = (dy, saved) => gradient(dy as tf.Tensor2D, ...(saved as tf.Tensor2D[]));
    return {value: forward(...inputs), gradFunc};
  });
  return (...inputs: tf.Tensor2D[]): tf.Tensor2D => op(...inputs) as tf.Tensor2D;
}

/** Rows that the gradient of a weight sums in one matrix product. */
const ROWS_OF_A_SHARE = 2048;

/**
 * x · w. The gradient of w sums over all rows of a batch: as one product it would keep a hundred workgroups busy and leave the rest of
 * the GPU idle, hence shares of the rows that are summed afterwards.
 */
export const dense = withGradient(
  (x, w) => tf.matMul(x, w),
  (dy, x, w) => {
    const [rows, outputs] = dy.shape;
    const shares = rows % ROWS_OF_A_SHARE === 0 ? rows / ROWS_OF_A_SHARE : 1;
    const split = (tensor: tf.Tensor2D): tf.Tensor3D => tf.reshape(tensor, [shares, rows / shares, tensor.shape[1]]);
    const dw = tf.matMul(split(x), split(dy), true, false);
    // A product with a transposed second factor takes the slow road in TensorFlow.js; w is small.
    return [tf.matMul(dy, tf.transpose(w)), tf.reshape(shares === 1 ? dw : tf.sum(dw, 0), [x.shape[1], outputs])];
  },
);

/** Every row divided by its root mean square. */
export const normalize = withGradient(
  (x) => tf.mul(x, inverseNorm(x)),
  (dy, x) => {
    const r = inverseNorm(x);
    const projected = tf.mul(tf.mean(tf.mul(dy, x), 1, true), tf.square(r));
    return [tf.mul(tf.sub(dy, tf.mul(x, projected)), r)];
  },
);

// A bound and no addend: TensorFlow.js would upload that number for each of the 17 norms of a byte.
const inverseNorm = (x: tf.Tensor2D): tf.Tensor2D =>
  tf.rsqrt(tf.clipByValue(tf.mean(tf.square(x), 1, true), LEAST_SQUARE, Infinity)) as tf.Tensor2D;

const squaredRelu = withGradient(
  (x) => tf.square(tf.relu(x)),
  (dy, x) => [tf.mul(dy, tf.mul(tf.relu(x), 2))],
);
