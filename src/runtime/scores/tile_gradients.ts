import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D, Tensor4D} from '@tensorflow/tfjs-core';
import type {DenseOptions, HeadedInputs} from '../terms/part.js';
import {termsBrought} from '../terms/terms.js';
import type {GradientName} from '../tf_ops/chunk_sums.js';
import {tileProduct, tileScores} from './score_tiles.js';
import type {ScoreTable} from './sparse_scores.js';

/* The gradients of products over tiles are such products. Null where tiles do not suit one of them. */

/** [batch, heads, length, dim] summed over the heads that share one of fewer. */
function sumGroups(x: Tensor, [, heads]: readonly number[]): Tensor {
  const [batch, all, length, dim] = x.shape as [number, number, number, number];
  if (all === heads) return x;
  return tf.tidy(() => tf.reshape(tf.sum(tf.reshape(x, [batch, heads!, all / heads!, length, dim]), 2), [batch, heads!, length, dim]));
}

/** Of query and key, where no term comes between product and score. */
export function tileScoreGradients(
  table: ScoreTable,
  {query, key, value: _keys, ...terms}: HeadedInputs,
  {lines: _lines, queryOffset: _offset, layout: _layout, scale, ...numbers}: DenseOptions,
  dValues: Tensor3D,
): Partial<Record<GradientName, Tensor>> | null {
  if (termsBrought(terms, numbers).length > 0) return null;
  const ofQuery = tileProduct(table, dValues, key, {layout: 'bhld', transposed: false, scale});
  const ofKey = tileProduct(table, dValues, query, {layout: 'bhld', transposed: true, scale});
  return ofQuery === null || ofKey === null ? null : {query: ofQuery, key: sumGroups(ofKey, key.shape)};
}

/** Of weights, and of x. */
export function tileProductGradients(
  table: ScoreTable,
  values: Tensor3D,
  x: Tensor4D,
  dOutput: Tensor4D,
  isTransposed: boolean,
): {readonly values: Tensor3D; readonly x: Tensor4D} | null {
  const [query, key] = isTransposed ? [x, dOutput] : [dOutput, x];
  const ofValues = tileScores(table, {query: repeatHeads(query, table.sizes.heads), key}, {scale: 1, layout: 'bhld'});
  const ofX = tileProduct(table, values, dOutput, {layout: 'bhld', transposed: !isTransposed});
  return ofValues === null || ofX === null ? null : {values: ofValues, x: sumGroups(ofX, x.shape) as Tensor4D};
}

/** Rows of a product have heads each, which those of a transposed one may share. */
function repeatHeads(x: Tensor4D, heads: number): Tensor4D {
  const [batch, own, length, dim] = x.shape;
  if (own === heads) return x;
  const spread = tf.tile(tf.reshape(x, [batch * own, 1, length * dim]), [1, heads / own, 1]);
  return tf.reshape(spread, [batch, heads, length, dim]);
}
