import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D} from '@tensorflow/tfjs-core';
import {
  generatePackedProduct,
  generatePackedScores,
  generatePackedSoftmax,
  generateSoftmaxGradient,
  PLAIN,
  type Layout,
  type Problem,
} from '../../pure.js';
import {callParams, type CallNumbers} from '../launch/launch.js';
import type {DenseInputs} from '../terms/part.js';
import {featuresOf} from '../terms/terms.js';
import {packedListsOf, spansOf} from './table_lists.js';
import {runPacked} from './packed_run.js';
import {tileProduct, tileScores} from './score_tiles.js';
import type {ScoreTable} from './sparse_scores.js';

/** Packed scores, weights and products by kernels of ours that go over rows, for tables of any pattern. */

/** Numbers of a row of x that are multiplied a trip: 8 takes 2–4 % less than 4 (lab, H200, 2026-11-29). */
const UNROLL = 8;

/** Scores of the pairs that attend, −∞ where lengths, segments or a bias hide one: [batch, heads, nnz]. */
export const rowScores = (
  table: ScoreTable,
  inputs: Omit<DenseInputs, 'value'>,
  numbers: CallNumbers,
  problem: Problem,
): Tensor3D => tileScores(table, inputs, numbers) ?? runScores(table, inputs, numbers, problem, null);

/** Their softmax, with `sinks` [heads] among the summands, by one kernel: see `weighsInOne`. */
export const rowWeights = (
  table: ScoreTable,
  inputs: Omit<DenseInputs, 'value'>,
  numbers: CallNumbers,
  problem: Problem,
  sinks: Tensor | null,
): Tensor3D => runScores(table, inputs, numbers, problem, {sinks});

function runScores(
  table: ScoreTable,
  {query, key, mask: _mask, ...terms}: Omit<DenseInputs, 'value'>,
  numbers: CallNumbers,
  problem: Problem,
  softmax: {readonly sinks: Tensor | null} | null,
): Tensor3D {
  const lists = packedListsOf(table, false);
  const features = featuresOf(terms, numbers, numbers.scale);
  const {batch, heads} = table.sizes;
  const sinks = softmax?.sinks ?? null;
  const weighs = softmax && {sinks: sinks !== null};
  const [scores] = runPacked(softmax === null ? 'SplatSddmm' : 'SplatAttentionWeights', {
    lists,
    key: {problem, features, weighs},
    generate: () => generatePackedScores(lists, problem, features, weighs),
    tensors: {query, key, ...terms, ...(sinks && {sinks})},
    shapes: {output: [batch, heads, lists.nnz]},
    call: callParams({query, key, ...terms}, numbers),
  });
  return scores as Tensor3D;
}

/** exp(score − max) / Σ of each row, `sinks` [heads] among the summands. */
export function rowSoftmax(table: ScoreTable, values: Tensor3D, sinks: Tensor | null): Tensor3D {
  const {batch, heads} = table.sizes;
  const lists = spansOf(table);
  const options = {batch, heads, sinks: sinks !== null};
  const [weights] = runPacked('SplatSparseSoftmax', {
    lists,
    key: options,
    generate: () => generatePackedSoftmax(lists, options),
    tensors: {values, ...(sinks && {sinks})},
    shapes: {output: values.shape},
  });
  return weights as Tensor3D;
}

/** Of scores and of sinks, where there are any. */
export function rowSoftmaxGradients(table: ScoreTable, weights: Tensor3D, dWeights: Tensor3D, sinks: boolean): Tensor[] {
  const {batch, heads} = table.sizes;
  const lists = spansOf(table);
  const options = {batch, heads, sinks};
  const [scores, ofRows] = runPacked('SplatSparseSoftmax', {
    lists,
    key: {...options, gradient: true},
    generate: () => generateSoftmaxGradient(lists, options),
    tensors: {values: weights, dOutput: dWeights},
    shapes: {output: weights.shape, ...(sinks && {dSinks: [batch, heads, lists.rows]})},
  }) as [Tensor, Tensor | undefined];
  return ofRows === undefined ? [scores] : [scores, tf.sum(ofRows, [0, 2])];
}

/** How a product reads x and writes its output. */
export interface RowProduct {
  readonly layout: Layout;
  /** Rows of the output are keys. */
  readonly transposed: boolean;
  /** Of the output. */
  readonly scale?: number;
  /** What a number of 0 multiplies may be anything. */
  readonly zeroHides?: boolean;
}

