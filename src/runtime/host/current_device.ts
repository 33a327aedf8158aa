import * as tf from '@tensorflow/tfjs-core';
import type {Device} from '../../pure.js';
import {Host} from './backend.js';

/**
 * The device of the active backend, as plans see it: its limits, the features it was opened with, what `tune` found on it. Given to
 * `planAttention` it shows the very plan that a call takes here; without it that plans for the limits every device guarantees.
 *
 * ```js
 * await tf.ready();
 * const device = currentDevice() ?? undefined;
 * console.log(planAttention(pattern, {queryLength: 4096, keyLength: 4096, headDim: 64, heads: 8, device}).toString());
 * ```
 *
 * @returns A frozen record of plain data, or null where the active backend does not run on WebGPU.
 */
export const currentDevice = (): Device | null => Host.of(tf.backend())?.limits ?? null;
