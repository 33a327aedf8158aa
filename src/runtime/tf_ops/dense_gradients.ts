import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor4D} from '@tensorflow/tfjs-core';
import {
  select,
  slice,
  type Chunk,
  type DenseInputs,
  type DenseOptions,
  type HeadedInputs,
  type TermTensors,
} from '../terms/part.js';
import {sumByKeyHead, sumsOf, termParts, type GradientName, type GradientParts} from './chunk_sums.js';
import {chunksOf, divisor, fromHeads, headsFirst, matMulByHead, onlySeen, toHeads, weightsOf} from './dense.js';
import {scaleOf, scaledBy} from './scaling.js';

/** What the forward pass gave, and what comes back. */
export interface DenseOutcome {
  /** In layout and rank of the query, as `dOutput`. */
  readonly output: Tensor;
  readonly dOutput: Tensor;
  /** [batch, heads, queryLength] */
  readonly dLogSumExp?: Tensor | undefined;
}

/** Each of the shape and layout of its input; those of terms that the inputs have and that have one. */
export interface DenseGradients extends TermTensors {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
}

/** What all chunks read. */
interface Backward {
  readonly inputs: HeadedInputs;
  readonly options: DenseOptions;
  readonly dOutput: Tensor4D;
  /** Σ dOutput·output − dLogSumExp, [batch, heads, queryLength, 1] */
  readonly mean: Tensor;
  /** [batch, heads, queryLength, 1] */
  readonly dLogSumExp: Tensor | null;
  readonly finiteQuery: Tensor4D;
  readonly finiteKey: Tensor4D;
}

/**
 * The gradients of `denseAttention`, composed of tf ops, in the same chunks of queries:
 *
 *     dScores = P ∘ (keep · dOutput·valueᵀ − (Σ dOutput·output − dLogSumExp))
 *     dRaw    = dScores · the slopes of what terms make of products, as 1 − tanh²
 *
 * The probabilities are computed anew from the scores of a chunk, which holds whole rows. exp(score − logSumExp) would be the same on
 * paper, but logSumExp is rounded: beside padding of −1e9 nothing would be left of it.
 */
export function denseGradients(
  inputs: DenseInputs,
  options: DenseOptions,
  outcome: DenseOutcome,
  afterChunk?: () => void,
): DenseGradients {
  return tf.tidy(() => {
    const {layout} = options;
    const headed = toHeads(inputs, layout);
    const chunks = chunksOf(headed, options.lines);
    const sums = sumsOf(headed, options, chunks);
    const call = backward(headed, options, outcome);
    for (const chunk of chunks) {
      const parts = tf.tidy(() => (chunk.keyEnd === chunk.keyBegin ? emptyChunk(call, chunk) : chunkParts(call, chunk)));
      for (const [name, part] of Object.entries(parts)) sums[name as GradientName]!.add(part, chunk);
      afterChunk?.();
    }
    const totals = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum.total()])) as GradientParts;
    for (const name of ['query', 'key', 'value'] as const) {
      totals[name] = fromHeads(totals[name] as Tensor4D, layout, inputs.query.rank);
    }
    return totals as tf.TensorContainer;
  }) as unknown as DenseGradients;
}

function backward(inputs: HeadedInputs, options: DenseOptions, {output, dOutput, dLogSumExp}: DenseOutcome): Backward {
  const [batch, heads, queryLength] = inputs.query.shape;
  const headedOutput = headsFirst(dOutput, options.layout);
  let mean: Tensor = tf.sum(tf.mul(headedOutput, headsFirst(output, options.layout)), -1, true);
  let asked = tf.any(tf.notEqual(headedOutput, 0), -1, true);
  let given: Tensor | null = null;
  if (dLogSumExp !== undefined) {
    given = tf.reshape(dLogSumExp, [batch, heads, queryLength, 1]);
    mean = tf.sub(mean, given);
    asked = tf.logicalOr(asked, tf.notEqual(given, 0));
  }
  // Rows that nothing comes back for take part in nothing: they may be padding, and 0 · NaN is NaN.
  const query = select(asked, inputs.query, 0);
  // Hidden pairs multiply these by 0, which does not stop NaN. Rows that attend to NaN have it in their probabilities.
  const finite = (tensor: Tensor4D): Tensor4D => select(tf.isFinite(tensor), tensor, 0);
  return {
    inputs: {...inputs, query},
    options,
    dOutput: headedOutput,
    mean: select(asked, mean, 0),
    dLogSumExp: given,
    finiteQuery: finite(query),
    finiteKey: finite(inputs.key),
  };
}

