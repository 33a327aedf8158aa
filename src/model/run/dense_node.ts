import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor2D} from '@tensorflow/tfjs-core';
import type {GraphNode} from '@tensorflow/tfjs-converter';
import {oneOf, refuse} from '../../support/index.js';
import {DENSE_ACTIVATIONS} from '../graph/dense_op.js';

/**
 * Runs one `SplatDense` node: inputs x [.., features], a matrix and a bias, attributes `transpose_b` and `activation`; x · matrix + bias,
 * activated. It is `_FusedMatMul` for tensors of any rank: on wasm that kernel (4.22) adds the bias wrongly where there is more than one matrix of rows, and
 * writes past its output, so rows of all of them are one matrix here.
 */
export function runDenseNode({inputs, attrs}: GraphNode): Tensor {
  const [x, matrix, bias] = inputs;
  if (x === undefined || matrix === undefined || bias === undefined || x.rank < 2 || matrix.rank !== 2) {
    return refuse(
      'a SplatDense node',
      `inputs of shapes ${inputs.map(({shape}) => `[${shape.join()}]`).join(', ')}`,
      'x, a matrix and a bias',
      CURE,
    );
  }
  const activation = oneOf('attribute activation of a SplatDense node', attrs['activation'] ?? 'linear', DENSE_ACTIVATIONS, CURE);
  const before = x.shape.slice(0, -1);
  const rows = before.reduce((a, b) => a * b, 1);
  return tf.tidy(() => {
    const isOne = rows === before.at(-1);
    const a = isOne ? x : tf.reshape(x, [rows, x.shape.at(-1)!]);
    const product = tf.fused.matMul({a, b: matrix as Tensor2D, transposeB: attrs['transpose_b'] === true, bias, activation});
    return isOne ? product : tf.reshape(product, [...before, product.shape.at(-1)!]);
  });
}

const CURE = 'The graph was changed by hand or is of another version: write it anew from the original.';
