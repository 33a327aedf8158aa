// Registers the gradients of tf ops, which tfjs-core alone does not.
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {
  expectWithin,
  largestError,
  oracleWithAux,
  tfjsAttention,
  tfjsInputs,
  visitRows,
  type AttentionInputs,
  type Attends,
  type OracleOptions,
} from './oracle.js';

/** The gradients of Σ dOutput·output + Σ dLogSumExp·logSumExp, in float64. */
export interface OracleGradients {
  /** [batch, heads, queryLength, headDim] */
  readonly query: Float64Array;
  /** [batch, keyHeads, keyLength, headDim], summed over the query heads that read the key head */
  readonly key: Float64Array;
  /** [batch, keyHeads, keyLength, valueDim] */
  readonly value: Float64Array;
  /** [batch, heads, queryLength, keyLength]: of a full bias. What is added to scores in another shape has sums of these. */
  readonly scores: Float64Array;
  /** [heads] */
  readonly sinks: Float64Array | null;
}

export interface GradientLimits {
  readonly query: number;
  readonly key: number;
  readonly value: number;
  readonly scores: number;
  readonly sinks: number;
  /** For sums of `scores`, as of a broadcast bias: `reduce` makes them from [batch, heads, queryLength, keyLength]. */
  readonly sums: (reduce: (scores: ArrayLike<number>) => ArrayLike<number>) => number;
}

/** The definition of a right gradient, in the closed form of attention; `oracle.test.ts` compares it with differences of `oracle`. */
export function oracleGradients(
  inputs: AttentionInputs<ArrayLike<number>>,
  attends: Attends,
  options: OracleOptions,
  dOutput: ArrayLike<number>,
  dLogSumExp?: ArrayLike<number>,
): OracleGradients {
  return sumTerms(inputs, attends, options, dOutput, dLogSumExp, {of: (x) => x, minus: -1});
}

/**
 * With `of` the identity and `minus` −1 the gradients; with the absolute value and 1 what their sums would be if nothing cancelled,
 * which says how exact float32 can be.
 */
function sumTerms(
  inputs: AttentionInputs<ArrayLike<number>>,
  attends: Attends,
  {scale = 1 / Math.sqrt(inputs.headDim), ...options}: OracleOptions,
  dOutput: ArrayLike<number>,
  dLogSumExp: ArrayLike<number> | undefined,
  {of, minus}: {of: (x: number) => number; minus: -1 | 1},
): OracleGradients {
  const {heads, queryLength, keyLength, headDim, valueDim, query, key, value} = inputs;
  const gradients = {
    query: new Float64Array(query.length),
    key: new Float64Array(key.length),
    value: new Float64Array(value.length),
    scores: new Float64Array(inputs.batch * heads * queryLength * keyLength),
    sinks: options.sinks === undefined ? null : new Float64Array(heads),
  };
  visitRows(
    inputs,
    attends,
    {scale, ...options},
    ({batch: b, head: h, query: q, index, keyHead, probability, slope, sink, logSumExp}) => {
      if (logSumExp === -Infinity) return;
      // dOutput · value, of each key.
      const products = new Float64Array(keyLength);
      let mean = minus * of(dLogSumExp?.[index] ?? 0);
      for (let k = 0; k < keyLength; k++) {
        if (probability[k] === 0) continue;
        const kept = options.keep?.(b, h, q, k) ?? 1;
        for (let d = 0; d < valueDim; d++) {
          const at = (keyHead * keyLength + k) * valueDim + d;
          products[k]! += kept * of(dOutput[index * valueDim + d]!) * of(value[at]!);
          gradients.value[at]! += probability[k]! * kept * of(dOutput[index * valueDim + d]!);
        }
        mean += probability[k]! * products[k]!;
      }
      for (let k = 0; k < keyLength; k++) {
        const dScore = probability[k] === 0 ? 0 : probability[k]! * (products[k]! + minus * mean);
        gradients.scores[index * keyLength + k] = dScore;
        for (let d = 0; dScore !== 0 && d < headDim; d++) {
          const at = (keyHead * keyLength + k) * headDim + d;
          gradients.query[index * headDim + d]! += of(scale) * slope[k]! * dScore * of(key[at]!);
          gradients.key[at]! += of(scale) * slope[k]! * dScore * of(query[index * headDim + d]!);
        }
      }
      if (gradients.sinks !== null) gradients.sinks[h]! += minus * sink * mean;
    },
  );
  return gradients;
}

/**
 * The tolerance of the forward pass, for gradients: error ≤ 2·e + 2⁻²⁰·m, per input, where e is the largest error of the gradients
 * that tfjs takes of dense float32 attention, on the current backend, and m the largest sum of the absolute values of the terms that
 * make an element (a gradient may be 0 because its terms cancel, in float32 only nearly).
 */
