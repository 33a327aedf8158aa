import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {awaitOr, ceilDiv, refuse, say} from '../../support/index.js';
import {checkAlive} from '../given/arguments.js';
import {Host} from '../host/backend.js';
import {blockSide} from './product_call.js';

/**
 * Which blocks of pruned weights hold anything: 1 where some number of a block is further from zero than `threshold`, else 0. Reads the
 * tensor back from its device, once.
 *
 * ```js
 * const mask = await blockMaskOf(tf.ones([64, 96]), 32);
 * mask.length; // 6: [2, 3] blocks, row by row
 * ```
 *
 * @param tensor float32 or int32 [.., rows, columns].
 * @param blockSize Numbers along each side of a block, 8 to 128, a multiple of 4; or [rows, columns] of a block.
 * @param threshold Blocks of numbers up to this size are left out; those with NaN are not. Default 0.
 * @returns The mask as `blockSparseMatMul` takes it, [.., ⌈rows / side⌉, ⌈columns / side⌉], flat.
 * @throws SplatError (as a rejection) when an argument is not as described.
 */
export async function blockMaskOf(
  tensor: Tensor,
  blockSize: number | readonly [rows: number, columns: number],
  threshold = 0,
): Promise<Uint8Array> {
  if (!(tensor instanceof tf.Tensor))
    refuse('tensor', say(tensor), 'a tensor of rank 2 or more', awaitOr(tensor, 'Pass the weights.'));
  checkAlive('tensor', tensor);
  if (tensor.rank < 2) refuse('tensor', `rank ${tensor.rank}`, 'a tensor of rank 2 or more', 'Blocks are of matrices.');
  if (tensor.dtype !== 'float32' && tensor.dtype !== 'int32')
    refuse('tensor', `dtype ${tensor.dtype}`, 'dtype float32 or int32', "Cast it: tf.cast(tensor, 'float32').");
  if (!(typeof threshold === 'number' && threshold >= 0))
    refuse('threshold', say(threshold), 'a number of at least 0', 'Sizes of numbers are compared with it.');
  const [high, wide] =
    typeof blockSize === 'object' && blockSize !== null
      ? [blockSide('blockSize[0]', blockSize[0]), blockSide('blockSize[1]', blockSize[1])]
      : [blockSide('blockSize', blockSize), blockSide('blockSize', blockSize)];
  const [rows, columns] = [tensor.shape.at(-2)!, tensor.shape.at(-1)!];
  const host = Host.of(tf.backend());
  const values = await (host === null ? tensor.data() : host.outcome(tensor.data()));
  const across = ceilDiv(columns, wide);
  const down = ceilDiv(rows, high);
  const matrices = rows * columns === 0 ? 0 : tensor.size / (rows * columns);
  const mask = new Uint8Array(matrices * down * across);
  for (let line = 0, at = 0; line < matrices * rows; line++) {
    const row = (Math.floor(line / rows) * down + Math.floor((line % rows) / high)) * across;
    for (let column = 0; column < columns; column++, at++)
      // Not `>`: NaN is something.
      if (!(Math.abs(values[at]!) <= threshold)) mask[row + Math.floor(column / wide)] = 1;
  }
  return mask;
}
