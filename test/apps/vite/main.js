import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-webgpu';
import * as splat from 'tfjs-splat';
import {check} from '../check.js';

document.querySelector('output').textContent = await check(tf, splat);
