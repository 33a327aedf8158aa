import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor1D, Tensor2D, Tensor4D} from '@tensorflow/tfjs-core';
import type {Chunk} from './chunks.js';
import {
  chunksOf,
  divisor,
  firstDiagonal,
  foldHeads,
  fromHeads,
  headsFirst,
  matMulByHead,
  onlySeen,
  select,
  slice,
  toHeads,
  weightsOf,
  type DenseInputs,
  type DenseOptions,
  type HeadedInputs,
} from './dense.js';
import {diagonalSums} from './diagonals.js';
import {distances} from './distances.js';
import {scaleOf, scaledBy} from './scaling.js';

/** What the forward pass gave, and what comes back. */
export interface DenseOutcome {
  /** In layout and rank of the query, as `dOutput`. */
  readonly output: Tensor;
  readonly dOutput: Tensor;
  /** [batch, heads, queryLength] */
  readonly dLogSumExp?: Tensor | undefined;
}

/** Each of the shape and layout of its input; those that the inputs have. */
export interface DenseGradients {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly bias?: Tensor4D;
  readonly relativeBias?: Tensor2D;
  readonly sinks?: Tensor1D;
  readonly alibiSlopes?: Tensor1D;
}

type Name = keyof DenseGradients;
type Parts = Partial<Record<Name, Tensor>>;

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
 *     dRaw    = dScores · (1 − tanh²)
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
    const chunks = chunksOf(headed, options.rows);
    const sums = sumsOf(headed, chunks);
    const call = backward(headed, options, outcome);
    for (const chunk of chunks) {
      const parts = tf.tidy(() => (chunk.keyEnd === chunk.keyBegin ? emptyChunk(call, chunk) : chunkParts(call, chunk)));
      for (const [name, part] of Object.entries(parts)) sums[name as Name]!.add(part, chunk);
      afterChunk?.();
    }
    const totals = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum.total()])) as Parts;
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

function chunkParts(call: Backward, chunk: Chunk): Parts {
  const {inputs, options} = call;
  const {rowBegin, rowEnd, keyBegin, keyEnd} = chunk;
  const {weights, sum, sinkWeight, weighs, attends, seen, cap, keep} = weightsOf(inputs, options, chunk);
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
  const hides = attends !== null || inputs.bias !== undefined;
  const pairs = hides ? tf.notEqual(weights, 0) : null;
  const weighed = (scores: Tensor): Tensor => (pairs === null ? scores : select(pairs, scores, 0));
  const dScores = weighed(tf.mul(probabilities, tf.sub(products, mean)));
  const dRaw = cap === null ? dScores : weighed(tf.mul(dScores, tf.sub(1, tf.square(cap))));
  const {side, gradient} = scaleOf(options);
  const share = sinkWeight === null ? null : tf.div(sinkWeight, divisor(sum));
  const given = call.dLogSumExp && select(tf.notEqual(sum, 0), slice(call.dLogSumExp, 2, rowBegin, rowEnd), 0);
  return {
    query: tf.mul(matMulByHead(dRaw, scaledBy(key, side)), gradient),
    key: tf.mul(sumByKeyHead(dRaw, scaledBy(query, side), key.shape[1]), gradient),
    value: sumByKeyHead(kept, dOutput, key.shape[1]),
    ...scoreParts(call, chunk, dScores, rowSums(share, mean, given)),
    ...(share !== null && {sinks: tf.neg(tf.sum(tf.mul(share, mean), [0, 2, 3]))}),
  };
}

/** Σ dScores of each row: of its own, only a sink or a log-sum-exp makes it other than 0. `share` is the probability of the sink. */
function rowSums(share: Tensor | null, mean: Tensor, dLogSumExp: Tensor | null): Tensor | null {
  const through = share === null ? null : tf.mul(share, mean);
  if (through === null || dLogSumExp === null) return through ?? dLogSumExp;
  return tf.add(through, dLogSumExp);
}

/** Only sinks take part in the denominator of rows that the pattern leaves without keys. */
function emptyChunk({inputs, mean}: Backward, {rowBegin, rowEnd}: Chunk): Parts {
  if (inputs.sinks === undefined) return {};
  const sum = tf.neg(tf.sum(slice(mean, 2, rowBegin, rowEnd), [0, 2, 3]));
  return {sinks: select(tf.isFinite(inputs.sinks), sum, 0)};
}