export async function gradientTolerance(
  inputs: AttentionInputs,
  attends: Attends,
  options: OracleOptions,
  dOutput: ArrayLike<number>,
  dLogSumExp: ArrayLike<number> | undefined,
  expected: OracleGradients = oracleGradients(inputs, attends, options, dOutput, dLogSumExp),
): Promise<GradientLimits> {
  const actual = await tfjsGradients(inputs, attends, options, dOutput, dLogSumExp);
  const sizes = sumTerms(inputs, attends, options, dOutput, dLogSumExp, {of: Math.abs, minus: 1});
  const limit = (found: ArrayLike<number>, wanted: ArrayLike<number>, size: ArrayLike<number>): number =>
    2 * largestError(found, wanted) + 2 ** -20 * largestError(size, new Float64Array(size.length));
  return {
    query: limit(actual.query, expected.query, sizes.query),
    key: limit(actual.key, expected.key, sizes.key),
    value: limit(actual.value, expected.value, sizes.value),
    scores: limit(actual.scores, expected.scores, sizes.scores),
    sinks: expected.sinks === null ? 0 : limit(actual.sinks!, expected.sinks, sizes.sinks!),
    sums: (reduce) => limit(reduce(actual.scores), reduce(expected.scores), reduce(sizes.scores)),
  };
}

type TfjsGradients = Readonly<Record<'query' | 'key' | 'value' | 'scores', Float32Array>> & {readonly sinks?: Float32Array};

/** What tfjs makes of `tfjsAttention` on the current backend. */
async function tfjsGradients(
  inputs: AttentionInputs,
  attends: Attends,
  options: OracleOptions,
  dOutput: ArrayLike<number>,
  dLogSumExp: ArrayLike<number> | undefined,
): Promise<TfjsGradients> {
  const {batch, heads, queryLength, valueDim} = inputs;
  // Rows without keys are means of all values there: nothing may come from them.
  const {logSumExp} = oracleWithAux(inputs, attends, options);
  const live = (data: ArrayLike<number>, width: number): Float32Array =>
    Float32Array.from(data, (x, i) => (logSumExp[Math.floor(i / width)] === -Infinity ? 0 : x));
  const tensors = tf.tidy(() => {
    const {query, key, value, additive, sinks, ...rest} = tfjsInputs(inputs, attends, options);
    const weights = tf.tensor4d(live(dOutput, valueDim), [batch, heads, queryLength, valueDim]);
    const sumWeights = dLogSumExp && tf.tensor3d(live(dLogSumExp, 1), [batch, heads, queryLength]);
    const loss = (...[q, k, v, a, s]: tf.Tensor[]): tf.Tensor => {
      const inner = {query: q, key: k, value: v, additive: a, sinks: s, ...rest} as Parameters<typeof tfjsAttention>[0];
      const {output, logSumExp} = tfjsAttention(inner);
      const sum = tf.sum(tf.mul(output, weights));
      return sumWeights === undefined ? sum : tf.add(sum, tf.sum(tf.mul(logSumExp, sumWeights)));
    };
    return tf.grads(loss)([query, key, value, additive, ...(sinks === undefined ? [] : [sinks])]);
  });
  const [query, key, value, scores, sinks] = (await Promise.all(tensors.map((tensor) => tensor.data()))) as Float32Array[];
  tf.dispose(tensors);
  return {query: query!, key: key!, value: value!, scores: scores!, ...(sinks && {sinks})};
}

/** Fails the current spec unless every element is finite and within `limit` of the oracle's. */
export async function expectGradient(
  actual: tf.Tensor | ArrayLike<number>,
  expected: ArrayLike<number>,
  limit: number,
  what: string,
): Promise<void> {
  expectWithin(actual instanceof tf.Tensor ? await actual.data() : actual, expected, limit, `gradient of ${what}`);
}

/** Sums of [batch, heads, queryLength, keyLength] for a bias of `shape`, whose dimensions are full or 1. */
export function sumsOfBroadcast(
  scores: ArrayLike<number>,
  sizes: readonly [number, number, number, number],
  shape: readonly [number, number, number, number],
): Float64Array {
  const sums = new Float64Array(shape[0] * shape[1] * shape[2] * shape[3]);
  for (let i = 0; i < scores.length; i++) {
    let [rest, at, stride] = [i, 0, 1];
    for (let axis = 3; axis >= 0; axis--) {
      if (shape[axis] !== 1) at += (rest % sizes[axis]!) * stride;
      rest = Math.floor(rest / sizes[axis]!);
      stride *= shape[axis]!;
    }
    sums[at]! += scores[i]!;
  }
  return sums;
}

/** Sums along the diagonals, for a relative bias [biasHeads, queryLength + keyLength − 1]; biasHeads is heads or 1. */
export function sumsOfDiagonals(
  scores: ArrayLike<number>,
  [, heads, queryLength, keyLength]: readonly [number, number, number, number],
  biasHeads: number,
): Float64Array {
  const width = queryLength + keyLength - 1;
  const sums = new Float64Array(biasHeads * width);
  for (let i = 0; i < scores.length; i++) {
    const [k, q] = [i % keyLength, Math.floor(i / keyLength) % queryLength];
    const h = Math.floor(i / keyLength / queryLength) % heads;
    sums[(biasHeads === 1 ? 0 : h) * width + k - q + queryLength - 1]! += scores[i]!;
  }
  return sums;
}
