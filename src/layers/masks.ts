import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor2D, Tensor4D} from '@tensorflow/tfjs-core';
import {refuse} from '../support/index.js';
import {sayArgument} from './arguments.js';
import {isFull, type Band} from './bands.js';

/** The masks of a call by Keras's rules; a query sees the keys that all of them show. */
export interface KerasMasks {
  readonly queryLength: number;
  readonly keyLength: number;
  /** bool [batch, queryLength]: a query that is masked sees nothing. */
  readonly query?: Tensor2D;
  /** bool [batch, keyLength] */
  readonly key?: Tensor2D;
  /** bool, every dimension of [batch, heads, queryLength, keyLength] full size or 1. */
  readonly pairs?: Tensor4D;
  readonly band: Band;
}

/** What hides single keys, to be added to the scores: −∞ on a hidden key. The band is left to the pattern, which skips what it hides. */
export function hidingBias({key, pairs}: KerasMasks): Tensor4D | undefined {
  const shown = both(pairs, key && expandKeys(key));
  if (shown === undefined) return undefined;
  const shape: number[] = shown.shape;
  // Not a number: in its debug mode TensorFlow.js uploads no −∞, and `fill` uploads nothing.
  return tf.where<Tensor>(shown, tf.zeros(shape), tf.fill(shape, -Infinity)) as Tensor4D;
}

/**
 * 1 for a query that sees a key, 0 for one that sees none: float32, broadcastable to [batch, queryLength, heads, dim]; undefined when
 * all see one. To those Keras gives the mean of all values (every score loses the same 10⁹), where a pattern gives zeros.
 */
export function seesAny(masks: KerasMasks): Tensor4D | undefined {
  const {query, key, pairs} = masks;
  const rows = pairs === undefined ? rowsOfKeys(masks) : tf.any(both(both(pairs, key && expandKeys(key)), drawBand(masks))!, -1);
  const seen = both(rows, query && (tf.expandDims(query, 1) as Tensor));
  if (seen === undefined) return undefined;
  // From [batch, heads, queryLength], each of them full size or 1.
  return tf.expandDims(tf.transpose(ones(seen), [0, 2, 1]), -1) as Tensor4D;
}

/** bool [batch or 1, 1, queryLength or 1]: whether the band of a query holds a key that is shown. */
function rowsOfKeys({key, band, queryLength, keyLength}: KerasMasks): Tensor | undefined {
  if (key === undefined && queryLength + band.from <= keyLength) return undefined;
  if (key !== undefined && isFull(band)) return tf.expandDims(tf.any(key, 1, true), 1);
  const shown: Tensor = key === undefined ? tf.ones([1, keyLength]) : ones(key);
  // Entry n counts the shown keys before key n.
  const before = tf.concat([tf.zeros([shown.shape[0]!, 1]), tf.cumsum(shown, 1)], 1);
  const at = (offset: number): Tensor => tf.gather(before, tf.tensor1d(edges(offset, queryLength, keyLength), 'int32'), 1);
  return tf.expandDims(tf.greater(at(band.to + 1), at(band.from)), 1);
}

/** [queryLength] i + offset, kept within 0 … keyLength. */
const edges = (offset: number, queryLength: number, keyLength: number): Int32Array =>
  Int32Array.from({length: queryLength}, (_, i) => Math.min(keyLength, Math.max(0, i + offset)));

/** bool [1, 1, queryLength, keyLength], or undefined for a band that shows everything. */
function drawBand({band, queryLength, keyLength}: KerasMasks): Tensor4D | undefined {
  if (isFull(band)) return undefined;
  const distance = tf.sub(tf.range(0, keyLength), tf.expandDims(tf.range(0, queryLength), 1));
  const inside = tf.logicalAnd(
    tf.greaterEqual(distance, Math.max(band.from, -queryLength)),
    tf.lessEqual(distance, Math.min(band.to, keyLength)),
  );
  return tf.reshape(inside, [1, 1, queryLength, keyLength]);
}

/** 1 where true. Not by a cast: on WebGPU that only renames the type, and some programs of TensorFlow.js still find integers (4.22). */
const ones = (mask: Tensor): Tensor => tf.where(mask, 1, 0);

const expandKeys = (key: Tensor2D): Tensor4D => tf.reshape(key, [key.shape[0], 1, 1, key.shape[1]]);

function both<T extends Tensor>(a: Tensor | undefined, b: Tensor | undefined): T | undefined {
  return (a !== undefined && b !== undefined ? tf.logicalAnd(a, b) : (a ?? b)) as T | undefined;
}

/** A mask of pairs as Keras takes it, [queryLength, keyLength], with batch or with batch and heads before them, as one of rank 4. */
export function readPairs(thing: string, given: Tensor, sizes: readonly [number, number, number, number]): Tensor4D {
  const [first = 1, ...rest] = given.shape;
  const shape = given.rank === 2 ? [1, 1, ...given.shape] : given.rank === 3 ? [first, 1, ...rest] : given.shape;
  if (shape.length !== 4 || !shape.every((size, i) => size === 1 || size === sizes[i])) {
    const [batch, heads, queryLength, keyLength] = sizes;
    const isTokens = given.rank === 2 && given.shape[0] === batch && given.shape[1] === keyLength;
    refuse(
      thing,
      `shape ${sayArgument(given.shape)}`,
      `[batch, queryLength, keyLength] = [${batch}, ${queryLength}, ${keyLength}], or [batch, heads, …] with ${heads} heads`,
      isTokens
        ? 'A mask of tokens, [batch, keyLength], hides them from all queries: pass tf.expandDims(mask, 1), [batch, 1, keyLength].'
        : 'Each dimension is full size or 1; 1 in the mask means attend.',
    );
  }
  return tf.cast(tf.reshape(given, shape as [number, number, number, number]), 'bool');
}

/**
 * A mask that TensorFlow.js keeps beside a tensor, [batch, length], as bool. Its Add and the like put a dimension of 1 before the others
 * (4.22, `Merge.computeMask`), and one more each time.
 */
export function readRows(thing: string, given: Tensor, [batch, length]: readonly [number, number]): Tensor2D {
  if (given.isDisposed) {
    const cure = 'The model or tf.tidy that made the tensor freed it. Pass tensor.clone(), which has none, and an attentionMask.';
    refuse(thing, 'a disposed one', 'one that lives as long as its tensor', cure);
  }
  const spare = given.shape.slice(0, -2);
  const [rows, columns] = given.shape.slice(-2);
  if (rows !== batch || columns !== length || spare.some((size) => size !== 1)) {
    const cure = 'The layer before gives a mask that does not fit its output; pass one of your own as attentionMask instead.';
    refuse(thing, `shape ${sayArgument(given.shape)}`, `[batch, length] = [${batch}, ${length}]`, cure);
  }
  return tf.cast(tf.reshape(given, [batch, length]), 'bool');
}
