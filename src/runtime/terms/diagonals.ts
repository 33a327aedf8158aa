import * as tf from '@tensorflow/tfjs-core';
import type {Tensor2D, Tensor3D} from '@tensorflow/tfjs-core';

/** `entries` [heads, rows + keys − 1] as a matrix [heads, rows, keys] that is constant along diagonals: [h, i, j] = entries[h, j − i + rows − 1]. */
export function spreadDiagonals(entries: Tensor2D, rows: number, keys: number): Tensor3D {
  const [heads] = entries.shape;
  // Copies of the entries one after another, read in rows that are one entry shorter than a copy: each begins one entry earlier.
  const copy = rows + keys;
  const copies = tf.tile(
    tf.reshape(
      tf.pad(entries, [
        [0, 0],
        [0, 1],
      ]),
      [heads, 1, copy],
    ),
    [1, rows, 1],
  );
  const skewed = tf.slice(tf.reshape(copies, [heads, rows * copy]), [0, rows - 1], [heads, rows * (copy - 1)]);
  return tf.slice<tf.Rank.R3, Tensor3D>(tf.reshape(skewed, [heads, rows, copy - 1]), [0, 0, 0], [heads, rows, keys]);
}

/** The transpose of `spreadDiagonals`: the sum of each diagonal of a matrix [heads, rows, keys], [heads, rows + keys − 1]. */
export function diagonalSums(matrix: Tensor3D): Tensor2D {
  const [heads, rows, keys] = matrix.shape;
  const copy = rows + keys;
  const padded = tf.pad(matrix, [
    [0, 0],
    [0, 0],
    [0, rows - 1],
  ]);
  const skewed = tf.pad(tf.reshape(padded, [heads, rows * (copy - 1)]), [
    [0, 0],
    [rows - 1, 1],
  ]);
  const sums: Tensor2D = tf.sum(tf.reshape(skewed, [heads, rows, copy]), 1);
  return tf.slice(sums, [0, 0], [heads, copy - 1]);
}
