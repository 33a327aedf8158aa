import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-webgpu';
import * as splat from 'tfjs-splat';
import {check} from '../check.js';

check(tf, splat).then(
  (text) => postMessage(`${text}, in a ${self.constructor.name}`),
  (error) => setTimeout(() => Promise.reject(error)),
);
