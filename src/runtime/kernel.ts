import * as tf from '@tensorflow/tfjs-core';
import type {KernelBackend, TensorInfo} from '@tensorflow/tfjs-core';
import {refuse} from '../support/index.js';
import type {Acsr, Compiled} from '../compile.js';
import {Host} from './backend.js';
import {denseAttention, type DenseInputs} from './dense.js';
import {launch, type CallTensors} from './launch.js';

export const KERNEL_NAME = 'SparseAttention';

/**
 * What travels beside the tensors, by reference: attrs are never serialised, and a plan that is in use must outlive its cache entry.
 * The inputs are `query`, `key`, `value` of rank 3 or 4, and where the call has them `bias` and `mask` of rank 4.
 */
export interface SparseAttentionAttrs {
  readonly scale: number;
  /** On WebGPU: what to run. */
  readonly compiled?: Compiled;
  /** On other backends: the rows of the pattern; without it the mask is a tensor. */
  readonly rows?: Acsr;
}

/** One kernel for all backends; which way it goes depends on what the backend can do, so that custom backend names work. */
export function sparseAttentionKernel(params: {
  inputs: tf.NamedTensorInfoMap;
  backend: unknown;
  attrs?: tf.NamedAttrMap;
}): TensorInfo {
  const {scale, compiled, rows} = (params.attrs ?? {}) as unknown as Partial<SparseAttentionAttrs>;
  const host = Host.of(params.backend as KernelBackend);
  if (scale === undefined || (host !== null && compiled === undefined)) {
    refuse(
      `kernel ${KERNEL_NAME}`,
      'attributes without a plan',
      'those that sparseAttention() makes',
      'Call sparseAttention(query, key, value, pattern).',
    );
  }
  if (host !== null) return launch(host, compiled!, params.inputs as unknown as CallTensors, scale);
  return denseAttention(params.inputs as unknown as DenseInputs, rows ?? null, scale);
}

export function noGradient(): never {
  return refuse(
    'gradient of sparseAttention',
    'tf.grad, tf.valueAndGrads or training through the op',
    'the forward pass alone',
    'Gradients come with a later version; until then train with tf.matMul and tf.softmax and swap sparseAttention in for inference.',
  );
}

/** Registers the kernel for one backend, unless it is there already (registering twice would warn). */
export function registerKernelFor(backendName: string): void {
  if (tf.getKernel(KERNEL_NAME, backendName) != null) return;
  tf.registerKernel({kernelName: KERNEL_NAME, backendName, kernelFunc: sparseAttentionKernel});
}
