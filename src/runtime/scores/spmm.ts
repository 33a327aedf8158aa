import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor2D, Tensor3D} from '@tensorflow/tfjs-core';
import {readOptions, refuse, type NamesOf, type OptionWords} from '../../support/index.js';
import type {Layout} from '../../pure.js';
import {checkLayout} from '../call/check.js';
import {firstOrder} from '../call/first_order.js';
import {withGradient} from '../call/with_gradient.js';
import {floats, shapeOf, sizesOf} from '../given/arguments.js';
import type {NumberArray} from '../given/number_array.js';
import {fromHeads, headsFirst} from '../tf_ops/dense.js';
import {checkTensorFits, checkScores} from './check.js';
import {chooses} from './choose.js';
import {rowProduct, rowProductGradients} from './score_kernels.js';
import {packedProduct, productGradients} from './score_math.js';
import {scoresOfMatrix, SparseMatrix} from './sparse_matrix.js';
import {tableOf, type SparseScores} from './sparse_scores.js';

/** Of `spmm`. */
export interface SpmmOptions {
  /** Of value and output: `bhld` (default) [batch, heads, length, dim], or `blhd` [batch, length, heads, dim]. */
  readonly layout?: Layout | null | undefined;
}

const NAMES: NamesOf<SpmmOptions> = {layout: true};
const WORDS: OptionWords = {
  all: 'options',
  expected: "an object such as {layout: 'blhd'}",
  cure: 'Leave it out for the defaults.',
  one: (name) => `option ${name}`,
};

/**
 * Sparse weights times dense values: row q of the output is the sum of the values of its pairs, each times its weight; zeros for a row
 * without pairs. (Sparse-dense matrix product; the third of the three kernels of SPLAT, arXiv 2407.16847.) Differentiable in both.
 *
 * ```js
 * const weights = attentionWeights(query, key, pattern);
 * const output = spmm(weights, value); // [1, 8, 1024, 64], as sparseAttention gives it
 * const back = spmm(weights.transpose(), output); // [1, 8, 1024, 64], one row for each key
 * ```
 *
 * A `sparseMatrix` [rows, columns] is multiplied by a dense one, [columns, n].
 *
 * @param weights As `attentionWeights` and `sddmm` make them, or transposed.
 * @param value float32 [batch, valueHeads, keyLength, valueDim], or [batch, keyLength, valueDim] for one head; valueHeads divides the heads
 *   of weights. Beside transposed weights it has queryLength rows.
 * @returns float32 [batch, heads, queryLength, valueDim] (keyLength rows of transposed weights), of the rank and layout of value; of rank 4
 *   where weights have several heads.
 * @throws SplatError before any GPU work when an argument is not as described.
 */
export function spmm(weights: SparseScores, value: Tensor | NumberArray, options?: SpmmOptions): Tensor;
export function spmm(matrix: SparseMatrix, dense: Tensor | NumberArray): Tensor2D;
export function spmm(left: SparseScores | SparseMatrix, right: Tensor | NumberArray, options: SpmmOptions = {}): Tensor {
  return left instanceof SparseMatrix ? matrixProduct(left, floats('dense', right)) : weightsProduct(left, right, options);
}

function matrixProduct(matrix: SparseMatrix, dense: Tensor): Tensor2D {
  const [rows, columns] = matrix.shape;
  if (dense.rank !== 2 || dense.shape[0] !== columns)
    refuse('dense', `shape ${shapeOf(dense)}`, `[${columns}, n]`, `The matrix is [${rows}, ${columns}].`);
  return tf.tidy(() => {
    const output = weightsProduct(scoresOfMatrix(matrix), tf.reshape(dense, [1, columns, dense.shape[1]!]), {});
    return tf.reshape(output, [rows, dense.shape[1]!]);
  });
}

function weightsProduct(weights: SparseScores, value: Tensor | NumberArray, options: SpmmOptions): Tensor {
  const layout = checkLayout(readOptions(options, NAMES, WORDS).layout);
  const {values, shape, isTransposed} = checkScores('weights', weights);
  const table = tableOf(weights);
  const given = checkValue(floats('value', value), shape, layout);
  const [batch, heads, rows] = shape;
  const rank = heads === 1 ? given.rank : 4;
  const dim = given.shape.at(-1)!;
  checkTensorFits('output', [batch, heads, rows, dim], 'Split the batch or the heads over several calls.');
  const how = {layout, transposed: isTransposed};
  return withGradient<Tensor>(
    [values, given],
    ([own, x]) =>
      x!.size > 0 && chooses(table, {product: isTransposed ? 'transposed' : 'spmm', x: x!, layout}) === 'kernels'
        ? rowProduct(table, own as Tensor3D, x!, how)
        : fromHeads(packedProduct(table, own as Tensor3D, headsFirst(x!, layout), isTransposed), layout, rank),
    (dOutput, [own, x]) =>
      firstOrder('spmm', [dOutput, own!, x!], () => {
        const products = [
          {product: 'sddmm', x: isTransposed ? dOutput : x!, layout},
          {product: isTransposed ? 'spmm' : 'transposed', x: dOutput, layout},
        ] as const;
        if (x!.size > 0 && chooses(table, ...products) === 'kernels')
          return rowProductGradients(table, own as Tensor3D, x!, dOutput, how);
        const back = headsFirst(dOutput, layout);
        const gradients = productGradients(table, own as Tensor3D, headsFirst(x!, layout), back, isTransposed);
        return [gradients.values, fromHeads(gradients.x, layout, given.rank)];
      }),
  );
}

function checkValue(value: Tensor, [batch, heads, , columns]: readonly [number, number, number, number], layout: Layout): Tensor {
  if (value.rank !== 3 && value.rank !== 4)
    refuse('value', `shape ${shapeOf(value)}`, '[batch, heads, length, dim], or [batch, length, dim] for one head', 'Reshape it.');
  const [ownBatch, ownHeads, length] = sizesOf(value.shape, layout);
  const refuseSize = (name: string, found: number, expected: string): never =>
    refuse(`${name} of value`, String(found), expected, `The weights are [${batch}, ${heads}, rows, ${columns}].`);
  if (ownBatch !== batch) refuseSize('batch', ownBatch, `${batch}, as the weights have`);
  if (length !== columns) refuseSize('length', length, `${columns}, the columns of the weights`);
  if (ownHeads === 0 ? heads > 0 : heads % ownHeads !== 0)
    refuseSize('heads', ownHeads, `a divisor of ${heads}, the heads of the weights`);
  return value;
}
