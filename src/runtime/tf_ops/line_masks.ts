import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Lines} from '../../pure.js';
import type {Chunk} from '../terms/part.js';
import {drawMask} from './chunks.js';

/** Who attends in a chunk. */
export interface ChunkMask {
  /** bool [rows, keys], or [batch or 1, heads or 1, rows, keys] where lines differ. */
  readonly attends: Tensor;
  /** bool, broadcastable to [batch, keyHeads, keys, 1]: some row attends to the key; null where all keys are seen. */
  readonly seen: Tensor | null;
}

/** Null when every row of every line attends to every key. Masks that several lines have are drawn once; a chunk bounds what all take together. */
export function chunkMask(lines: Lines, keyHeads: number, chunk: Chunk): ChunkMask | null {
  const drawn = lines.rows.map((acsr) => drawMask(acsr, chunk));
  if (drawn.every(({mask, pairs}) => pairs === mask.length)) return null;
  const [rows, keys] = [chunk.rowEnd - chunk.rowBegin, chunk.keyEnd - chunk.keyBegin];
  const seen = drawn.map(({mask}) => seenKeys(mask, keys));
  if (drawn.length === 1) {
    return {attends: tf.tensor2d(drawn[0]!.mask, [rows, keys], 'bool'), seen: seenTensor(seen[0]!, [1, 1, keys, 1])};
  }

  const {batch, heads, of} = lines;
  const attends = new Uint8Array(of.length * rows * keys);
  of.forEach((number, line) => attends.set(drawn[number]!.mask, line * rows * keys));
  // A key is seen where any of the query heads that read it has a row that attends to it.
  const readers = heads === 1 ? 1 : heads / keyHeads;
  const ofKeys = new Uint8Array((of.length / readers) * keys);
  of.forEach((number, line) => {
    const first = Math.floor(line / readers) * keys;
    seen[number]!.forEach((bit, key) => (ofKeys[first + key]! |= bit));
  });
  return {
    attends: tf.tensor4d(attends, [batch, heads, rows, keys], 'bool'),
    seen: seenTensor(ofKeys, [batch, heads / readers, keys, 1]),
  };
}

/** [keys] 1 where a row of a mask [rows, keys] has a 1. */
function seenKeys(mask: Uint8Array, keys: number): Uint8Array {
  const seen = new Uint8Array(keys);
  mask.forEach((bit, pair) => (seen[pair % keys]! |= bit));
  return seen;
}

const seenTensor = (seen: Uint8Array, shape: [number, number, number, number]): Tensor | null =>
  seen.includes(0) ? tf.tensor4d(seen, shape, 'bool') : null;
