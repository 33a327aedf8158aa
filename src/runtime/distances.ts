import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor1D} from '@tensorflow/tfjs-core';
import type {Chunk} from './chunks.js';

/**
 * |p − key| of the pairs of a chunk, broadcastable to the scores, in two parts: `near` counts from the key nearest to p, which float32
 * holds exactly also far from all keys; `beyond` is the way to that key, the same for all of a row, null where there is none.
 */
export function distances(
  {key, keyLengths}: {readonly key: Tensor; readonly keyLengths?: Tensor1D},
  {queryOffset}: {readonly queryOffset: number},
  {rowBegin, rowEnd, keyBegin, keyEnd}: Chunk,
): {near: Tensor; beyond: Tensor | null} {
  const last = key.shape[2]! - 1;
  const positions = Array.from({length: rowEnd - rowBegin}, (_, i) => rowBegin + i + queryOffset);
  const column = (numbers: readonly number[]): Tensor => tf.tensor2d([...numbers], [numbers.length, 1]);
  const int = (number: number): Tensor => tf.scalar(number, 'int32');
  const keys = tf.range(0, keyEnd - keyBegin);
  // Counted from the first key of the chunk.
  let stands = column(positions.map((position) => Math.min(Math.max(position, 0), last) - keyBegin));
  let beyond: Tensor | null = null;
  if (keyLengths !== undefined) {
    const ends = tf.sub(tf.minimum(tf.maximum(tf.reshape(keyLengths, [-1, 1, 1, 1]), int(1)), int(last + 1)), int(1));
    stands = tf.minimum(stands, tf.cast(tf.sub(ends, int(keyBegin)), 'float32'));
    const after = tf.sub(column(positions), tf.cast(ends, 'float32'));
    beyond = tf.maximum(after, column(positions.map((position) => Math.max(0, -position))));
  } else if (positions.some((position) => position < 0 || position > last)) {
    beyond = column(positions.map((position) => Math.max(0, position - last, -position)));
  }
  return {near: tf.abs(tf.sub(stands, keys)), beyond};
}
