// Two copies of the package in one program, as when one dependency requires and another imports; and two of tfjs-core.
import {createRequire} from 'node:module';
import assert from 'node:assert/strict';

const require = createRequire(import.meta.url);
// First, so that tensors are of its class.
const other = require('@tensorflow/tfjs-core/dist/tf-core.js');
const tf = await import('@tensorflow/tfjs-core');
await import('@tensorflow/tfjs-backend-cpu');
assert.notEqual(other.Tensor, tf.Tensor);

const required = require('tfjs-splat');
const imported = await import('tfjs-splat');
await import('tfjs-splat/chained');
assert.notEqual(required.sparseAttention, imported.sparseAttention);

const {check} = await import('../check.js');
await check(tf, required);
const text = await check(other, imported);

// A pattern of one copy, given to the other.
const one = tf.ones([1, 2, 4]);
const mixed = required.sparseAttention(one, one, one, imported.causal());
assert.deepEqual(mixed.shape, [1, 2, 4]);
assert.deepEqual(other.ones([1, 2, 4]).sparseAttention(one, one, required.causal().and(imported.causal())).shape, [1, 2, 4]);
assert.throws(() => required.sparseAttention(one, one, one, 'causal()'), required.SplatError);
console.log(text);
