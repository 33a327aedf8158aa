import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, TensorLike} from '@tensorflow/tfjs-core';
import {refuse} from '../support/index.js';
import type {Pattern} from '../compile.js';
import {Host} from './backend.js';
import {compiledMaskTensor, compiledPlan, compressedRows} from './cache.js';
import {checkCall, type Call, type Precision, type SparseAttentionOptions} from './check.js';
import {KERNEL_NAME, registerKernelFor, type SparseAttentionAttrs} from './kernel.js';

function sparseAttention_(
  query: Tensor | TensorLike,
  key: Tensor | TensorLike,
  value: Tensor | TensorLike,
  pattern: Pattern | Tensor,
  options: SparseAttentionOptions = {},
): Tensor {
  const call = checkCall(query, key, value, pattern, options);
  const {batch, heads, queryLength, keyLength, valueDim} = call.problem;
  if (keyLength > 0 && batch * heads * queryLength * valueDim > 0) return run(call);
  // A pattern for other lengths is a mistake also where nothing is computed.
  if (call.pattern !== undefined) compressedRows(call.pattern, call.problem);
  return tf.zeros(call.rank === 3 ? [batch, queryLength, valueDim] : [batch, heads, queryLength, valueDim]);
}

/**
 * Softmax attention computed only where a pattern allows it:
 * `output = softmax(scale · query·keyᵀ + bias, over the keys a query attends to) · value`.
 *
 * A query that attends to no key gives zeros.
 *
 * ```js
 * const query = tf.randomNormal([1, 8, 1024, 64]); // [batch, heads, queryLength, headDim]
 * const output = sparseAttention(query, key, value, slidingWindow({left: 128, right: 128}));
 * ```
 *
 * @param query float32 [batch, heads, queryLength, headDim], or [batch, queryLength, headDim] for one head; headDim is 1 to 256.
 * @param key float32 [batch, heads, keyLength, headDim], of the same rank.
 * @param value float32 [batch, heads, keyLength, valueDim], of the same rank; valueDim is at most 256.
 * @param pattern A `Pattern`, or a boolean tensor broadcastable to [batch, heads, queryLength, keyLength], true where a query attends.
 * @returns float32 [batch, heads, queryLength, valueDim], of the rank of the inputs.
 * @throws SplatError before any GPU work when an argument is not as described, when the device cannot hold it, and on every call after
 *   the device refused this plan or was lost. Differentiating through the op throws, too: it has no gradient yet.
 */
export const sparseAttention = tf.op({sparseAttention_});

function run(call: Call): Tensor {
  const backend = tf.backend();
  const host = Host.of(backend);
  registerKernelFor(tf.getBackend());
  const {query, key, value, bias, mask, scale} = call;
  const inputs: tf.NamedTensorMap = {query, key, value, ...(bias && {bias}), ...(mask && {mask})};
  const attrs: SparseAttentionAttrs = host === null ? {scale, ...rowsOf(call)} : {scale, compiled: planOf(call, host)};
  return tf.engine().runKernel(KERNEL_NAME, inputs, attrs as unknown as tf.NamedAttrMap);
}

function planOf({pattern, mask, problem, bias, implementation, precision}: Call, host: Host): SparseAttentionAttrs['compiled'] {
  // A lost device says so before planning for it.
  host.throwIfLost();
  const options = {implementation, bias: bias !== undefined, storage: precision};
  if (pattern !== undefined) return compiledPlan(pattern, problem, host.limits, options);
  return compiledMaskTensor(problem, host.limits, mask!.shape, options);
}

function rowsOf({pattern, problem, implementation, precision}: Call): Pick<SparseAttentionAttrs, 'rows'> {
  if (implementation === 'fused') {
    refuse(
      "implementation 'fused'",
      `the backend '${tf.getBackend()}'`,
      'a WebGPU backend',
      "Use 'auto' (the same result from dense tf ops here), or import @tensorflow/tfjs-backend-webgpu and call tf.setBackend('webgpu').",
    );
  }
  checkBackendPrecision(precision);
  return pattern === undefined ? {} : {rows: compressedRows(pattern, problem)};
}

/** Only our WebGPU kernels read float16. */
export function checkBackendPrecision(precision: Precision): void {
  if (precision === 'float32') return;
  refuse(
    "precision 'float16'",
    `the backend '${tf.getBackend()}'`,
    'a WebGPU backend',
    "Leave precision out here, or import @tensorflow/tfjs-backend-webgpu and call tf.setBackend('webgpu').",
  );
}
