import * as tf from '@tensorflow/tfjs-core';
import type {AttentionInputs, Attends, OracleOptions} from './oracle_types.js';
import {tfjsAttention, tfjsInputs} from './tfjs_attention.js';

export * from './oracle_options.js';
export type * from './oracle_types.js';
export * from './tfjs_attention.js';

/** The softmax of one query; its arrays are overwritten by the next. */
export interface OracleRow {
  readonly batch: number;
  readonly head: number;
  readonly query: number;
  /** (batch · heads + head) · queryLength + query */
  readonly index: number;
  /** batch · keyHeads + the head of key and value */
  readonly keyHead: number;
  /** [keyLength] The probability of each key; 0 where the query does not attend. */
  readonly probability: Float64Array;
  /** [keyLength] ∂score / ∂raw: 1 without softcap. */
  readonly slope: Float64Array;
  /** The probability of the sink. */
  readonly sink: number;
  /** −Infinity for a row without keys and sink. */
  readonly logSumExp: number;
}

/** The softmax of every query, in order. */
export function visitRows(
  inputs: AttentionInputs<ArrayLike<number>>,
  attends: Attends,
  options: OracleOptions,
  visit: (row: OracleRow) => void,
): void {
  const {batch, heads, keyHeads = heads, queryLength, keyLength, headDim, query, key} = inputs;
  const {scale = 1 / Math.sqrt(headDim), bias, softcap, sinks} = options;
  const [score, probability, slope] = [new Float64Array(keyLength), new Float64Array(keyLength), new Float64Array(keyLength)];
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const keyHead = b * keyHeads + Math.floor((h * keyHeads) / heads);
      for (let q = 0; q < queryLength; q++) {
        const index = (b * heads + h) * queryLength + q;
        const sink = sinks?.[h] ?? -Infinity;
        let max = sink;
        for (let k = 0; k < keyLength; k++) {
          [score[k], slope[k]] = [-Infinity, 0];
          if (!attends(q, k, b, h)) continue;
          const keyRow = (keyHead * keyLength + k) * headDim;
          let dot = 0;
          for (let d = 0; d < headDim; d++) dot += query[index * headDim + d]! * key[keyRow + d]!;
          const cap = softcap === undefined ? 0 : Math.tanh((scale * dot) / softcap);
          score[k] = (softcap === undefined ? scale * dot : softcap * cap) + (bias?.(b, h, q, k) ?? 0);
          slope[k] = 1 - cap * cap;
          max = Math.max(max, score[k]!);
        }
        const weight = (s: number): number => (s === -Infinity ? 0 : Math.exp(s - max));
        const ofSink = weight(sink);
        let sum = ofSink;
        for (let k = 0; k < keyLength; k++) sum += probability[k] = weight(score[k]!);
        for (let k = 0; k < keyLength; k++) if (probability[k] !== 0) probability[k]! /= sum;
        const logSumExp = max === -Infinity ? -Infinity : max + Math.log(sum);
        visit({batch: b, head: h, query: q, index, keyHead, probability, slope, sink: ofSink === 0 ? 0 : ofSink / sum, logSumExp});
      }
    }
  }
}

/** The output [batch, heads, queryLength, valueDim] and the logarithms of the denominators [batch, heads, queryLength], in float64. */
export function oracleWithAux(
  inputs: AttentionInputs<ArrayLike<number>>,
  attends: Attends,
  options: OracleOptions = {},
): {output: Float64Array; logSumExp: Float64Array} {
  const {batch, heads, queryLength, keyLength, valueDim, value} = inputs;
  const output = new Float64Array(batch * heads * queryLength * valueDim);
  const logSumExp = new Float64Array(batch * heads * queryLength);
  visitRows(inputs, attends, options, (row) => {
    logSumExp[row.index] = row.logSumExp;
    for (let k = 0; k < keyLength; k++) {
      if (row.probability[k] === 0) continue;
      const share = row.probability[k]! * (options.keep?.(row.batch, row.head, row.query, k) ?? 1);
      const valueRow = (row.keyHead * keyLength + k) * valueDim;
      for (let d = 0; d < valueDim; d++) output[row.index * valueDim + d]! += share * value[valueRow + d]!;
    }
  });
  return {output, logSumExp};
}

/** The output alone. */
export function oracle(inputs: AttentionInputs<ArrayLike<number>>, attends: Attends, options: OracleOptions = {}): Float64Array {
  return oracleWithAux(inputs, attends, options).output;
}

