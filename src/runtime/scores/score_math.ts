import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D, Tensor4D} from '@tensorflow/tfjs-core';
import {CHUNK_PAIRS, type Lines} from '../../pure.js';
import {Host} from '../host/backend.js';
import {select, slice, type Chunk, type DenseOptions, type HeadedInputs} from '../terms/part.js';
import {chunkRows} from '../tf_ops/chunks.js';
import {
  keysOfChunk,
  rowsOfChunk,
  Sum,
  sumByKeyHead,
  sumsOf,
  termParts,
  type GradientName,
  type GradientParts,
} from '../tf_ops/chunk_sums.js';
import {apartFrom, chunksOf, leastScore, matMulByHead, onlySeen, scoresOf} from '../tf_ops/dense.js';
import {scaleOf, scaledBy} from '../tf_ops/scaling.js';
import {chunkMask} from '../tf_ops/line_masks.js';
import {PairPacking, unpacked} from './packing.js';
import type {ScoreTable} from './sparse_scores.js';

/*
 * Products and softmax of packed scores by TensorFlow.js ops, a chunk of rows at a time: its pairs are spread out, computed as dense ones
 * and packed again, so that memory is that of one chunk beside the packed numbers.
 */

/** Chunks that hold pairs. */
const filled = (chunks: readonly Chunk[]): Chunk[] => chunks.filter(({keyBegin, keyEnd}) => keyEnd > keyBegin);

/** One after the other. On WebGPU the pool of TensorFlow.js keeps every buffer of every size, and chunks have many: it is trimmed after each. */
function* inTurns(chunks: readonly Chunk[]): Iterable<Chunk> {
  const host = Host.of(tf.backend());
  host?.beginCall(0);
  for (const chunk of chunks) {
    yield chunk;
    host?.endCall(noSizes);
  }
}

const noSizes = (): ReadonlySet<number> => new Set();

function chunksOfTable({lines, sizes}: ScoreTable): Chunk[] {
  const {batch, heads} = sizes;
  return batch * heads === 0 ? [] : filled(chunkRows(lines, sizes, Math.floor(CHUNK_PAIRS / (batch * heads))));
}

/** Scores of the pairs that attend, −∞ where lengths or segments hide one: [batch, heads, nnz]. */
export function packedScores(inputs: HeadedInputs, options: DenseOptions & {readonly lines: Lines}): Tensor3D {
  const [batch, heads] = inputs.query.shape;
  const packing = new PairPacking(options.lines, batch, heads);
  for (const chunk of inTurns(filled(chunksOf(inputs, options.lines))))
    packing.add(
      tf.tidy(() => chunkScores(inputs, options, chunk)),
      chunk,
    );
  return packing.total();
}

function chunkScores(inputs: HeadedInputs, options: DenseOptions, chunk: Chunk): Tensor {
  const {scores, part, attends} = scoresOf(inputs, options, chunk);
  const whole = apartFrom(scaledBy(scores, part.unit), part);
  return attends === null ? whole : select(attends, whole, -Infinity);
}

/** The gradients of query, key and terms, given those of the packed scores. */
export function scoreGradients(
  inputs: HeadedInputs,
  options: DenseOptions & {readonly lines: Lines},
  dValues: Tensor3D,
): Partial<Record<GradientName, Tensor>> {
  // Pairs of numbers that nothing comes back for are multiplied by 0, which does not stop NaN.
  const finite = (tensor: Tensor4D): Tensor4D => select(tf.isFinite(tensor), tensor, 0);
  const own: HeadedInputs = {...inputs, query: finite(inputs.query), key: finite(inputs.key)};
  const chunks = chunksOf(inputs, options.lines);
  const sums = sumsOf(inputs, options, chunks, ['query', 'key']);
  for (const chunk of inTurns(filled(chunks))) {
    const parts = tf.tidy(
      () => chunkGradients(own, options, chunk, unpacked(dValues, options.lines, chunk, 0)) as tf.TensorContainer,
    );
    for (const [name, part] of Object.entries(parts as GradientParts)) sums[name as GradientName]!.add(part, chunk);
  }
  return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum.total()]));
}

