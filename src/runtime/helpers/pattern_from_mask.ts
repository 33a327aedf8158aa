import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {awaitOr, listOf, refuse, say} from '../../support/index.js';
import {fromMask, Pattern, perBatch, perHead} from '../../pure.js';
import {Host} from '../host/backend.js';

/**
 * Reads a boolean mask back from its device, once, and returns it as a pattern that can be planned: calls with the pattern touch only the
 * tiles the mask needs, calls with the tensor compute all of them.
 *
 * ```js
 * const pattern = await patternFromMask(mask);
 * ```
 *
 * @param mask bool [queryLength, keyLength], [heads, queryLength, keyLength] for a `perHead` of masks, or [batch, heads, queryLength,
 *   keyLength] for a `perBatch` of those. An axis of size 1 counts as none: its mask is for all heads, or all sequences.
 * @throws SplatError (as a rejection) unless `mask` is a living bool tensor of rank 2, 3 or 4.
 */
export async function patternFromMask(mask: Tensor): Promise<Pattern> {
  if (!(mask instanceof tf.Tensor))
    refuse('mask', say(mask), 'a boolean tensor', awaitOr(mask, 'Use fromMask(array, shape) for arrays.'));
  if (mask.isDisposed)
    refuse('mask', 'a disposed tensor', 'a living one', 'Use tf.keep, or return it from the tf.tidy that made it.');
  if (mask.dtype !== 'bool') refuse('mask', `dtype ${mask.dtype}`, 'dtype bool', "Cast it: tf.cast(mask, 'bool').");
  if (mask.rank < 2 || mask.rank > 4) {
    const expected = '[queryLength, keyLength], [heads, queryLength, keyLength] or [batch, heads, queryLength, keyLength]';
    refuse('mask', `shape [${mask.shape.join(', ')}]`, expected, 'Reshape it: an axis of size 1 is for all.');
  }
  const [batch, heads, queryLength, keyLength] = [...Array<number>(4 - mask.rank).fill(1), ...mask.shape] as [
    number,
    number,
    number,
    number,
  ];
  if (batch * heads === 0) {
    refuse(
      'mask',
      `shape [${mask.shape.join(', ')}]`,
      'a head and a sequence at least',
      'A call without any needs no mask: full().',
    );
  }
  const host = Host.of(tf.backend());
  const read = (): Promise<ArrayLike<number>> => mask.data<'bool'>();
  const values = mask.size === 0 ? new Uint8Array(0) : await (host === null ? read() : host.outcome(read()));
  // All lines as one list first: it holds those that are equal once.
  const lines = fromMask(values, {queryLength, keyLength, heads: batch * heads}).node;
  const patterns = lines.kind === 'perHead' ? lines.patterns.map((node) => new Pattern(node)) : [];
  const ofSequence = (sequence: number): Pattern =>
    heads === 1 ? patterns[sequence]! : perHead(patterns.slice(sequence * heads, (sequence + 1) * heads));
  return batch === 1 ? ofSequence(0) : perBatch(listOf(batch, ofSequence));
}