/** Inputs of the given sizes, uniform in [−1, 1), the same for the same seed on every machine. */
export function randomInputs(sizes: Omit<AttentionInputs, 'query' | 'key' | 'value'>, seed = 1): AttentionInputs {
  const {batch, heads, keyHeads = heads, queryLength, keyLength, headDim, valueDim} = sizes;
  const random = mulberry32(seed);
  const fill = (length: number): Float32Array => Float32Array.from({length}, () => 2 * random() - 1);
  return {
    ...sizes,
    query: fill(batch * heads * queryLength * headDim),
    key: fill(batch * keyHeads * keyLength * headDim),
    value: fill(batch * keyHeads * keyLength * valueDim),
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
 * The tolerance of this project, written once: error ≤ 2·e + 2⁻²⁰·max|value|, where e is the largest error of tfjs dense float32
 * attention, on the current backend and the same input, against the float64 oracle. Dropout scales max|value| as it scales values.
 */
export async function tolerance(
  inputs: AttentionInputs,
  attends: Attends,
  expected: ArrayLike<number>,
  options: OracleOptions = {},
): Promise<number> {
  return (await tolerances(inputs, attends, {output: expected}, options)).output;
}

/** The same for the logarithms of the denominators: error ≤ 2·e + 2⁻²⁰·max(1, |logSumExp|), rows without keys left out. */
export async function tolerances(
  inputs: AttentionInputs,
  attends: Attends,
  expected: {readonly output: ArrayLike<number>; readonly logSumExp?: ArrayLike<number>},
  options: OracleOptions = {},
): Promise<{output: number; logSumExp: number}> {
  const {queryLength, keyLength, headDim, valueDim} = inputs;
  let maxValue = 0;
  for (const v of inputs.value) maxValue = Math.max(maxValue, Math.abs(v));
  const logSumExp = expected.logSumExp ?? oracleWithAux(inputs, attends, options).logSumExp;
  let maxSum = 1;
  for (let i = 0; i < logSumExp.length; i++) if (logSumExp[i] !== -Infinity) maxSum = Math.max(maxSum, Math.abs(logSumExp[i]!));
  const least = {output: maxValue * 2 ** -20, logSumExp: maxSum * 2 ** -20};
  if (expected.output.length === 0 || keyLength === 0 || headDim === 0 || queryLength === 0) return least;

  const dense = tf.tidy(() => {
    const {mostKept, ...tensors} = tfjsInputs(inputs, attends, options);
    return {...tfjsAttention(tensors), mostKept: tf.scalar(mostKept)};
  });
  const actual = {output: await dense.output.data(), logSumExp: await dense.logSumExp.data()};
  const [mostKept] = await dense.mostKept.data();
  tf.dispose(dense);
  const hasKeys = (row: number): boolean => logSumExp[row] !== -Infinity;
  const e = {
    output: largestError(actual.output, expected.output, (i) => hasKeys(Math.floor(i / valueDim))),
    logSumExp: largestError(actual.logSumExp, logSumExp, hasKeys),
  };
  return {output: 2 * e.output + least.output * Math.max(1, mostKept!), logSumExp: 2 * e.logSumExp + least.logSumExp};
}

/** Among the elements that `counts`; throws where tfjs did not compute a number. */
export function largestError(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  counts: (index: number) => boolean = () => true,
): number {
  let e = 0;
  for (let i = 0; i < expected.length; i++) if (counts(i)) e = Math.max(e, Math.abs(actual[i]! - expected[i]!));
  if (!Number.isFinite(e)) throw new Error('tfjs dense attention is not finite on this input: it cannot set the tolerance');
  return e;
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
  const expected = oracleWithAux(inputs, attends, options);
  const limit = await tolerances(inputs, attends, expected, options);
  expectWithin(actual instanceof tf.Tensor ? await actual.data() : actual, expected.output, limit.output, what);
}

/** The same for both results; logSumExp [batch, heads, queryLength] must be −Infinity exactly where the oracle's is. */
export async function expectAttentionWithAux(
  actual: {readonly output: tf.Tensor | ArrayLike<number>; readonly logSumExp: tf.Tensor | ArrayLike<number>},
  inputs: AttentionInputs,
  attends: Attends,
  options: OracleOptions = {},
  what = 'attention',
): Promise<void> {
  const read = async (given: tf.Tensor | ArrayLike<number>): Promise<ArrayLike<number>> =>
    given instanceof tf.Tensor ? given.data() : given;
  const expected = oracleWithAux(inputs, attends, options);
  const limit = await tolerances(inputs, attends, expected, options);
  expectWithin(await read(actual.output), expected.output, limit.output, `output of ${what}`);
  const seen = (sums: ArrayLike<number>): number[] =>
    Array.from(sums, (sum, row) => (sum === -Infinity && expected.logSumExp[row] === -Infinity ? 0 : sum));
  expectWithin(seen(await read(actual.logSumExp)), seen(expected.logSumExp), limit.logSumExp, `logSumExp of ${what}`);
}