/** What was added to the scores gets sums of their gradient. */
function scoreParts({inputs, options}: Backward, chunk: Chunk, dScores: Tensor, ofRows: Tensor | null): Parts {
  const {bias, relativeBias, alibiSlopes} = inputs;
  const [batch, heads] = inputs.query.shape;
  const parts: Parts = {};
  if (bias !== undefined) {
    const axes = bias.shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
    parts.bias = axes.length === 0 ? dScores : tf.sum(dScores, axes, true);
    if (bias.shape[2] > 1 && bias.shape[3] > 1) {
      const beside: [number, number][] = [
        [0, 0],
        [0, 0],
        [0, 0],
        [chunk.keyBegin, bias.shape[3] - chunk.keyEnd],
      ];
      parts.bias = tf.pad(parts.bias, beside);
    }
  }
  if (relativeBias !== undefined) {
    const [count] = relativeBias.shape;
    const rows = tf.reshape(dScores, [(batch * heads) / count, count, ...dScores.shape.slice(2)]);
    parts.relativeBias = diagonalSums(tf.sum(rows, 0));
  }
  if (alibiSlopes !== undefined) {
    const {near, beyond} = distances(inputs, options, chunk);
    const sum = tf.sum(tf.mul(dScores, near), [0, 2, 3]);
    const far = beyond === null || ofRows === null ? null : tf.sum(tf.mul(ofRows, beyond), [0, 2, 3]);
    parts.alibiSlopes = tf.neg(far === null ? sum : tf.add(sum, far));
  }
  return parts;
}

/** aᵀ·b over all rows and all the heads that read a key head, [batch, keyHeads, keys, dim] */
const sumByKeyHead = (a: Tensor, b: Tensor, keyHeads: number): Tensor =>
  tf.matMul(foldHeads(a, keyHeads), foldHeads(b, keyHeads), true, false);

/** Where each chunk adds to each gradient: rows that no other chunk has, keys and diagonals that others have, too, or all of it. */
function sumsOf(
  {query, key, value, bias, relativeBias, sinks, alibiSlopes}: HeadedInputs,
  chunks: Chunk[],
): Partial<Record<Name, Sum>> {
  const ofRows = ({rowBegin, rowEnd}: Chunk): Interval => [rowBegin, rowEnd];
  const ofKeys = ({keyBegin, keyEnd}: Chunk): Interval => [keyBegin, keyEnd];
  const queryLength = query.shape[2];
  const ofDiagonals = (chunk: Chunk): Interval => {
    const first = firstDiagonal(queryLength, chunk);
    return [first, Math.max(first, chunk.keyEnd - chunk.rowBegin + queryLength - 1)];
  };
  const whole = (): Interval => [0, 1];
  const sums: Partial<Record<Name, Sum>> = {
    query: new Sum(query.shape, 2, chunks, ofRows),
    key: new Sum(key.shape, 2, chunks, ofKeys),
    value: new Sum(value.shape, 2, chunks, ofKeys),
  };
  if (bias !== undefined) {
    const axis = bias.shape[2] > 1 ? 2 : 3;
    sums.bias = new Sum(bias.shape, axis, chunks, bias.shape[axis] === 1 ? whole : axis === 2 ? ofRows : ofKeys);
  }
  if (relativeBias !== undefined) sums.relativeBias = new Sum(relativeBias.shape, 1, chunks, ofDiagonals);
  for (const [name, tensor] of Object.entries({sinks, alibiSlopes})) {
    if (tensor !== undefined) sums[name as Name] = new Sum(tensor.shape, 0, chunks, () => [0, tensor.shape[0]]);
  }
  return sums;
}

type Interval = readonly [begin: number, end: number];

/** A sum that grows by intervals of one axis, in pieces between the borders of all intervals: a chunk touches only what it adds to. */
class Sum {
  readonly #shape: number[];
  readonly #axis: number;
  readonly #interval: (chunk: Chunk) => Interval;
  /** Ascending, from 0 to the length of the axis. */
  readonly #borders: number[];
  readonly #pieces: (Tensor | undefined)[];

  constructor(shape: number[], axis: number, chunks: Chunk[], interval: (chunk: Chunk) => Interval) {
    [this.#shape, this.#axis, this.#interval] = [shape, axis, interval];
    this.#borders = [...new Set([0, shape[axis]!, ...chunks.flatMap((chunk) => [...interval(chunk)])])].sort((a, b) => a - b);
    this.#pieces = Array<Tensor | undefined>(this.#borders.length - 1).fill(undefined);
  }

  /** Takes `part`. */
  add(part: Tensor, chunk: Chunk): void {
    const [begin, end] = this.#interval(chunk);
    const first = this.#borders.indexOf(begin);
    for (let i = first; this.#borders[i]! < end; i++) {
      const share = (): Tensor => slice(part, this.#axis, this.#borders[i]! - begin, this.#borders[i + 1]! - begin);
      const before = this.#pieces[i];
      this.#pieces[i] = tf.tidy(() => (before === undefined ? tf.clone(share()) : tf.add(before, share())));
      before?.dispose();
    }
    part.dispose();
  }

  total(): Tensor {
    const pieces = this.#pieces.map((piece, i) => {
      const size = this.#borders[i + 1]! - this.#borders[i]!;
      return piece ?? tf.zeros(this.#shape.map((full, axis) => (axis === this.#axis ? size : full)));
    });
    return pieces.length === 1 ? pieces[0]! : tf.concat(pieces, this.#axis);
  }
}
