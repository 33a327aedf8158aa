import {bytes, whole} from './format.js';

/** tf.softmax overwrites its last element above this many rows on WebGPU (TensorFlow.js 4.22): the dispatch grows beyond its grid. */
const MAX_SOFTMAX_ROWS = 65535;

/** Bytes of the score matrices of dense attention, float32 [heads, n, n]. */
export const scoreBytes = (heads: number, n: number): number => 4 * heads * n * n;

/**
 * Why dense attention of this size cannot run on WebGPU, or null. TensorFlow.js does not check: it returns wrong numbers without an error.
 */
export function denseMisfit(heads: number, n: number, maxBindingBytes: number): string | null {
  const scores = scoreBytes(heads, n);
  if (scores > maxBindingBytes) return `its scores take ${bytes(scores)}, one binding here holds ${bytes(maxBindingBytes)}`;
  const rows = heads * n;
  return rows > MAX_SOFTMAX_ROWS ? `tf.softmax is wrong above ${whole(MAX_SOFTMAX_ROWS)} rows, here ${whole(rows)}` : null;
}