function chunkGradients(inputs: HeadedInputs, options: DenseOptions, chunk: Chunk, given: Tensor): GradientParts {
  const {part, attends, slopes} = scoresOf(inputs, options, chunk);
  const dScores = attends === null ? given : select(attends, given, 0);
  const dRaw = slopes.reduce((raw, slope) => tf.mul(raw, slope()), dScores);
  const query = slice(inputs.query, 2, chunk.rowBegin, chunk.rowEnd);
  const key = slice(inputs.key, 2, chunk.keyBegin, chunk.keyEnd);
  const {side, gradient} = scaleOf(options);
  return {
    query: tf.mul(matMulByHead(dRaw, scaledBy(key, side)), gradient),
    key: tf.mul(sumByKeyHead(dRaw, scaledBy(query, side), key.shape[1]), gradient),
    ...termParts({inputs, options, chunk, unit: part.unit, dScores, rowSums: tf.sum(dScores, -1, true), dSeen: null}),
  };
}

/** exp(score − max) / Σ of each row, `sinks` [heads] among the summands. */
export function packedSoftmax(table: ScoreTable, values: Tensor3D, sinks: Tensor | null): Tensor3D {
  const {batch, heads} = table.sizes;
  const packing = new PairPacking(table.lines, batch, heads);
  for (const chunk of inTurns(chunksOfTable(table)))
    packing.add(
      tf.tidy(() => rowSoftmax(unpacked(values, table.lines, chunk, -Infinity), sinks && tf.reshape(sinks, [1, heads, 1, 1]))),
      chunk,
    );
  return packing.total();
}

function rowSoftmax(scores: Tensor, sinks: Tensor | null): Tensor {
  const least = leastScore();
  // Not `greater`: NaN of a pair that attends stays.
  const shown = tf.logicalNot(tf.lessEqual(scores, least));
  const finite = select(shown, scores, least);
  let max: Tensor = tf.max(finite, -1, true);
  if (sinks !== null) max = tf.maximum(max, sinks);
  // WebGL packs four numbers a texel, of which the last of a row may belong to nobody: exp(0 − max) of those would be infinite below −88.
  const weights = select(shown, tf.exp(tf.minimum(tf.sub(finite, max), 0)), 0);
  let sum: Tensor = tf.sum(weights, -1, true);
  if (sinks !== null) sum = tf.add(sum, tf.exp(tf.minimum(tf.sub(sinks, max), 0)));
  return tf.div(weights, tf.add(sum, tf.cast(tf.equal(sum, 0), 'float32')));
}

/** Of scores: P ∘ (dP − Σ P∘dP); of sinks, which are in the sum alone: −(1 − Σ P) · Σ P∘dP. */
export function softmaxGradients(
  table: ScoreTable,
  weights: Tensor3D,
  dWeights: Tensor3D,
): {readonly scores: Tensor3D; readonly sinks: Tensor} {
  const {batch, heads} = table.sizes;
  const packing = new PairPacking(table.lines, batch, heads);
  let sinks: Tensor = tf.zeros([heads]);
  for (const chunk of inTurns(chunksOfTable(table))) {
    const [scores, ofSinks] = tf.tidy(() => {
      const [own, back] = [weights, dWeights].map((values) => unpacked(values, table.lines, chunk, 0)) as [Tensor4D, Tensor4D];
      const products = select(tf.notEqual(own, 0), tf.mul(own, back), 0);
      const sum = tf.sum(products, -1, true);
      const rest = tf.sub(1, tf.sum(own, -1, true));
      return [tf.sub(products, tf.mul(own, sum)), tf.neg(tf.sum(tf.mul(rest, sum), [0, 2, 3]))];
    }) as [Tensor, Tensor];
    packing.add(scores, chunk);
    const before = sinks;
    sinks = tf.add(before, ofSinks);
    tf.dispose([before, ofSinks]);
  }
  return {scores: packing.total(), sinks};
}

