import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor2D} from '@tensorflow/tfjs-core';
import {readOptions, refuse, type NamesOf, type OptionWords} from '../../support/index.js';

/** What `relativePositionBias` has to know of the model. */
export interface RelativePositionOptions {
  readonly queryLength: number;
  readonly keyLength: number;
  /** Position of query 0 among the keys. Default keyLength − queryLength. */
  readonly queryOffset?: number | null | undefined;
  /** Keys after the query have buckets of their own, as in encoders. Without, they share the bucket of distance 0. Default true. */
  readonly bidirectional?: boolean | null | undefined;
  /** From here on all distances share a bucket. Default 128. */
  readonly maxDistance?: number | null | undefined;
}

export const RELATIVE_NAMES: NamesOf<RelativePositionOptions> = {
  queryLength: true,
  keyLength: true,
  queryOffset: true,
  bidirectional: true,
  maxDistance: true,
};
const WORDS: OptionWords = {
  all: 'options',
  expected: 'an object such as {queryLength: 512, keyLength: 512}',
  cure: 'Pass the lengths.',
  one: (name) => `option '${name}'`,
};

/**
 * The relative bias of T5 models: distances are put into buckets, the near half of them one by one, the far half in logarithmic steps up
 * to `maxDistance`. Differentiable in the table.
 *
 * ```js
 * const relativeBias = relativePositionBias(table, {queryLength: 512, keyLength: 512});
 * const output = sparseAttention(query, key, value, full(), {relativeBias, scale: 1});
 * ```
 *
 * @param table float32 [buckets, heads], as `relative_attention_bias.weight` in checkpoints.
 * @returns float32 [heads, queryLength + keyLength − 1]; entry r is for key − query = r − (queryLength − 1).
 * @throws SplatError when the table or an option is not as described.
 */
export function relativePositionBias(table: Tensor, options: RelativePositionOptions): Tensor2D {
  const {queryLength, keyLength, queryOffset, bidirectional, maxDistance} = checkOptions(options);
  const buckets = checkTable(table, bidirectional, maxDistance);
  const entries = queryLength + keyLength - 1;
  // A product with a matrix of 0 and 1, not tf.gather: every backend can differentiate it.
  const chosen = new Float32Array(buckets * entries);
  for (let entry = 0; entry < entries; entry++) {
    const relative = entry - (queryLength - 1) - queryOffset;
    chosen[relativeBucket(relative, {buckets, bidirectional, maxDistance}) * entries + entry] = 1;
  }
  return tf.tidy(() => tf.matMul(table as Tensor2D, tf.tensor2d(chosen, [buckets, entries]), true));
}

/** `relative` is key − position of the query. */
function relativeBucket(
  relative: number,
  {buckets, bidirectional, maxDistance}: {buckets: number; bidirectional: boolean; maxDistance: number},
): number {
  const count = bidirectional ? buckets / 2 : buckets;
  const first = bidirectional && relative > 0 ? count : 0;
  const distance = bidirectional ? Math.abs(relative) : Math.max(-relative, 0);
  const near = Math.floor(count / 2);
  if (distance < near) return first + distance;
  // Rounded where PyTorch and TensorFlow round: the borders of buckets lie where the models were trained to have them.
  const {fround, log} = Math;
  const share = fround(fround(log(fround(distance / near))) / fround(log(maxDistance / near)));
  return first + Math.min(near + Math.floor(fround(share * (count - near))), count - 1);
}

function checkOptions(given: RelativePositionOptions): {
  [name in keyof RelativePositionOptions]-?: NonNullable<RelativePositionOptions[name]>;
} {
  const options = readOptions(given, RELATIVE_NAMES, WORDS);
  for (const name of ['queryLength', 'keyLength'] as const) {
    const length: unknown = options[name];
    if (!Number.isInteger(length) || (length as number) < 1) {
      refuse(`option ${name}`, String(length), 'a whole number of at least 1', 'Take it from the shape of query and key.');
    }
  }
  const {queryLength, keyLength, queryOffset = keyLength - queryLength, bidirectional = true, maxDistance = 128} = options;
  if (!Number.isInteger(queryOffset) || Math.abs(queryOffset) >= 2 ** 31) {
    refuse('option queryOffset', String(queryOffset), 'a whole number', 'It is the position of query 0 among the keys.');
  }
  if (typeof bidirectional !== 'boolean') {
    refuse('option bidirectional', String(bidirectional), 'true or false', 'Encoders of T5 have true, decoders false.');
  }
  return {queryLength, keyLength, queryOffset, bidirectional, maxDistance};
}

/** Returns the number of buckets. */
function checkTable(table: Tensor, bidirectional: boolean, maxDistance: number): number {
  if (!(table instanceof tf.Tensor))
    refuse('table', typeof table, 'a float32 tensor [buckets, heads]', 'Make one with tf.tensor2d.');
  if (table.isDisposed)
    refuse('table', 'a disposed tensor', 'a living one', 'Use tf.keep, or return it from the tf.tidy that made it.');
  if (table.dtype !== 'float32') refuse('table', `dtype ${table.dtype}`, 'dtype float32', "Cast it: tf.cast(table, 'float32').");
  const [buckets = 0] = table.shape;
  const least = bidirectional ? 4 : 2;
  if (table.rank !== 2 || buckets < least || (bidirectional && buckets % 2 === 1)) {
    const expected = bidirectional
      ? '[buckets, heads] with an even number of buckets, at least 4'
      : '[buckets, heads] with at least 2 buckets';
    refuse('table', `shape [${table.shape.join(', ')}]`, expected, 'T5 has [32, heads]; transpose a table of [heads, buckets].');
  }
  const near = Math.floor(buckets / least);
  if (!Number.isFinite(maxDistance) || maxDistance <= near) {
    const expected = `a number above ${near}, the distances with a bucket each`;
    refuse('option maxDistance', String(maxDistance), expected, 'T5 has 128.');
  }
  return buckets;
}
