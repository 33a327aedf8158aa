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
  type Pattern,
  type SparseAttentionOptions,
} from 'tfjs-splat';
import 'tfjs-splat/chained';
import {MultiHeadAttention} from 'tfjs-splat/layers';

const pattern: Pattern = slidingWindow({left: 64}).or(parsePattern('prefix(4)')).not();
const options: SparseAttentionOptions = {scale: 0.125, implementation: 'auto', precision: 'float32'};
const query: tf.Tensor4D = tf.zeros([1, 8, 16, 64]);

export const output: tf.Tensor = sparseAttention(query, query, query, pattern, options);
export const chained: tf.Tensor4D = query.sparseAttention(query, query, pattern, options);
export const {logSumExp} = sparseAttentionWithAux(query, query, query, pattern);
export const plan: AttentionPlan = planAttention(pattern, {queryLength: 16, keyLength: 16, headDim: 64});
export const density: number = plan.density;
export const cache = new KvCache(pattern, {keyHeads: 8, headDim: 64, maxLength: 128});
export const handler: tf.io.IOHandler = sparseIOHandler('model.json', {pattern});
export const layer = new MultiHeadAttention({numHeads: 8, keyDim: 64, pattern: 'causal()'});
export const found = (error: unknown): string => (error instanceof SplatError ? error.cure : '');
export const ready = createWebGPUBackend({float16: true}).then(() => tf.setBackend('webgpu'));

// Each line below must be an error: types that accept everything help nobody.
// @ts-expect-error a number of tokens, not text
slidingWindow({left: '64'});
// @ts-expect-error no such option
sparseAttention(query, query, query, pattern, {scal: 1});
// @ts-expect-error text is no pattern
query.sparseAttention(query, query, 'causal()');
// @ts-expect-error neither are layers
new MultiHeadAttention({numHeads: 'eight', keyDim: 64});
