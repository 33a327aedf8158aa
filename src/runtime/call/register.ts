import * as tf from '@tensorflow/tfjs-core';
import {registerFlags} from '../host/flags.js';
import {KERNEL_NAME, registerKernelFor, sparseAttentionGradient} from './kernel.js';

/** The backends of TensorFlow.js, whose packages may be imported after this one. Others are registered when the op first meets them. */
export const BACKENDS = ['webgpu', 'webgl', 'wasm', 'cpu', 'tensorflow'];

/** Makes `SparseAttention` known to TensorFlow.js. Doing it again changes nothing. */
export function register(): void {
  registerFlags();
  for (const name of BACKENDS) registerKernelFor(name);
  if (tf.getGradient(KERNEL_NAME) == null)
    tf.registerGradient({
      kernelName: KERNEL_NAME,
      saveAllInputs: true,
      outputsToSave: [true, true],
      gradFunc: sparseAttentionGradient,
    });
}

// Whoever imports anything that computes has this in the same chunk (with the graph op of src/model/index.ts). src/register.ts calls it for
// those who import nothing.
register();
