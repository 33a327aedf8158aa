import * as tf from '@tensorflow/tfjs-core';
import {sparseAttention, type SparseAttentionOptions} from '../src/index.js';
import {flush, type Gpu} from './gpu.js';
import type {BenchPattern} from './patterns.js';
import {dense} from './peers/tfjs_dense.js';
import type {BackwardRecord} from './records.js';
import {benchInputs} from './reference.js';
import type {Timer} from './timer.js';

export interface BackwardBench {
  readonly gpu: Gpu;
  readonly timer: Timer;
  /** Sequences. */
  readonly batch: number;
  readonly n: number;
  readonly heads: number;
  readonly headDim: number;
}

type Attend = (query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) => tf.Tensor;

/** Rows whose gradients are compared with float64. */
const SAMPLED = [0, 1, 300, -1];

/** Forward pass, and forward and backward pass of sparse attention; `peer` is dense attention on the same sizes. */
export async function backwardRow(
  bench: BackwardBench,
  pattern: BenchPattern,
  peer: BackwardRecord | null,
  options: SparseAttentionOptions = {},
): Promise<BackwardRecord> {
  const attend: Attend = (query, key, value) => sparseAttention(query, key, value, pattern.pattern, options);
  const row = await measure(bench, pattern, 'tfjs-splat', attend, false);
  const dense = peer === null || peer.forwardMs === null ? undefined : peer.forwardMs + peer.backwardMs!;
  return {...row, ...(dense && row.forwardMs !== null && {timesDense: dense / (row.forwardMs + row.backwardMs!)})};
}

/** The same of a pattern that comes with each call, as a boolean tensor. */
export async function maskTensorRow(
  bench: BackwardBench,
  pattern: BenchPattern,
  options: SparseAttentionOptions,
): Promise<BackwardRecord> {
  const {n} = bench;
  const data = Uint8Array.from({length: n * n}, (_, pair) => Number(pattern.attends(Math.floor(pair / n), pair % n)));
  const mask = tf.tensor4d(data, [1, 1, n, n], 'bool');
  const attend: Attend = (query, key, value) => sparseAttention(query, key, value, mask, options);
  const row = await measure(bench, pattern, 'mask tensor', attend, false);
  mask.dispose();
  return row;
}

/** The same of TensorFlow.js dense attention with an additive mask, whose time does not depend on what it masks. */
export async function denseBackwardRow(bench: BackwardBench, pattern: BenchPattern): Promise<BackwardRecord> {
  const {n} = bench;
  const data = new Float32Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (!pattern.attends(i, j)) data[i * n + j] = -1e9;
  const mask = tf.tensor4d(data, [1, 1, n, n]);
  const attend: Attend = (query, key, value) =>
    dense({query: query as tf.Tensor4D, key: key as tf.Tensor4D, value: value as tf.Tensor4D, mask});
  const row = await measure(bench, pattern, 'tfjs dense', attend, true);
  mask.dispose();
  return row;
}

async function measure(
  {gpu, timer, batch, n, heads, headDim}: BackwardBench,
  pattern: BenchPattern,
  system: string,
  attend: Attend,
  large: boolean,
): Promise<BackwardRecord> {
  const inputs = benchInputs(batch * heads, n, headDim);
  const shape: [number, number, number, number] = [batch, heads, n, headDim];
  const [query, key, value] = [inputs.query, inputs.key, inputs.value].map((data) => tf.tensor4d(data, shape)) as [
    tf.Tensor4D,
    tf.Tensor4D,
    tf.Tensor4D,
  ];
  const given = tf.mul(value, 0.5);
  const row = {kind: 'backward' as const, system, pattern: pattern.name, ...(batch > 1 && {batch}), n, heads, headDim};
  const gradients = tf.grads(attend as (...xs: tf.Tensor[]) => tf.Tensor);
  /** Each call takes a result of the one before, so that calls cannot overlap on the device. */
  const chained =
    (step: (query: tf.Tensor) => tf.Tensor) =>
    (count: number): void => {
      let last: tf.Tensor = query;
      for (let i = 0; i < count; i++) {
        const next = tf.tidy(() => step(last));
        if (last !== query) last.dispose();
        last = next;
        // TensorFlow.js would hold the scores of several calls until it submits.
        if (large) flush(gpu.backend);
      }
      if (last !== query) last.dispose();
    };
  try {
    const found = gradients([query, key, value], given);
    const maxError = sampledError(inputs, pattern, await found[0]!.data(), await given.data(), {
      ...{n, headDim},
      heads: batch * heads,
    });
    tf.dispose(found);
    const forward = await timer.time(chained((last) => attend(last, key, value)));
    const both = await timer.time(chained((last) => gradients([last, key, value], given)[0]!));
    const [error] = gpu.takeErrors();
    const backwardMs = both.ms - forward.ms;
    return {
      ...row,
      forwardMs: forward.ms,
      backwardMs,
      overForward: backwardMs / forward.ms,
      clockRatio: Math.min(forward.clockRatio ?? 1, both.clockRatio ?? 1),
      maxError,
      ...(error !== undefined && {error: `device error: ${error.split('\n')[0]}`}),
    };
  } catch (error) {
    return {...row, forwardMs: null, backwardMs: null, error: String(error)};
  } finally {
    tf.dispose([query, key, value, given]);
    flush(gpu.backend);
  }
}

/** Largest error of the gradients of some queries, in float64: dQ = scale · Σ P (dO·V − Σ P dO·V) K. */
function sampledError(
  {query, key, value}: ReturnType<typeof benchInputs>,
  {attends}: BenchPattern,
  found: ArrayLike<number>,
  given: ArrayLike<number>,
  {n, heads, headDim}: {n: number; heads: number; headDim: number},
): number {
  let worst = 0;
  const scale = 1 / Math.sqrt(headDim);
  const dot = (a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number): number => {
    let sum = 0;
    for (let d = 0; d < headDim; d++) sum += a[i + d]! * b[j + d]!;
    return sum;
  };
  for (let head = 0; head < heads; head += 3) {
    for (const sampled of SAMPLED) {
      const row = (sampled + n) % n;
      const at = (head * n + row) * headDim;
      const keys = Array.from({length: n}, (_, k) => k).filter((k) => attends(row, k));
      const scores = keys.map((k) => scale * dot(query, at, key, (head * n + k) * headDim));
      const largest = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - largest));
      const sum = weights.reduce((a, b) => a + b, 0);
      const products = keys.map((k) => dot(given, at, value, (head * n + k) * headDim));
      const mean = products.reduce((total, product, i) => total + (weights[i]! / sum) * product, 0);
      for (let d = 0; d < headDim; d++) {
        let expected = 0;
        keys.forEach((k, i) => {
          expected += scale * (weights[i]! / sum) * (products[i]! - mean) * key[(head * n + k) * headDim + d]!;
        });
        worst = Math.max(worst, Math.abs(found[at + d]! - expected));
      }
    }
  }
  return worst;
}