function chunkParts(call: Backward, chunk: Chunk): GradientParts {
  const {inputs, options} = call;
  const {rowBegin, rowEnd, keyBegin, keyEnd} = chunk;
  const {
    weights,
    sum,
    unit,
    seenWeight,
    weighs,
    attends,
    seen,
    hides: addedHides,
    slopes,
    keep,
  } = weightsOf(inputs, options, chunk);
  const query = slice(call.finiteQuery, 2, rowBegin, rowEnd);
  const dOutput = select(weighs, slice(call.dOutput, 2, rowBegin, rowEnd), 0);
  const [key, value] = [call.finiteKey, inputs.value].map((tensor) => slice(tensor, 2, keyBegin, keyEnd)) as [Tensor4D, Tensor4D];
  // Whatever comes back for the logSumExp of a row without keys, −∞, goes nowhere.
  const mean = select(tf.notEqual(sum, 0), slice(call.mean, 2, rowBegin, rowEnd), 0);
  const probabilities = tf.div(weights, divisor(sum));
  const kept = keep === null ? probabilities : tf.mul(probabilities, keep);
  let products: Tensor = matMulByHead(dOutput, onlySeen(value, seen), true);
  if (keep !== null) products = tf.mul(products, keep);
  // NaN of a value, or of the tanh of a key, stays off the pairs that weigh nothing.
  const hides = attends !== null || addedHides;
  const pairs = hides ? tf.notEqual(weights, 0) : null;
  const weighed = (scores: Tensor): Tensor => (pairs === null ? scores : select(pairs, scores, 0));
  const dScores = weighed(tf.mul(probabilities, tf.sub(products, mean)));
  const dRaw = slopes.length === 0 ? dScores : weighed(slopes.reduce((raw, slope) => tf.mul(raw, slope()), dScores));
  const {side, gradient} = scaleOf(options);
  const share = seenWeight === null ? null : tf.div(seenWeight, divisor(sum));
  const given = call.dLogSumExp && select(tf.notEqual(sum, 0), slice(call.dLogSumExp, 2, rowBegin, rowEnd), 0);
  return {
    query: tf.mul(matMulByHead(dRaw, scaledBy(key, side)), gradient),
    key: tf.mul(sumByKeyHead(dRaw, scaledBy(query, side), key.shape[1]), gradient),
    value: sumByKeyHead(kept, dOutput, key.shape[1]),
    ...termParts({
      ...{inputs, options, chunk, unit, dScores},
      rowSums: rowSums(share, mean, given),
      dSeen: share && tf.neg(tf.mul(share, mean)),
    }),
  };
}

/** Σ dScores of each row; `share` is the probability of what it has seen before its keys. */
function rowSums(share: Tensor | null, mean: Tensor, dLogSumExp: Tensor | null): Tensor | null {
  const through = share === null ? null : tf.mul(share, mean);
  if (through === null || dLogSumExp === null) return through ?? dLogSumExp;
  return tf.add(through, dLogSumExp);
}

/** Rows that the pattern leaves without keys: what they have seen before is all. */
function emptyChunk({inputs, options, mean}: Backward, chunk: Chunk): GradientParts {
  const dSeen = tf.neg(slice(mean, 2, chunk.rowBegin, chunk.rowEnd));
  return termParts({inputs, options, chunk, unit: 1, dScores: null, rowSums: null, dSeen});
}
