import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {readOptions} from '../../support/index.js';
import {floats} from '../given/arguments.js';
import type {NumberArray} from '../given/number_array.js';
import {BLOCK_SPARSE_NAMES, BLOCK_SPARSE_WORDS, type BlockSparseOptions} from './options.js';
import {countOf, productCall} from './product_call.js';
import {runProduct} from './product_kernel.js';

function blockSparseMatMul_(a: Tensor | NumberArray, b: Tensor | NumberArray, options: BlockSparseOptions): Tensor {
  const given = readOptions(options, BLOCK_SPARSE_NAMES, BLOCK_SPARSE_WORDS);
  const [left, right] = [floats('a', a), floats('b', b)];
  const call = productCall(left.shape, right.shape, given);
  const {lead, problem} = call;
  const {m, k, n, transposeA, maskA, maskC} = problem;
  // One matrix b for all of a: its products are one, with as many rows, and so is the gradient of b, with no sum over a batch.
  const isOne = lead.length > 0 && countOf(right.shape.slice(0, -2)) === 1 && !transposeA && maskA === null && maskC === null;
  if (!isOne) return runProduct(left, right, call);
  const rows = countOf(lead) * m;
  const one = new Int32Array(1);
  const flat = {problem: {...problem, m: rows, matricesA: one, matricesB: one}, lead: []};
  const product = runProduct(tf.reshape(left, [rows, k]), tf.reshape(right, right.shape.slice(-2)), flat);
  return tf.reshape(product, [...lead, m, n]);
}

/**
 * The product of two matrices of which blocks are left out: `a · b`, where blocks of a and b outside of their masks count as zeros, whatever
 * they hold, and blocks of the output outside of its mask are zeros. An output block takes the blocks that both operands hold, and no
 * others: masked blocks are not read. The idea is that of block-sparse libraries (openai/blocksparse, Triton's blocksparse matmul), with
 * lists of the blocks that meet as in PyTorch's `scatter_mm`; each matrix of a batch may have masks of its own.
 *
 * On WebGPU kernels go over those lists; elsewhere, and where that is predicted to be faster, tf.matMul multiplies operands whose masked
 * blocks are replaced by zeros. Numbers that are not finite in blocks that count reach the outputs that their block reaches, and with
 * tf.matMul all of their row or column. Differentiable as often as one likes: gradients have exact zeros in masked blocks.
 *
 * ```js
 * const weights = tf.randomNormal([64, 96]);
 * const maskB = [[1, 0, 0], [0, 1, 1]]; // of blocks of 32 × 32
 * const output = blockSparseMatMul(tf.randomNormal([8, 64]), weights, {blockSize: 32, maskB}); // [8, 96]
 * ```
 *
 * @param a float32 [.., M, K], or [.., K, M] with `transposeA`.
 * @param b float32 [.., K, N], or [.., N, K] with `transposeB`. Axes in front of the last two broadcast as in tf.matMul.
 * @returns float32 [.., M, N].
 * @throws SplatError before any GPU work when an argument is not as described, or when a tensor is larger than the device binds.
 */
export function blockSparseMatMul<T extends Tensor = Tensor>(
  a: Tensor | NumberArray,
  b: Tensor | NumberArray,
  options: BlockSparseOptions,
): T {
  return blockSparseOp(a, b, options) as T;
}

const blockSparseOp = /*#__PURE__*/ tf.op({blockSparseMatMul_});
