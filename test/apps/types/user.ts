// Compiled, never run: what a stranger writes against the types of every door.
import * as tf from '@tensorflow/tfjs-core';
import {
  createWebGPUBackend,
  KvCache,
  parsePattern,
  planAttention,
  slidingWindow,
  sparseAttention,
  sparseAttentionWithAux,
  sparseIOHandler,
  SplatError,
  type AttentionPlan,
  type AttentionShape,
  type KvAttendOptions,
  type KvCacheOptions,
  type Pattern,
  type PatternShape,
  type PrepareShape,
  type RelativePositionOptions,
  type SparseAttentionOptions,
  type SwapOptions,
  type WebGPUBackendOptions,
} from 'tfjs-splat';
import 'tfjs-splat/chained';
import {
  MultiHeadAttention,
  type AttentionCallArgs,
  type GroupedQueryAttentionArgs,
  type MultiHeadAttentionArgs,
} from 'tfjs-splat/layers';

const pattern: Pattern = slidingWindow({left: 64}).or(parsePattern('prefix(4)')).not();
const options: SparseAttentionOptions = {scale: 0.125, implementation: 'auto', precision: 'float32'};
const query: tf.Tensor4D = tf.zeros([1, 8, 16, 64]);

export const output: tf.Tensor4D = sparseAttention(query, query, query, pattern, options);
export const ofArrays: tf.Tensor3D | tf.Tensor4D = sparseAttention([[[1]]], [[[1]]], [[[1n]]], pattern);
export const chained: tf.Tensor4D = query.sparseAttention(query, query, pattern, options);
export const {logSumExp} = sparseAttentionWithAux(query, query, query, pattern);
export const sums: tf.Tensor3D = logSumExp;
export const plan: AttentionPlan = planAttention(pattern, {queryLength: 16, keyLength: 16, headDim: 64});
export const density: number = plan.density;
export const cache = new KvCache(pattern, {keyHeads: 8, headDim: 64, maxLength: 128});
export const handler: tf.io.IOHandler = sparseIOHandler('model.json', {pattern});
export const layer = new MultiHeadAttention({numHeads: 8, keyDim: 64, pattern: 'causal()'});
export const found = (error: unknown): string => (error instanceof SplatError ? error.cure : '');
export const ready = createWebGPUBackend({float16: true}).then(() => tf.setBackend('webgpu'));

// Whatever may be left out may be undefined, also under exactOptionalPropertyTypes, with which this is compiled, and null.
type Nothing<T> = {[name in keyof T as object extends Pick<T, name> ? name : never]: undefined | null};
type Needed<T> = {[name in keyof T as object extends Pick<T, name> ? never : name]: T[name]};
type Bare<T> = Nothing<T> & Needed<T>;
declare function bare<T>(): Bare<T>;
export const bareOptions: readonly unknown[] = [
  bare<SparseAttentionOptions>() satisfies SparseAttentionOptions,
  bare<KvCacheOptions>() satisfies KvCacheOptions,
  bare<KvAttendOptions>() satisfies KvAttendOptions,
  bare<RelativePositionOptions>() satisfies RelativePositionOptions,
  bare<PrepareShape>() satisfies PrepareShape,
  bare<AttentionShape>() satisfies AttentionShape,
  bare<PatternShape>() satisfies PatternShape,
  bare<WebGPUBackendOptions>() satisfies WebGPUBackendOptions,
  bare<SwapOptions>() satisfies SwapOptions,
  bare<MultiHeadAttentionArgs>() satisfies MultiHeadAttentionArgs,
  bare<GroupedQueryAttentionArgs>() satisfies GroupedQueryAttentionArgs,
  bare<AttentionCallArgs>() satisfies AttentionCallArgs,
];

// Each line below must be an error: types that accept everything help nobody.
// @ts-expect-error a number of tokens, not text
slidingWindow({left: '64'});
// @ts-expect-error no such option
sparseAttention(query, query, query, pattern, {scal: 1});
// @ts-expect-error text is no pattern
query.sparseAttention(query, query, 'causal()');
// @ts-expect-error neither are layers
new MultiHeadAttention({numHeads: 'eight', keyDim: 64});
// @ts-expect-error a query of rank 2
sparseAttention(query.as2D(8, 1024), query, query, pattern);
// @ts-expect-error a key of another rank
query.sparseAttention(query.as3D(8, 16, 64), query, pattern);
