import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-webgpu';
import * as splat from 'tfjs-splat';
import {MultiHeadAttention} from 'tfjs-splat/layers';
import {check} from '../check.js';

const text = await check(tf, splat);
const layer = new MultiHeadAttention({numHeads: 2, keyDim: 4, pattern: splat.causal()});
const {shape} = layer.apply(tf.ones([1, 6, 8]));
document.querySelector('output').textContent = `${text}; layer: [${shape}]`;
