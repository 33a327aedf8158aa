import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor2D, Tensor4D} from '@tensorflow/tfjs-core';
import type {CacheRows} from '../terms/part.js';
import {termsBrought} from '../terms/terms.js';
import type {Relative, Scores} from './kv_step.js';

/** A bias by distance, spelled out: [1, heads or 1, tokens, columns]. Of columns after their row, anything. */
export function relativeRows({entries, zero}: Relative, {first, tokens, positions}: CacheRows): Tensor4D {
  const [heads, count] = entries.shape;
  const columns = positions.length;
  const chosen = new Int32Array(tokens * columns);
  for (let i = 0; i < tokens; i++) {
    for (let k = 0; k < columns; k++) chosen[i * columns + k] = clamp(zero - first - i + positions[k]!, count);
  }
  return tf.reshape(tf.gather(entries, tf.tensor1d(chosen, 'int32'), 1), [1, heads, tokens, columns]);
}

/** All biases of rows together, for columns in any order. `bias` has the rows alone. Undefined where there are none. */
export function biasRows({tensors, numbers, bias, relative}: Scores, rows: CacheRows): Tensor4D | undefined {
  const parts = termsBrought(tensors, numbers).flatMap(({cached}) => cached?.rows?.(tensors, rows) ?? []);
  if (relative !== undefined) parts.push(relativeRows(relative, rows));
  if (bias !== undefined) parts.push(columnsOf(bias, rows.positions));
  return parts.length === 0 ? undefined : parts.reduce((sum, part) => tf.add(sum, part));
}

function columnsOf(bias: Tensor4D, positions: ArrayLike<number>): Tensor4D {
  const columns = bias.shape[3];
  if (columns === 1) return bias;
  const chosen = Int32Array.from(positions, (position) => clamp(position, columns));
  return tf.gather(bias, tf.tensor1d(chosen, 'int32'), 3);
}

/** Empty slots hold a position before 0. */
const clamp = (index: number, count: number): number => Math.min(Math.max(index, 0), count - 1);

/**
 * The biases of a whole call over `tokens` tokens, as `sparseAttention` takes them. Those of a step need not reach its padding, where
 * they count for nothing.
 */
export function wholeBiases({bias, relative}: Scores, tokens: number): {bias?: Tensor4D; relativeBias?: Tensor2D} {
  const isBroadcast = bias?.shape[3] === 1;
  return {
    ...(bias && {bias: isBroadcast ? bias : columnsFrom(bias, 0, tokens)}),
    ...(relative && {relativeBias: columnsFrom(relative.entries, relative.zero - tokens + 1, 2 * tokens - 1)}),
  };
}

/** `count` of the last dimension from `begin` on, zeros where the tensor has none. */
function columnsFrom<T extends Tensor>(tensor: T, begin: number, count: number): T {
  const columns = tensor.shape.at(-1)!;
  if (begin === 0 && count === columns) return tensor;
  const [from, to] = [Math.max(begin, 0), Math.min(begin + count, columns)];
  const isOthers = (axis: number): boolean => axis < tensor.rank - 1;
  const part = tf.slice(
    tensor,
    tensor.shape.map((_, axis) => (isOthers(axis) ? 0 : from)),
    tensor.shape.map((size, axis) => (isOthers(axis) ? size : to - from)),
  );
  return tf.pad(
    part,
    tensor.shape.map((_, axis) => (isOthers(axis) ? [0, 0] : [from - begin, begin + count - to])),
  ) as T;
}
