import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor1D} from '@tensorflow/tfjs-core';
import type {Chunk} from './part.js';

/**
 * |p − key| of the pairs of a chunk, broadcastable to the scores, in two parts: `near` counts from the key nearest to p, which float32
 * holds exactly also far from all keys; `beyond` is the way to that key.
 */
export function distances(inputs: Keys, options: Offset, chunk: Chunk): {near: Tensor; beyond: Tensor | null} {
  const {stands, beyond} = standing(inputs, options, chunk);
  return {near: tf.abs(tf.sub(stands, tf.range(0, chunk.keyEnd - chunk.keyBegin))), beyond};
}

interface Keys {
  /** [batch, heads, keyLength, …] */
  readonly key: Pick<Tensor, 'shape'>;
  readonly keyLengths?: Tensor1D | undefined;
}

interface Offset {
  readonly queryOffset: number;
}

/**
 * For each row of a chunk the key nearest to its position, counted from the first of the chunk, and the way from there to the position,
 * null where there is none: both [rows, 1], or beside lengths [batch, 1, rows, 1].
 */
export function standing(
  {key, keyLengths}: Keys,
  {queryOffset}: Offset,
  {rowBegin, rowEnd, keyBegin}: Omit<Chunk, 'keyEnd'>,
): {stands: Tensor; beyond: Tensor | null} {
  const last = key.shape[2]! - 1;
  const positions = Array.from({length: rowEnd - rowBegin}, (_, i) => rowBegin + i + queryOffset);
  const column = (numbers: readonly number[]): Tensor => tf.tensor2d([...numbers], [numbers.length, 1]);
  const stands = column(positions.map((position) => Math.min(Math.max(position, 0), last) - keyBegin));
  if (keyLengths !== undefined) {
    const int = (number: number): Tensor => tf.scalar(number, 'int32');
    const ends = tf.sub(tf.minimum(tf.maximum(tf.reshape(keyLengths, [-1, 1, 1, 1]), int(1)), int(last + 1)), int(1));
    const after = tf.sub(column(positions), tf.cast(ends, 'float32'));
    return {
      stands: tf.minimum(stands, tf.cast(tf.sub(ends, int(keyBegin)), 'float32')),
      beyond: tf.maximum(after, column(positions.map((position) => Math.max(0, -position)))),
    };
  }
  const isAmongKeys = (position: number): boolean => position >= 0 && position <= last;
  const beyond = positions.map((position) => Math.max(0, position - last, -position));
  return {stands, beyond: positions.every(isAmongKeys) ? null : column(beyond)};
}
