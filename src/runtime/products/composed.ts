import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {listOf} from '../../support/index.js';
import type {BlockMask} from '../../pure.js';
import type {ProductCall} from './product_call.js';

/**
 * tf.matMul of operands whose masked blocks are zeros, whatever they hold; so are those of the output. For backends other than WebGPU, and
 * where it is predicted to be faster.
 */
export function composedProduct(a: Tensor, b: Tensor, {problem}: ProductCall): Tensor {
  const {block, transposeA, transposeB, maskA, maskB, maskC} = problem;
  const [ofA, ofB] = [sidesOf(block.m, block.k, transposeA), sidesOf(block.k, block.n, transposeB)];
  const product = tf.matMul(kept(a, maskA, ofA), kept(b, maskB, ofB), transposeA, transposeB);
  return kept(product, maskC, [block.m, block.n]);
}

const sidesOf = (rows: number, columns: number, isTurned: boolean): [rows: number, columns: number] =>
  isTurned ? [columns, rows] : [rows, columns];

/** The numbers of blocks that a mask holds, and zeros. */
function kept(tensor: Tensor, mask: BlockMask | null, sides: readonly [rows: number, columns: number]): Tensor {
  if (mask === null) return tensor;
  const {rows, columns, of} = mask;
  const blockOf = (axis: -2 | -1, side: number): Tensor =>
    tf.tensor1d(
      listOf(tensor.shape.at(axis)!, (i) => Math.floor(i / side)),
      'int32',
    );
  const blocks = tf.tensor3d(entriesOf(mask), [of.length, rows, columns]);
  const spread = tf.gather(tf.gather(blocks, blockOf(-2, sides[0]), 1), blockOf(-1, sides[1]), 2);
  const own = of.length === 1 ? tensor.shape.map((size, axis) => (axis < tensor.rank - 2 ? 1 : size)) : tensor.shape;
  return tf.where(tf.cast(tf.reshape(spread, own), 'bool'), tensor, tf.scalar(0));
}

/** The mask of each matrix as numbers. */
function entriesOf({rows, columns, words, bits, of}: BlockMask): Float32Array {
  const entries = new Float32Array(of.length * rows * columns);
  let at = 0;
  for (const mask of of)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++, at++)
        entries[at] = (bits[(mask * rows + row) * words + (column >>> 5)]! >>> (column & 31)) & 1;
  return entries;
}
