import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {factorsOf, isFarScale} from '../../pure.js';

/** The factors of the scale; see `isFarScale`. */
export const scaleOf = (
  {scale, softcap}: {readonly scale: number; readonly softcap?: number},
  unit = 1,
): ReturnType<typeof factorsOf> => factorsOf({scale, softcap}, {unit, farScale: isFarScale({scale, softcap})});

export const scaledBy = <T extends Tensor>(tensor: T, factor: number): T => (factor === 1 ? tensor : tf.mul(tensor, factor));
