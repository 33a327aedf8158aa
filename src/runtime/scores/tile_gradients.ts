import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D, Tensor4D} from '@tensorflow/tfjs-core';
import type {Lines} from '../../pure.js';
import type {DenseOptions, HeadedInputs} from '../terms/part.js';
import {termsBrought} from '../terms/terms.js';
import type {GradientName} from '../tf_ops/chunk_sums.js';
import {tileSddmm, tileSpmm} from './score_tiles.js';
import type {ScoreTable} from './sparse_scores.js';

/* The gradients of products over tiles are such products. Null where tiles do not suit one of them. */

/** [batch, heads, length, dim] summed over the heads that share one of fewer. */
function sumGroups(x: Tensor4D, [, heads]: readonly number[]): Tensor4D {
  const [batch, all, length, dim] = x.shape;
  if (all === heads) return x;
  return tf.tidy(() => tf.reshape(tf.sum(tf.reshape(x, [batch, heads!, all / heads!, length, dim]), 2), [batch, heads!, length, dim]));
}

/** Of query and key, where no term comes between product and score. */
export function tileScoreGradients(
  table: ScoreTable,
  {query, key, value: _keys, ...terms}: HeadedInputs,
  {lines: _lines, queryOffset: _offset, layout: _layout, scale, ...numbers}: DenseOptions & {readonly lines: Lines},
  dValues: Tensor3D,
): Partial<Record<GradientName, Tensor>> | null {
  if (termsBrought(terms, numbers).length > 0) return null;
  const ofQuery = tileSpmm(table, dValues, key, false);
  const ofKey = tileSpmm(table, dValues, query, true);
  if (ofQuery === null || ofKey === null) return null;
  return {
    query: tf.tidy(() => tf.mul(ofQuery.run(), scale)),
    key: tf.tidy(() => tf.mul(sumGroups(ofKey.run(), key.shape), scale)),
  };
}

/** Of weights, and of x. */
export function tileProductGradients(
  table: ScoreTable,
  values: Tensor3D,
  x: Tensor4D,
  dOutput: Tensor4D,
  isTransposed: boolean,
): {readonly values: Tensor3D; readonly x: Tensor4D} | null {
  const {lines, sizes} = table;
  const [query, key] = isTransposed ? [x, dOutput] : [dOutput, x];
  const {queryOffset} = sizes;
  const repeated = repeatHeads(query, sizes.heads);
  const ofValues = tileSddmm({query: repeated, key, value: key}, {lines, queryOffset, scale: 1, layout: 'bhld'});
  const ofX = tileSpmm(table, values, dOutput, !isTransposed);
  if (ofValues === null || ofX === null) return null;
  return {values: ofValues.run(), x: tf.tidy(() => sumGroups(ofX.run(), x.shape))};
}

/** Rows of a product have heads each, which those of a transposed one may share. */
function repeatHeads(x: Tensor4D, heads: number): Tensor4D {
  const [batch, own, length, dim] = x.shape;
  if (own === heads) return x;
  return tf.tidy(() => {
    const spread = tf.tile(tf.reshape(x, [batch * own, 1, length * dim]), [1, heads / own, 1]);
    return tf.reshape(spread, [batch, heads, length, dim]);
  });
}
