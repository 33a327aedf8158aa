import {mulberry32} from '../test/oracle.js';

/** Host copies of query, key and value, [heads, n, headDim] each. */
export interface Inputs {
  readonly heads: number;
  readonly n: number;
  readonly headDim: number;
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** The same numbers on every machine. Queries reach to ±4, so that the scores spread (σ ≈ 1.3) and a missing key shows. */
export function benchInputs(heads: number, n: number, headDim: number): Inputs {
  const random = mulberry32(12345);
  const fill = (reach: number): Float32Array => {
    const data = new Float32Array(heads * n * headDim);
    for (let i = 0; i < data.length; i++) data[i] = (2 * random() - 1) * reach;
    return data;
  };
  return {heads, n, headDim, query: fill(4), key: fill(1), value: fill(1)};
}

/**
 * The largest error of `output` [heads, n, headDim] against float64 on sampled rows: the first, the last and six between, over the heads.
 * Infinity when an element is not finite. The benchmark uses it so that it can never time wrong answers.
 */
export function sampledError(inputs: Inputs, attends: (query: number, key: number) => boolean, output: ArrayLike<number>): number {
  const {heads, n} = inputs;
  let worst = 0;
  for (let sample = 0; sample < 8; sample++) {
    // Multiples of the golden ratio fall evenly, and on no pattern's period.
    const row = sample === 7 ? n - 1 : Math.floor(((sample * 0.6180339887) % 1) * n);
    worst = Math.max(worst, rowError(inputs, sample % heads, row, attends, output));
  }
  return worst;
}

function rowError(
  {n, headDim, query, key, value}: Inputs,
  head: number,
  row: number,
  attends: (query: number, key: number) => boolean,
  output: ArrayLike<number>,
): number {
  const queryAt = (head * n + row) * headDim;
  const score = new Float64Array(n).fill(-Infinity);
  let max = -Infinity;
  for (let k = 0; k < n; k++) {
    if (!attends(row, k)) continue;
    let dot = 0;
    for (let d = 0; d < headDim; d++) dot += query[queryAt + d]! * key[(head * n + k) * headDim + d]!;
    score[k] = dot / Math.sqrt(headDim);
    max = Math.max(max, score[k]!);
  }
  const expected = new Float64Array(headDim);
  let sum = 0;
  for (let k = 0; k < n; k++) {
    const weight = Math.exp(score[k]! - max);
    sum += weight;
    for (let d = 0; d < headDim; d++) expected[d]! += weight * value[(head * n + k) * headDim + d]!;
  }
  let worst = 0;
  for (let d = 0; d < headDim; d++) {
    const error = Math.abs(output[queryAt + d]! - expected[d]! / sum);
    worst = Number.isFinite(error) ? Math.max(worst, error) : Infinity;
  }
  return worst;
}
