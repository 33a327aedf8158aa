import * as tf from '@tensorflow/tfjs-core';
import type {Pattern} from '../../src/pattern/index.js';

/** Numbers [batch, length, features], row-major. */
export interface Tokens {
  readonly shape: readonly [number, number, number];
  readonly values: Float64Array;
}

export interface KerasAttention {
  readonly query: Tokens;
  readonly value: Tokens;
  readonly key: Tokens;
  readonly heads: number;
  readonly keyHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  /** Numbers of an output token. */
  readonly outputSize: number;
  /** In the order of getWeights; biases may be missing. */
  readonly weights: readonly (readonly number[])[];
  /** All of Keras's masks. Default: everything is visible. */
  readonly visible?: (batch: number, head: number, query: number, key: number) => boolean;
  readonly pattern?: Pattern;
}

/**
 * The attention layers of Keras in float64 loops, from the formulas of their documentation: projections by einsum, softmax of
 * query·key/√keyDim over the visible keys, or over all of them equally where none is visible, output projection.
 *
 * @returns [batch, queryLength, outputSize]
 */
export function kerasAttention(call: KerasAttention): Float64Array {
  const {heads, keyHeads, keyDim, valueDim, outputSize, weights, visible = () => true, pattern} = call;
  const withBias = weights.length === 8;
  const [batch, queryLength] = call.query.shape;
  const keyLength = call.key.shape[1];
  const linear = (tokens: Tokens, which: number, size: number): Float64Array => {
    const features = tokens.shape[2];
    const kernel = weights[withBias ? 2 * which : which]!;
    const bias = withBias ? weights[2 * which + 1]! : undefined;
    const output = new Float64Array(tokens.shape[0] * tokens.shape[1] * size);
    output.forEach((_, i) => {
      const [row, column] = [Math.floor(i / size), i % size];
      let sum = bias?.[column] ?? 0;
      for (let f = 0; f < features; f++) sum += tokens.values[row * features + f]! * kernel[f * size + column]!;
      output[i] = sum;
    });
    return output;
  };
  const query = linear(call.query, 0, heads * keyDim);
  const key = linear(call.key, 1, keyHeads * keyDim);
  const value = linear(call.value, 2, keyHeads * valueDim);
  const attended = new Float64Array(batch * queryLength * heads * valueDim);
  for (let b = 0; b < batch; b++)
    for (let i = 0; i < queryLength; i++)
      for (let h = 0; h < heads; h++) {
        const keyHead = Math.floor((h * keyHeads) / heads);
        const seen = Array.from({length: keyLength}, (_, j) => visible(b, h, i, j));
        const none = !seen.includes(true);
        const scores = seen.map((shown, j) => {
          if (none) return 0;
          if (!shown || (pattern !== undefined && !pattern.attends(i, j, {queryLength, keyLength, head: h, batch: b})))
            return -Infinity;
          let dot = 0;
          for (let d = 0; d < keyDim; d++)
            dot +=
              query[((b * queryLength + i) * heads + h) * keyDim + d]! *
              key[((b * keyLength + j) * keyHeads + keyHead) * keyDim + d]!;
          return dot / Math.sqrt(keyDim);
        });
        const max = Math.max(...scores);
        const powers = scores.map((score) => (score === -Infinity ? 0 : Math.exp(score - max)));
        const sum = powers.reduce((a, p) => a + p, 0);
        for (let d = 0; d < valueDim && sum > 0; d++)
          attended[((b * queryLength + i) * heads + h) * valueDim + d] = powers.reduce(
            (a, p, j) => a + (p / sum) * value[((b * keyLength + j) * keyHeads + keyHead) * valueDim + d]!,
            0,
          );
      }
  return linear({shape: [batch, queryLength, heads * valueDim], values: attended}, 3, outputSize);
}

/** Numbers in [−1, 1) that float32 holds, the same for the same seed (mulberry32, public domain). */
export function numbers(count: number, seed: number): Float64Array {
  return Float64Array.from({length: count}, () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let x = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return Math.fround(((x ^ (x >>> 14)) >>> 0) / 2 ** 31 - 1);
  });
}

export const tokens = (shape: readonly [number, number, number], seed: number): Tokens => ({
  shape,
  values: numbers(shape[0] * shape[1] * shape[2], seed),
});

export const tensorOf = ({shape, values}: Tokens): tf.Tensor3D => tf.tensor3d(Float32Array.from(values), [...shape]);

/** Sets random weights and returns them as numbers. */
export async function randomWeights(
  layer: {getWeights(): tf.Tensor[]; setWeights(weights: tf.Tensor[]): void},
  seed = 1,
): Promise<number[][]> {
  const values = layer.getWeights().map(({size}, i) => Array.from(numbers(size, seed + 101 * i)));
  const tensors = layer.getWeights().map(({shape}, i) => tf.tensor(values[i]!, shape));
  layer.setWeights(tensors);
  tf.dispose(tensors);
  return values;
}

/** As many, finite, and within the tolerance of the largest magnitude (at least 0.01). */
export async function expectNumbers(found: tf.Tensor, expected: ArrayLike<number>, tolerance = 1e-5): Promise<void> {
  const values = await found.data();
  expect(values.length).toBe(expected.length);
  const largest = Math.max(1e-2, ...Array.from(expected, Math.abs));
  const worst = Array.from(values, (value, i) => Math.abs(value - expected[i]!)).reduce((a, b) => (b <= a ? a : b), 0);
  // A NaN is no number ≤ anything.
  expect(worst <= tolerance * largest)
    .withContext(`worst error ${worst} of numbers up to ${largest}`)
    .toBeTrue();
}
