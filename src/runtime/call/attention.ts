import * as tf from '@tensorflow/tfjs-core';
import type {Rank, Tensor} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import {type Pattern, type Problem, type Precision} from '../../pure.js';
import {Host} from '../host/backend.js';
import {compiledMaskTensor, compiledPlan, compressedLines} from './cache.js';
import type {AttentionInput, AttentionOf, Attends, RankBelow} from './call_types.js';
import {checkCall, type Call} from './check.js';
import {showCall, stopwatch} from '../host/debug.js';
import {debugLevel} from '../host/flags.js';
import type {SparseAttentionOptions} from './options.js';
import {featuresOf} from '../terms/terms.js';
import {shapeOf} from '../given/arguments.js';
import {isTapeOn} from './tape.js';
import {KERNEL_NAME, registerKernelFor, type InputRole, type SparseAttentionAttrs} from './kernel.js';

function sparseAttention_(
  query: AttentionInput,
  key: AttentionInput,
  value: AttentionInput,
  pattern: Pattern | Tensor,
  options: SparseAttentionOptions = {},
): Tensor {
  return attend(checkCall(query, key, value, pattern, options), false).output;
}

/**
 * Softmax attention computed only where a pattern allows it:
 * `output = softmax(scale · query·keyᵀ + bias, over the keys a query attends to) · value`.
 *
 * A query that attends to no key gives zeros. Differentiable in all tensors but masks, lengths and segments, with O(length)
 * memory (O(length²) for a relativeBias or alibiSlopes that is trained, and as much as a bias has).
 *
 * ```js
 * const query = tf.randomNormal([1, 8, 1024, 64]); // [batch, heads, queryLength, headDim]
 * const output = sparseAttention(query, key, value, slidingWindow({left: 128, right: 128}));
 * ```
 *
 * @param query float32 [batch, heads, queryLength, headDim], or [batch, queryLength, headDim] for one head. On
 *   WebGPU our kernels take up to 256 features, more are computed by TensorFlow.js ops.
 * @param key float32 [batch, keyHeads, keyLength, headDim], of the same rank; keyHeads divides heads, and query head h reads key head
 *   ⌊h · keyHeads / heads⌋ (grouped-query attention, arXiv 2305.13245).
 * @param value float32 [batch, keyHeads, keyLength, valueDim], of the same rank.
 * @param pattern A `Pattern`, of which `perHead` has one for each query head and `perBatch` one for each sequence, or a boolean tensor
 *   broadcastable to [batch, heads, queryLength, keyLength], true where a query attends.
 * @returns float32 [batch, heads, queryLength, valueDim], of the rank and layout of the inputs.
 * @throws SplatError before any GPU work when an argument is not as described, when the device cannot hold it, and on every call after
 *   the device refused this plan or was lost.
 */
export function sparseAttention<Q extends AttentionInput, K extends AttentionInput, V extends AttentionInput>(
  query: Q & Attends<Q>,
  key: K & Attends<K, Q>,
  value: V & Attends<V, Q>,
  pattern: Pattern | Tensor,
  options: SparseAttentionOptions = {},
): AttentionOf<Q> {
  return op(query, key, value, pattern, options) as AttentionOf<Q>;
}

/** With the scope and the name that ops of TensorFlow.js have. */
const op = tf.op({sparseAttention_});

/** Attention, and the logarithm of what it was divided by. */
export interface AttentionWithAux<R extends Rank = Rank> {
  /** Of the rank and layout of the query. */
  readonly output: Tensor<R>;
  /**
   * float32 [batch, heads, queryLength], [batch, queryLength] beside inputs of rank 3: natural log-sum-exp of the scores, sinks included;
   * −∞ where a query attends to nothing.
   */
  readonly logSumExp: Tensor<RankBelow<R>>;
}

/**
 * As `sparseAttention`, with the log-sum-exp of each row: what `mergeAttention` needs to join attention over parts of the keys.
 *
 * ```js
 * const {output, logSumExp} = sparseAttentionWithAux(query, key, value, causal());
 * ```
 */
export function sparseAttentionWithAux<Q extends AttentionInput, K extends AttentionInput, V extends AttentionInput>(
  query: Q & Attends<Q>,
  key: K & Attends<K, Q>,
  value: V & Attends<V, Q>,
  pattern: Pattern | Tensor,
  options: SparseAttentionOptions = {},
): AttentionWithAux<AttentionOf<Q>['rankType']> {
  const tensors = tf.tidy(() => attend(checkCall(query, key, value, pattern, options), true) as tf.NamedTensorMap);
  return tensors as unknown as AttentionWithAux<AttentionOf<Q>['rankType']>;
}