/** The dense chunk of a table, and what it multiplies: weights · x, or weightsᵀ · x of a transposed one. */
export function packedProduct(table: ScoreTable, values: Tensor3D, x: Tensor4D, isTransposed: boolean): Tensor4D {
  const {lines, sizes} = table;
  const {batch, heads, queryLength, keyLength} = sizes;
  const chunks = chunksOfTable(table);
  const [length, ofOutput] = isTransposed ? [keyLength, keysOfChunk] : [queryLength, rowsOfChunk];
  const sum = new Sum([batch, heads, length, x.shape[3]], 2, chunks, ofOutput);
  for (const chunk of inTurns(chunks))
    sum.add(
      tf.tidy(() => {
        const own = unpacked(values, lines, chunk, 0);
        if (isTransposed) return tf.matMul(own, forHeads(slice(x, 2, chunk.rowBegin, chunk.rowEnd), heads), true, false);
        return matMulByHead(own, seenKeys(x, lines, chunk));
      }),
      chunk,
    );
  return sum.total() as Tensor4D;
}

/** Of `packedProduct`: of the weights, and of x. */
export function productGradients(
  table: ScoreTable,
  values: Tensor3D,
  x: Tensor4D,
  dOutput: Tensor4D,
  isTransposed: boolean,
): {readonly values: Tensor3D; readonly x: Tensor4D} {
  const {lines, sizes} = table;
  const {batch, heads} = sizes;
  const chunks = chunksOfTable(table);
  const packing = new PairPacking(lines, batch, heads);
  const sum = new Sum(x.shape, 2, chunks, isTransposed ? rowsOfChunk : keysOfChunk);
  const [ofRows, ofKeys] = isTransposed ? [x, dOutput] : [dOutput, x];
  for (const chunk of inTurns(chunks)) {
    const rows = slice(ofRows, 2, chunk.rowBegin, chunk.rowEnd);
    const keys = slice(ofKeys, 2, chunk.keyBegin, chunk.keyEnd);
    packing.add(
      tf.tidy(() => tf.matMul(forHeads(rows, heads), forHeads(seenKeys(ofKeys, lines, chunk), heads), false, true)),
      chunk,
    );
    sum.add(
      tf.tidy(() => {
        const own = unpacked(values, lines, chunk, 0);
        if (!isTransposed) return sumByKeyHead(own, rows, x.shape[1]);
        const each = tf.matMul(own, keys);
        const [, , length, dim] = each.shape as Tensor4D['shape'];
        return tf.reshape(tf.sum(tf.reshape(each, [batch, x.shape[1], -1, length, dim]), 2), [batch, x.shape[1], length, dim]);
      }),
      chunk,
    );
  }
  return {values: packing.total(), x: sum.total() as Tensor4D};
}

/** The keys of a chunk, 0 where no row attends to one: padding may hold NaN, and 0 · NaN is NaN. */
function seenKeys(x: Tensor4D, lines: Lines, chunk: Chunk): Tensor4D {
  const part = slice(x, 2, chunk.keyBegin, chunk.keyEnd);
  return onlySeen(part, chunkMask(lines, x.shape[1], chunk)?.seen ?? null);
}

/** [batch, keyHeads, rows, dim] for each of `heads` that read them. */
function forHeads(x: Tensor4D, heads: number): Tensor4D {
  const [batch, own, rows, dim] = x.shape;
  if (own === heads) return x;
  const spread = tf.tile(tf.reshape(x, [batch * own, 1, rows * dim]), [1, heads / own, 1]);
  return tf.reshape(spread, [batch, heads, rows, dim]);
}
