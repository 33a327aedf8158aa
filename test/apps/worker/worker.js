import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-webgpu';
import * as splat from 'tfjs-splat';
import {check} from '../check.js';

check(tf, splat).then(
  (text) => postMessage(`${text}, in a ${self.constructor.name}`),
  // Out of the promise, so that the page's `onerror` hears of it.
  (error) =>
    setTimeout(() => {
      throw error;
    }),
);
