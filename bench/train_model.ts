import * as tf from '@tensorflow/tfjs-core';
import {mulberry32} from '../test/oracle.js';
import {sparseAttention} from '../src/index.js';
import type {BenchPattern} from './patterns.js';
import {dense} from './peers/tfjs_dense.js';
import {median} from './table.js';

export interface ModelSizes {
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
}

/** [1, heads, n, headDim] each. */
export type Attention = (query: tf.Tensor4D, key: tf.Tensor4D, value: tf.Tensor4D) => tf.Tensor4D;

export interface Trained {
  readonly losses: readonly number[];
  /** Median wall-clock time of a step, its loss read back. */
  readonly stepMs: number;
}

const TOKENS = 64;

export function attentionOf(kind: 'sparse' | 'dense', {pattern, attends}: BenchPattern, n: number): Attention {
  if (kind === 'sparse') return (query, key, value) => sparseAttention(query, key, value, pattern) as tf.Tensor4D;
  const mask = tf.keep(
    tf.tensor4d(
      Float32Array.from({length: n * n}, (_, i) => (attends(Math.floor(i / n), i % n) ? 0 : -1e9)),
      [1, 1, n, n],
    ),
  );
  return (query, key, value) => dense({query, key, value, mask});
}

/**
 * Trains a transformer to say which token comes next. A token has four successors, and mostly the one before it decides which comes: a
 * layer without attention could not learn that. Weights and tokens are the same in every run.
 */
export async function trainModel(sizes: ModelSizes, n: number, steps: number, attention: Attention): Promise<Trained> {
  const {width} = sizes;
  const random = mulberry32(7);
  const weight = (rows: number, columns: number): tf.Variable => {
    const spread = 1 / Math.sqrt(rows);
    const data = Float32Array.from({length: rows * columns}, () => (2 * random() - 1) * spread);
    return tf.variable(tf.tensor2d(data, [rows, columns]));
  };
  const layers = Array.from({length: sizes.layers}, () => ({
    qkv: [weight(width, width), weight(width, width), weight(width, width)] as const,
    out: weight(width, width),
    up: weight(width, 2 * width),
    down: weight(2 * width, width),
  }));
  const [embedding, places, logits] = [weight(TOKENS, width), weight(n, width), weight(width, TOKENS)];
  const optimizer = tf.train.adam(1e-3);
  const successors = Array.from({length: 4 * TOKENS}, () => Math.floor(random() * TOKENS));
  const losses: number[] = [];
  const times: number[] = [];
  for (let step = 0; step < steps; step++) {
    const start = performance.now();
    const tokens = sequence(n + 1, successors, random);
    const loss = optimizer.minimize(() => {
      const oneHot = tf.oneHot(tf.tensor1d(tokens.subarray(0, n), 'int32'), TOKENS);
      const next = tf.oneHot(tf.tensor1d(tokens.subarray(1), 'int32'), TOKENS);
      let x: tf.Tensor2D = tf.add(
        tf.matMul(tf.cast(oneHot, 'float32') as tf.Tensor2D, embedding as unknown as tf.Tensor2D),
        places,
      );
      for (const layer of layers) {
        const heads = split(normalize(x), layer.qkv, sizes.heads);
        const attended = tf.reshape(tf.transpose(attention(...heads), [0, 2, 1, 3]), [n, width]);
        x = tf.add(x, tf.matMul(attended, layer.out as unknown as tf.Tensor2D));
        const hidden = tf.relu(tf.matMul(normalize(x), layer.up as unknown as tf.Tensor2D));
        x = tf.add(x, tf.matMul(hidden, layer.down as unknown as tf.Tensor2D));
      }
      const scores = tf.matMul(normalize(x), logits as unknown as tf.Tensor2D);
      return tf.losses.softmaxCrossEntropy(tf.cast(next, 'float32'), scores);
    }, true)!;
    losses.push((await loss.data())[0]!);
    loss.dispose();
    times.push(performance.now() - start);
  }
  optimizer.dispose();
  tf.dispose([embedding, places, logits, ...layers.flatMap(({qkv, out, up, down}) => [...qkv, out, up, down])]);
  return {losses, stepMs: median(times)};
}

/** Tokens t with t[i + 1] = successors[t[i]][t[i − 1] mod 4], one in ten at random. */
function sequence(length: number, successors: readonly number[], random: () => number): Int32Array {
  const tokens = new Int32Array(length);
  for (let i = 2; i < length; i++) {
    tokens[i] = random() < 0.1 ? Math.floor(random() * TOKENS) : successors[4 * tokens[i - 1]! + (tokens[i - 2]! % 4)]!;
  }
  return tokens;
}

/** Every row divided by its root mean square. */
function normalize(x: tf.Tensor2D): tf.Tensor2D {
  return tf.div(x, tf.sqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-5)));
}

function split(x: tf.Tensor2D, weights: readonly tf.Variable[], heads: number): [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D] {
  const [n, width] = x.shape;
  return weights.map((w) =>
    tf.transpose(tf.reshape(tf.matMul(x, w as unknown as tf.Tensor2D), [1, n, heads, width / heads]), [0, 2, 1, 3]),
  ) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
}

/** Largest |a − b| / b over two loss curves. */
export const largestDifference = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((most, loss, i) => Math.max(most, Math.abs(loss - b[i]!) / b[i]!), 0);
