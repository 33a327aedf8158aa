import type * as tf from '@tensorflow/tfjs-core';
import {tfjsDense} from '../../test/oracle.js';
import type {Gpu} from '../gpu.js';

/** tf.softmax overwrites its last element above this many rows on WebGPU (TensorFlow.js 4.22): the dispatch grows beyond its grid. */
const MAX_SOFTMAX_ROWS = 65535;

export interface DenseInputs {
  readonly query: tf.Tensor4D;
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
  /** Additive, [1, 1, n, n]; null: every query sees every key. */
  readonly mask: tf.Tensor | null;
}

/** Attention as TensorFlow.js users write it today. */
export function dense({query, key, value, mask}: DenseInputs): tf.Tensor4D {
  return tfjsDense(query, key, value, mask, 1 / Math.sqrt(query.shape[3]));
}

/** Why dense attention of this size gives garbage on this device, without an error; or null when it fits. */
export function denseMisfit({device}: Gpu, heads: number, n: number): string | null {
  const scores = heads * n * n * 4;
  const limit = device.limits.maxStorageBufferBindingSize;
  if (scores > limit) return `scores take ${mib(scores)}, one binding ${mib(limit)}`;
  if (heads * n > MAX_SOFTMAX_ROWS) return `tf.softmax is wrong above ${MAX_SOFTMAX_ROWS} rows, here ${heads * n}`;
  return null;
}

const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
