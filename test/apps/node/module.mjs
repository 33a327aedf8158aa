import * as tf from '@tensorflow/tfjs';
import * as splat from 'tfjs-splat';
import 'tfjs-splat/chained';
import {MultiHeadAttention} from 'tfjs-splat/layers';
import {check} from '../check.js';

const text = await check(tf, splat);
const one = tf.ones([1, 2, 4]);
const chained = one.sparseAttention(one, one, splat.causal());
const layer = new MultiHeadAttention({numHeads: 2, keyDim: 4, pattern: splat.causal()});
console.log(`${text}; chained: [${chained.shape}]; layer: [${layer.apply(one).shape}]`);
