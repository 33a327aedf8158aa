import * as tf from '@tensorflow/tfjs-core';

/**
 * The definition of right: dense masked attention in plain float64 loops. Everything fast is compared with it.
 *
 *     output[b, h, q, :] = Σₖ softmaxₖ(scale · query[b, h, q, :]·key[b, h, k, :] + bias(b, h, q, k)) · value[b, h, k, :]
 *
 * over the keys k that query q attends to. A query that attends to no key gives zeros.
 */
export interface AttentionInputs {
  readonly batch: number;
  readonly heads: number;
  readonly queryLength: number;
  readonly keyLength: number;
  readonly headDim: number;
  readonly valueDim: number;
  /** [batch, heads, queryLength, headDim] */
  readonly query: Float32Array;
  /** [batch, heads, keyLength, headDim] */
  readonly key: Float32Array;
  /** [batch, heads, keyLength, valueDim] */
  readonly value: Float32Array;
}

export type Attends = (query: number, key: number, batch: number, head: number) => boolean;
export type Bias = (batch: number, head: number, query: number, key: number) => number;

export interface OracleOptions {
  /** Default 1/√headDim. */
  readonly scale?: number;
  /** Added to the scaled score; −Infinity excludes the key. */
  readonly bias?: Bias;
}

/** Returns the output [batch, heads, queryLength, valueDim] in float64. */
export function oracle(inputs: AttentionInputs, attends: Attends, options: OracleOptions = {}): Float64Array {
  const {batch, heads, queryLength, keyLength, headDim, valueDim, query, key, value} = inputs;
  const {scale = 1 / Math.sqrt(headDim), bias} = options;
  const output = new Float64Array(batch * heads * queryLength * valueDim);
  const score = new Float64Array(keyLength);
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let q = 0; q < queryLength; q++) {
        const queryRow = ((b * heads + h) * queryLength + q) * headDim;
        let max = -Infinity;
        for (let k = 0; k < keyLength; k++) {
          score[k] = -Infinity;
          if (!attends(q, k, b, h)) continue;
          const keyRow = ((b * heads + h) * keyLength + k) * headDim;
          let dot = 0;
          for (let d = 0; d < headDim; d++) dot += query[queryRow + d]! * key[keyRow + d]!;
          score[k] = scale * dot + (bias?.(b, h, q, k) ?? 0);
          max = Math.max(max, score[k]!);
        }
        if (max === -Infinity) continue;
        let sum = 0;
        const outputRow = ((b * heads + h) * queryLength + q) * valueDim;
        for (let k = 0; k < keyLength; k++) {
          if (score[k] === -Infinity) continue;
          const weight = Math.exp(score[k]! - max);
          sum += weight;
          const valueRow = ((b * heads + h) * keyLength + k) * valueDim;
          for (let d = 0; d < valueDim; d++) output[outputRow + d]! += weight * value[valueRow + d]!;
        }
        for (let d = 0; d < valueDim; d++) output[outputRow + d]! /= sum;
      }
    }
  }
  return output;
}

/** Reads `data` as a tensor of `shape` broadcast to [batch, heads, queryLength, keyLength]; every dimension is full size or 1. */
export function broadcastBias(data: Float32Array, shape: readonly [number, number, number, number]): Bias {
  const [batch, heads, queries, keys] = shape;
  return (b, h, q, k) =>
    data[
      (((batch === 1 ? 0 : b) * heads + (heads === 1 ? 0 : h)) * queries + (queries === 1 ? 0 : q)) * keys + (keys === 1 ? 0 : k)
    ]!;
}

/** Inputs of the given sizes, uniform in [−1, 1), the same for the same seed on every machine. */
export function randomInputs(sizes: Omit<AttentionInputs, 'query' | 'key' | 'value'>, seed = 1): AttentionInputs {
  const {batch, heads, queryLength, keyLength, headDim, valueDim} = sizes;
  const random = mulberry32(seed);
  const fill = (length: number): Float32Array => Float32Array.from({length}, () => 2 * random() - 1);
  return {
    ...sizes,
    query: fill(batch * heads * queryLength * headDim),
    key: fill(batch * heads * keyLength * headDim),
    value: fill(batch * heads * keyLength * valueDim),
  };
}