/** Runs a call that was found right. */
export function attend(call: Call, withAux: boolean): {output: Tensor; logSumExp?: Tensor} {
  const {batch, queryLength, valueDim} = call.problem;
  if (withAux && valueDim === 0) {
    refuse('valueDim of value', '0', 'at least 1 beside a log-sum-exp', 'Give values of one feature, or take sparseAttention.');
  }
  const [output, logSumExp] = run(call, withAux);
  if (!withAux) return {output: output!};
  return {output: output!, logSumExp: call.rank === 3 ? tf.reshape(logSumExp!, [batch, queryLength]) : logSumExp!};
}

/** [output], and the log-sum-exp where it is wanted. */
function run(call: Call, withAux: boolean): Tensor[] {
  const host = Host.of(tf.backend());
  registerKernelFor(tf.getBackend());
  const {query, key, value, mask, scoring, layout, within, problem} = call;
  const {tensors, numbers, scale} = scoring;
  const inputs: Partial<Record<InputRole, Tensor>> = {query, key, value, ...tensors};
  if (mask !== undefined) inputs.mask = mask;
  const aux = withAux ? 'logSumExp' : isTapeOn() ? 'rowSums' : undefined;
  const attrs: SparseAttentionAttrs = {
    roles: Object.keys(inputs) as InputRole[],
    layout,
    ...(within && {within}),
    queryOffset: problem.queryOffset,
    scale,
    ...numbers,
    ...(aux && {aux}),
    ...(isEmpty(problem) ? nothing(call) : host === null ? rowsOf(call) : {compiled: planOf(call, host, aux)}),
  };
  const tensorsOf = Object.values(inputs) as unknown as tf.NamedTensorMap;
  const debug = debugLevel();
  if (debug > 0) showCall(debug, spelled(call), roomsOf(call, attrs));
  // On WebGPU each pass tells its own time.
  const told = debug > 0 && attrs.compiled === undefined ? stopwatch(debug, KERNEL_NAME, host) : undefined;
  const outputs = tf.engine().runKernel(KERNEL_NAME, tensorsOf, attrs as unknown as tf.NamedAttrMap) as Tensor | Tensor[];
  told?.();
  return Array.isArray(outputs) ? [outputs[0]!, outputs.at(-1)!] : [outputs];
}

const isEmpty = ({batch, heads, queryLength, keyLength, valueDim}: Problem): boolean =>
  batch * heads * queryLength * keyLength * valueDim === 0;

/** Zeros, which come from the kernel all the same: so they are on the tape, and gradients are zeros too. */
function nothing({pattern, problem}: Call): Pick<SparseAttentionAttrs, 'empty'> {
  // A pattern for other lengths is a mistake also where nothing is computed.
  if (pattern !== undefined) compressedLines(pattern, problem);
  return {empty: true};
}

/** What SPLAT_DEBUG shows of a call. */
function roomsOf({pattern}: Call, {compiled, lines}: SparseAttentionAttrs): Parameters<typeof showCall>[2] {
  const asked = pattern ?? null;
  return compiled === undefined
    ? {pattern: asked, lines: lines ?? null}
    : {pattern: asked, lines: compiled.lines, plan: compiled.plan};
}

const spelled = ({query, key, value, precision}: Call): string =>
  `sparseAttention: query ${shapeOf(query)}, key ${shapeOf(key)}, value ${shapeOf(value)}, ${precision}, on '${tf.getBackend()}'`;

function planOf(call: Call, host: Host, aux: SparseAttentionAttrs['aux']): SparseAttentionAttrs['compiled'] {
  const {pattern, mask, problem, scoring, implementation, precision} = call;
  // A lost device says so before planning for it.
  host.throwIfLost();
  const {tensors, numbers, scale} = scoring;
  const features = featuresOf(tensors, numbers, scale);
  const options = {implementation, features, precision, ...(aux && {aux})};
  if (pattern !== undefined) return compiledPlan(pattern, problem, host.limits, options);
  return compiledMaskTensor(problem, host.limits, mask!.shape, options);
}

function rowsOf({pattern, problem, implementation, precision}: Call): Pick<SparseAttentionAttrs, 'lines'> {
  if (implementation === 'fused') {
    refuse(
      "implementation 'fused'",
      `the backend '${tf.getBackend()}'`,
      'a WebGPU backend',
      "Use 'auto' (the same result from dense tf ops here), or import @tensorflow/tfjs-backend-webgpu and call tf.setBackend('webgpu').",
    );
  }
  checkBackendPrecision(precision);
  return pattern === undefined ? {} : {lines: compressedLines(pattern, problem)};
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
