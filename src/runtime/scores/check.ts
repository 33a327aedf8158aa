import * as tf from '@tensorflow/tfjs-core';
import {refuse, say} from '../../support/index.js';
import {checkAlive} from '../given/arguments.js';
import {Host} from '../host/backend.js';
import {SparseScores} from './sparse_scores.js';

/** The argument as living scores. */
export function checkScores(name: string, given: unknown): SparseScores {
  if (!(given instanceof SparseScores))
    return refuse(
      name,
      say(given),
      'SparseScores',
      'Make them by sddmm(query, key, pattern) or attentionWeights(query, key, pattern).',
    );
  checkAlive(`values of ${name}`, given.values);
  return given;
}

/** Throws where a tensor of this shape fits no buffer of the device: TensorFlow.js checks no limits. */
export function checkTensorFits(name: string, shape: readonly number[], cure: string): void {
  const host = Host.of(tf.backend());
  if (host === null) return;
  host.throwIfLost();
  const bytes = 4 * tf.util.sizeFromShape([...shape]);
  const {maxStorageBufferBindingSize, maxBufferSize} = host.device.limits;
  const most = Math.min(maxStorageBufferBindingSize, maxBufferSize);
  if (bytes > most) refuse(`bytes of ${name}`, String(bytes), `at most ${most}, a binding of this device`, cure);
}
