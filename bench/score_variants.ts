import type * as tf from '@tensorflow/tfjs-core';
import {generatePackedProduct, packLists} from '../src/pure.js';
import {runPacked} from '../src/runtime/scores/packed_run.js';
import type {SparseScores} from '../src/index.js';

const LIMITS = [Infinity, 32, 64, 128, 256, 512];

/** The product of weights of one pattern with value [1, heads, keys, dim], by other parts of rows and other numbers a trip than it takes. */
export function variantsOf(weights: SparseScores, value: tf.Tensor4D): [what: string, call: () => tf.Tensor][] {
  const {values, rowOffsets, shape} = weights;
  const [, heads, rows] = shape;
  const [, , keys, dim] = value.shape;
  const table = {offsets: rowOffsets, columns: weights.columns()};
  return LIMITS.flatMap((limit) => {
    const lists = packLists([table], [0], limit);
    return ([4, 8] as const).map((unroll): [string, () => tf.Tensor] => {
      const options = {
        ...{batch: 1, heads, dim, headGroup: 1, scale: 1, zeroHides: false, unroll},
        xStrides: [heads * keys, keys, 1] as const,
        outputStrides: [heads * rows, rows, 1] as const,
      };
      const call = (): tf.Tensor =>
        runPacked('SplatSpmm', {
          lists,
          key: options,
          generate: () => generatePackedProduct(lists, options),
          tensors: {values, x: value},
          shapes: {output: [1, heads, rows, dim]},
        })[0]!;
      return [`cut at ${limit}, ${unroll} a trip (${lists.items} items)`, call];
    });
  });
}
