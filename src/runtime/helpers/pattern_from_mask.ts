import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {awaitOr, refuse, say} from '../../support/index.js';
import {fromMask, type Pattern} from '../../pure.js';
import {Host} from '../host/backend.js';

/**
 * Reads a boolean mask [queryLength, keyLength] back from its device, once, and returns it as a pattern that can be planned: calls with
 * the pattern touch only the tiles the mask needs, calls with the tensor compute all of them.
 *
 * ```js
 * const pattern = await patternFromMask(mask);
 * ```
 *
 * @throws SplatError (as a rejection) unless `mask` is a living bool tensor of rank 2.
 */
export async function patternFromMask(mask: Tensor): Promise<Pattern> {
  if (!(mask instanceof tf.Tensor))
    refuse('mask', say(mask), 'a boolean tensor', awaitOr(mask, 'Use fromMask(array, shape) for arrays.'));
  if (mask.isDisposed)
    refuse('mask', 'a disposed tensor', 'a living one', 'Use tf.keep, or return it from the tf.tidy that made it.');
  if (mask.dtype !== 'bool') refuse('mask', `dtype ${mask.dtype}`, 'dtype bool', "Cast it: tf.cast(mask, 'bool').");
  if (mask.rank !== 2) {
    const cure = 'Slice one out: the pattern is shared by all batches and heads.';
    refuse('mask', `shape [${mask.shape.join(', ')}]`, '[queryLength, keyLength]', cure);
  }
  const [queryLength, keyLength] = mask.shape as [number, number];
  const host = Host.of(tf.backend());
  const read = (): Promise<ArrayLike<number>> => mask.data<'bool'>();
  const values = mask.size === 0 ? new Uint8Array(0) : await (host === null ? read() : host.outcome(read()));
  return fromMask(values, {queryLength, keyLength});
}