/** Uniform in [0, 1). */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Attention as TensorFlow.js users write it today, on the current backend: matMul, scale, additive mask, softmax, matMul. A row
 * without keys comes out as the mean of all values here (the mask is −1e30, not −∞), so such rows must not be compared.
 */
export function tfjsDense(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  additiveMask: tf.Tensor | null,
  scale: number,
): tf.Tensor4D {
  return tf.tidy(() => {
    const scores = tf.mul(tf.matMul(query, key, false, true), scale);
    return tf.matMul(tf.softmax(additiveMask === null ? scores : tf.add(scores, additiveMask)), value);
  });
}

/**
 * The tolerance of this project, written once: error ≤ 2·e + 2⁻²⁰·max|value|, where e is the largest error of tfjs dense float32
 * attention, on the current backend and the same input, against the float64 oracle.
 */
export async function tolerance(
  inputs: AttentionInputs,
  attends: Attends,
  expected: Float64Array,
  options: OracleOptions = {},
): Promise<number> {
  const {batch, heads, queryLength, keyLength, headDim, valueDim} = inputs;
  const {scale = 1 / Math.sqrt(headDim), bias} = options;
  let maxValue = 0;
  for (const v of inputs.value) maxValue = Math.max(maxValue, Math.abs(v));
  if (expected.length === 0 || keyLength === 0 || headDim === 0) return maxValue * 2 ** -20;

  const rows = batch * heads * queryLength;
  const mask = new Float32Array(rows * keyLength);
  const hasKeys = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    const [b, h, q] = [Math.floor(row / queryLength / heads), Math.floor(row / queryLength) % heads, row % queryLength];
    for (let k = 0; k < keyLength; k++) {
      const added = attends(q, k, b, h) ? (bias?.(b, h, q, k) ?? 0) : -Infinity;
      // Hidden keys lie far below keys that a bias pushed as low as float32 goes: those still share a row evenly.
      mask[row * keyLength + k] = added === -Infinity ? -3e38 : Math.max(added, -1e30);
      if (added !== -Infinity) hasKeys[row] = 1;
    }
  }
  const dense = tf.tidy(() =>
    tfjsDense(
      tf.tensor4d(inputs.query, [batch, heads, queryLength, headDim]),
      tf.tensor4d(inputs.key, [batch, heads, keyLength, headDim]),
      tf.tensor4d(inputs.value, [batch, heads, keyLength, valueDim]),
      tf.tensor4d(mask, [batch, heads, queryLength, keyLength]),
      scale,
    ),
  );
  const actual = await dense.data();
  dense.dispose();
  let e = 0;
  for (let i = 0; i < expected.length; i++) {
    if (hasKeys[Math.floor(i / valueDim)] === 1) e = Math.max(e, Math.abs(actual[i]! - expected[i]!));
  }
  if (!Number.isFinite(e)) throw new Error('tfjs dense attention is not finite on this input: it cannot set the tolerance');
  return 2 * e + maxValue * 2 ** -20;
}

/** Fails the current spec unless every element is finite and within `limit` of the oracle's. Names the worst element. */
export function expectWithin(actual: ArrayLike<number>, expected: ArrayLike<number>, limit: number, what = 'output'): void {
  expect(actual.length).withContext(`${what}: number of elements`).toBe(expected.length);
  let worst = -1;
  let worstError = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    // A NaN or an infinity is never right, also where both sides have it (tf.test_util.expectArraysClose passes those).
    const wrong = Number.isFinite(actual[i]!) && Number.isFinite(expected[i]!) ? error : Infinity;
    if (wrong > worstError) [worst, worstError] = [i, wrong];
  }
  const at = worst < 0 ? '' : ` at element ${worst}: found ${actual[worst]}, expected ${expected[worst]}`;
  expect(worstError).withContext(`${what}: largest error${at}`).toBeLessThanOrEqual(limit);
}

/** Compares `actual` [batch, heads, queryLength, valueDim] with the oracle under the project's tolerance. */
export async function expectAttention(
  actual: tf.Tensor | ArrayLike<number>,
  inputs: AttentionInputs,
  attends: Attends,
  options: OracleOptions = {},
  what = 'attention',
): Promise<void> {
  const expected = oracle(inputs, attends, options);
  const limit = await tolerance(inputs, attends, expected, options);
  expectWithin(actual instanceof tf.Tensor ? await actual.data() : actual, expected, limit, what);
}
