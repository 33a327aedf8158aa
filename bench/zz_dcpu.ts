import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';
import {causal, prefix, slidingWindow} from '../src/pattern/index.js';
import {KvCache} from '../src/runtime/kv_cache.js';
await tf.setBackend('webgpu');
const pattern = prefix(4).or(slidingWindow({left: 511})).and(causal());
const q = tf.randomNormal<tf.Rank.R4>([1, 8, 1, 64]), k = tf.randomNormal<tf.Rank.R4>([1, 8, 1, 64]);
const cache = new KvCache(pattern, {keyHeads: 8, headDim: 64});
const {queue} = tf.backend() as any;
for (let r = 0; r < 150; r++) { for (let i = 0; i < 20; i++) cache.attend(q, k, k).dispose(); await queue.onSubmittedWorkDone(); }
const t: number[] = [];
for (let r = 0; r < 50; r++) { for (let i = 0; i < 20; i++) { const s = performance.now(); cache.attend(q, k, k).dispose(); t.push(performance.now() - s);} await queue.onSubmittedWorkDone(); }
t.sort((a, b) => a - b); console.log('median µs', 1000 * t[t.length >> 1]!, 1000 * t[t.length / 10]!);
process.exit(0);
