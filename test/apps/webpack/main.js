import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-webgpu';
import {causal, slidingWindow, sparseAttention} from 'tfjs-splat';
import 'tfjs-splat/chained';
import {check} from '../check.js';

const text = await check(tf, {sparseAttention, slidingWindow});
const one = tf.ones([1, 2, 4]);
document.querySelector('output').textContent = `${text}; chained: [${one.sparseAttention(one, one, causal()).shape}]`;
