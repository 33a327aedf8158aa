import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor4D} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import type {Problem} from '../../pure.js';
import {floats, shapeOf} from '../given/arguments.js';
import type {NumberArray} from '../given/number_array.js';
import {distances, standing} from './distances.js';
import {inUnits, byHead, type CacheRows} from './part.js';
import {shapedPerHead} from './shaped.js';
import type {BackwardScores, CallTerm} from './term.js';

export interface AlibiOptions {
  /** float32 [heads]: ALiBi (arXiv 2108.12409), adds −slope · |p − key|, where p = query + queryOffset. */
  readonly alibiSlopes?: Tensor | NumberArray | null | undefined;
}

export const alibiCall: CallTerm<AlibiOptions> = {
  name: 'alibi',
  options: {alibiSlopes: true},
  roles: ['alibiSlopes'],
  check: ({alibiSlopes}, {problem}) =>
    alibiSlopes === undefined ? {} : {tensors: {alibiSlopes: checkSlopes(alibiSlopes, problem)}},
  example: ({heads}) => ({tensors: {alibiSlopes: tf.zeros([heads])}}),
  cached: {rows: ({alibiSlopes}, rows) => slopedRows(alibiSlopes!, rows)},
  ops: {
    moves(scores, part) {
      const slopes = byHead(part.inputs.alibiSlopes!);
      const {near} = distances(part.inputs, part.options, part.chunk);
      return {scores: tf.sub(scores, tf.mul(inUnits(slopes, part), near))};
    },
    apart({inputs, options, chunk}) {
      const {beyond} = standing(inputs, options, chunk);
      return beyond === null ? null : tf.mul(byHead(inputs.alibiSlopes!), beyond);
    },
    gradients({inputs, options, chunk, dScores, rowSums}) {
      if (dScores === null) return {};
      const {near, beyond} = distances(inputs, options, chunk);
      const sum = tf.sum<tf.Tensor1D>(tf.mul(dScores, near), [0, 2, 3]);
      const far = beyond === null || rowSums === null ? null : tf.sum<tf.Tensor1D>(tf.mul(rowSums, beyond), [0, 2, 3]);
      return {alibiSlopes: tf.neg(far === null ? sum : tf.add(sum, far))};
    },
    interval: ({alibiSlopes}) => ({axis: 0, begin: 0, end: alibiSlopes!.shape[0]}),
  },
  gradients: {alibiSlopes: (call) => slopeGradients(call)},
};

/** −slope·|p − key|: [1, heads, tokens, columns]. */
function slopedRows(slopes: Tensor, {first, tokens, positions}: CacheRows): Tensor4D {
  const columns = positions.length;
  const distances = new Float32Array(tokens * columns);
  for (let i = 0; i < tokens; i++) {
    for (let k = 0; k < columns; k++) distances[i * columns + k] = -Math.abs(first + i - positions[k]!);
  }
  return tf.mul(tf.reshape(slopes, [1, -1, 1, 1]), tf.tensor4d(distances, [1, 1, tokens, columns]));
}

function checkSlopes(given: Tensor | NumberArray, {batch, heads}: Problem): tf.Tensor1D {
  const tensor = floats('alibiSlopes', given);
  if (tensor.rank > 1 && tensor.size === batch * heads) {
    const cure =
      'Slopes belong to heads, the same in all sequences: give one row of them. What differs by sequence is a bias: ' +
      '−slope · |distance| of [batch, heads, queryLength, keyLength].';
    refuse('alibiSlopes', `shape ${shapeOf(tensor)}`, `[heads] = [${heads}]`, cure);
  }
  return shapedPerHead('alibiSlopes', tensor, heads);
}

/**
 * −Σ dS · |p − key|: what a relative bias would get, weighed by the distance along each diagonal. Distances count from the smallest:
 * those of far positions are long, and Σ dS of a row, which multiplies what they share, is known without rounding.
 */
function slopeGradients(call: BackwardScores): Tensor {
  const {heads, queryLength, keyLength, queryOffset} = call.problem;
  const entries = queryLength + keyLength - 1;
  const all = Array.from({length: entries}, (_, r) => Math.abs(r - queryLength + 1 - queryOffset));
  const least = Math.max(0, queryOffset - keyLength + 1, 1 - queryLength - queryOffset);
  const near = tf.sum(tf.mul(call.diagonals(heads), tf.tensor1d(all.map((distance) => least - distance))), 1);
  return least === 0 ? near : tf.sub(near, tf.mul(tf.sum(call.rowSums(), [0, 2]), least));
}
