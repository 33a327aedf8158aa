// With tfjs-core alone no op of TensorFlow.js has a gradient: our error names the import that brings them, which then works.
import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import {causal, sparseAttention} from 'tfjs-splat';

await tf.ready();
const x = tf.ones([1, 2, 5, 4]);
const attend = (query) => sparseAttention(query, x, x, causal());
const loss = (query) => tf.sum(tf.square(attend(query)));
// What needs no other op has its gradient.
assert.deepEqual(tf.grad(attend)(x).shape, x.shape);
assert.throws(() => tf.grad(loss)(x), {name: 'SplatError', message: /register_all_gradients/});
await import('@tensorflow/tfjs');
assert.deepEqual(tf.grad(loss)(x).shape, x.shape);
console.log('ok: training with tfjs-core alone');
