import * as tf from '@tensorflow/tfjs-core';
// Makes the flag known.
import '../../src/index.js';

/**
 * For specs that count dispatches, uniforms or buffers: no launch is cut, however slow the machine has been so far. A kernel that took a
 * minute to compile beside other programs otherwise makes the next calls go in several dispatches.
 */
export function withWholeLaunches(): void {
  let before: number;
  beforeEach(() => {
    before = tf.env().getNumber('SPLAT_DISPATCH_MS');
    tf.env().set('SPLAT_DISPATCH_MS', Infinity);
  });
  afterEach(() => tf.env().set('SPLAT_DISPATCH_MS', before));
}