/** Numbers times rows of x [batch, xHeads, length, dim], in the layout and of rank 4, or of rank 3 where there is one head. */
export function rowProduct(table: ScoreTable, values: Tensor3D, x: Tensor, how: RowProduct): Tensor {
  const {layout, transposed, scale = 1, zeroHides = false} = how;
  const tiled = tileProduct(table, values, x, {layout, transposed, scale, zeroHides});
  if (tiled !== null) return tiled;
  const {batch, heads, queryLength, keyLength} = table.sizes;
  const [length, rows] = transposed ? [queryLength, keyLength] : [keyLength, queryLength];
  const xHeads = x.rank === 4 ? x.shape[layout === 'bhld' ? 1 : 2]! : 1;
  const dim = x.shape.at(-1)!;
  const lists = packedListsOf(table, transposed);
  const options = {
    ...({batch, heads, dim, headGroup: heads / xHeads, scale, zeroHides, unroll: UNROLL} as const),
    xStrides: stridesOf(layout, xHeads, length),
    outputStrides: stridesOf(layout, heads, rows),
  };
  const [output] = runPacked('SplatSpmm', {
    lists,
    key: options,
    generate: () => generatePackedProduct(lists, options),
    tensors: {values, x},
    shapes: {output: outputShape(x.rank === 3 && heads === 1 ? 3 : 4, layout, [batch, heads, rows, dim])},
  });
  return output!;
}

const stridesOf = (layout: Layout, heads: number, length: number): [sequence: number, head: number, row: number] =>
  layout === 'bhld' ? [heads * length, length, 1] : [heads * length, 1, heads];

function outputShape(rank: 3 | 4, layout: Layout, [batch, heads, rows, dim]: readonly [number, number, number, number]): number[] {
  if (rank === 3) return [batch, rows, dim];
  return layout === 'bhld' ? [batch, heads, rows, dim] : [batch, rows, heads, dim];
}

/** The products of the rows of two tensors at the pairs of a table; `key` may have fewer heads. */
function pairProducts(table: ScoreTable, query: Tensor, key: Tensor, layout: Layout): Tensor3D {
  const {batch, heads, queryLength, keyLength, queryOffset} = table.sizes;
  const tiled = tileScores(table, {query, key}, {scale: 1, layout});
  if (tiled !== null) return tiled;
  const keyHeads = key.rank === 4 ? key.shape[layout === 'bhld' ? 1 : 2]! : 1;
  const headDim = key.shape.at(-1)!;
  const lists = packedListsOf(table, false);
  const problem: Problem = {
    ...{batch, heads, keyHeads, packedHeads: 1, headDim, valueDim: headDim},
    ...{queryLength, keyLength, queryOffset},
  };
  const [products] = runPacked('SplatSddmm', {
    lists,
    key: {problem, features: PLAIN},
    generate: () => generatePackedScores(lists, problem, PLAIN),
    tensors: {query, key},
    shapes: {output: [batch, heads, lists.nnz]},
    call: {scale: 1, layout},
  });
  return products as Tensor3D;
}

/** The gradients of `rowProduct`: of the numbers, and of x. */
export function rowProductGradients(
  table: ScoreTable,
  values: Tensor3D,
  x: Tensor,
  dOutput: Tensor,
  {layout, transposed}: RowProduct,
): [values: Tensor3D, x: Tensor] {
  const dValues = transposed
    ? pairProducts(table, forHeads(x, table.sizes.heads, layout), dOutput, layout)
    : pairProducts(table, dOutput, x, layout);
  const dX = rowProduct(table, values, dOutput, {layout, transposed: !transposed});
  return [dValues, sumOverGroups(dX, x.shape, layout)];
}

/** Sums over the heads that read one, of a tensor that has a row for each of them. */
export function sumOverGroups(dX: Tensor, shape: readonly number[], layout: Layout): Tensor {
  if (dX.size === tf.util.sizeFromShape([...shape])) return tf.reshape(dX, [...shape]);
  const axis = layout === 'bhld' ? 1 : 2;
  const own = shape.length === 4 ? shape[axis]! : 1;
  const apart = [...dX.shape.slice(0, axis), own, dX.shape[axis]! / own, ...dX.shape.slice(axis + 1)];
  return tf.reshape(tf.sum(tf.reshape(dX, apart), axis + 1), [...shape]);
}

/** Each head as often as it is read. */
function forHeads(x: Tensor, heads: number, layout: Layout): Tensor {
  const axis = layout === 'bhld' ? 1 : 2;
  const own = x.rank === 4 ? x.shape[axis]! : 1;
  if (own === heads) return x;
  const of = Array.from({length: heads}, (_, head) => Math.floor((head * own) / heads));
  return tf.gather(x.rank === 4 ? x : tf.expandDims(x, axis), tf.tensor1d(of, 'int32'), axis);
}

/**
 * The gradients of query and key, given those of scores; `scores` of −∞ are of pairs that are hidden, and pass nothing on, whatever query and
 * key hold there.
 */
export function rowScoreGradients(
  table: ScoreTable,
  {query, key}: Readonly<Record<'query' | 'key', Tensor>>,
  dScores: Tensor3D,
  {layout, scale}: {readonly layout: Layout; readonly scale: number},
): {readonly query: Tensor; readonly key: Tensor} {
  const how = {layout, scale, zeroHides: true};
  const dQuery = rowProduct(table, dScores, key, {...how, transposed: false});
  const dKey = rowProduct(table, dScores, query, {...how, transposed: true});
  return {query: tf.reshape(dQuery, query.shape), key: sumOverGroups(dKey, key.shape, layout)};
}
