import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D, Tensor4D} from '@tensorflow/tfjs-core';
import {packedKeys, rowOffsets, rowsAt, type Acsr, type Lines} from '../../pure.js';
import {slice, type Chunk} from '../terms/part.js';

/*
 * Packed numbers [batch, heads, nnz] and the same as dense chunks [batch, heads, rows, keys], by gathers alone: what goes where is known
 * before, and no two numbers meet.
 */

const known = new WeakMap<Acsr, Int32Array>();

/** `rowOffsets`, once. */
export function offsetsOf(acsr: Acsr): Int32Array {
  let offsets = known.get(acsr);
  if (offsets === undefined) known.set(acsr, (offsets = rowOffsets(acsr)));
  return offsets;
}

/** Numbers of a head: of the largest, where they differ. */
export const nnzOf = ({rows}: Lines): number => Math.max(...rows.map(({nnz}) => nnz));

/** Where the pairs of a chunk lie in it, row-major, in the order in which they are packed. */
function placesOf(acsr: Acsr, {rowBegin, rowEnd, keyBegin, keyEnd}: Chunk): Int32Array {
  const offsets = offsetsOf(acsr);
  const places = packedKeys(acsr, rowBegin, rowEnd);
  for (let row = rowBegin; row < rowEnd; row++) {
    const base = (row - rowBegin) * (keyEnd - keyBegin) - keyBegin;
    const first = offsets[rowBegin]!;
    for (let at = offsets[row]! - first; at < offsets[row + 1]! - first; at++) places[at]! += base;
  }
  return places;
}

const isOne = ({rows}: Lines): boolean => rows.length === 1;

const indices = (values: Int32Array): Tensor => tf.tensor1d(values, 'int32');

/** The numbers of a chunk, whose other pairs are `fill`: [batch, heads, rows, keys]. */
export function unpacked(values: Tensor3D, lines: Lines, chunk: Chunk, fill: number): Tensor4D {
  const [batch, heads, nnz] = values.shape;
  const [rows, keys] = [chunk.rowEnd - chunk.rowBegin, chunk.keyEnd - chunk.keyBegin];
  if (batch * heads * rows * keys === 0) return tf.zeros([batch, heads, rows, keys]);
  const padded = (part: Tensor3D): Tensor => tf.concat([part, tf.fill([batch, heads, 1], fill)], 2);
  if (isOne(lines)) {
    const acsr = lines.rows[0]!;
    const offsets = offsetsOf(acsr);
    const [from, end] = [offsets[chunk.rowBegin]!, offsets[chunk.rowEnd]!];
    const at = new Int32Array(rows * keys).fill(end - from);
    placesOf(acsr, chunk).forEach((place, index) => (at[place] = index));
    const part = tf.reshape(padded(slice(values, 2, from, end)), [batch * heads, end - from + 1]);
    return tf.reshape(tf.gather(part, indices(at), 1), [batch, heads, rows, keys]);
  }
  const at = new Int32Array(batch * heads * rows * keys);
  const places = new Map(lines.rows.map((acsr) => [acsr, placesOf(acsr, chunk)]));
  for (let line = 0; line < batch * heads; line++) {
    const acsr = rowsAt(lines, Math.floor(line / heads), line % heads);
    const first = line * (nnz + 1);
    const own = at.subarray(line * rows * keys, (line + 1) * rows * keys).fill(first + nnz);
    const from = first + offsetsOf(acsr)[chunk.rowBegin]!;
    places.get(acsr)!.forEach((place, index) => (own[place] = from + index));
  }
  return tf.reshape(tf.gather(tf.reshape(padded(values), [-1]), indices(at)), [batch, heads, rows, keys]);
}

/** Packs chunks, which come in the order of their rows. */
export class PairPacking {
  readonly #lines: Lines;
  readonly #batch: number;
  readonly #heads: number;
  /** [lines, pairs]: of all where they are alike, else of each. */
  readonly #parts: Tensor[][];

  constructor(lines: Lines, batch: number, heads: number) {
    [this.#lines, this.#batch, this.#heads] = [lines, batch, heads];
    this.#parts = Array.from({length: isOne(lines) ? 1 : batch * heads}, () => []);
  }

  /** Takes the pairs of a chunk [batch, heads, rows, keys], and the chunk. */
  add(dense: Tensor, chunk: Chunk): void {
    const lines = this.#lines;
    const known = new Map(lines.rows.map((acsr) => [acsr, placesOf(acsr, chunk)]));
    this.#parts.forEach((parts, line) => {
      const places = known.get(rowsAt(lines, Math.floor(line / this.#heads), line % this.#heads))!;
      if (places.length === 0) return;
      const own = tf.tidy(() => {
        const flat = tf.reshape(dense, [this.#batch * this.#heads, -1]);
        return tf.gather(isOne(lines) ? flat : slice(flat, 0, line, line + 1), indices(places), 1);
      });
      parts.push(own);
    });
    dense.dispose();
  }

  /** [batch, heads, nnz]; behind lines that have fewer stand zeros. */
  total(): Tensor3D {
    const [batch, heads, nnz] = [this.#batch, this.#heads, nnzOf(this.#lines)];
    if (batch * heads * nnz === 0) return tf.zeros([batch, heads, nnz]);
    if (isOne(this.#lines)) return tf.reshape(tf.concat(this.#parts[0]!, 1), [batch, heads, nnz]);
    const all = this.#parts.flatMap((parts) => {
      const missing = nnz - parts.reduce((sum, {size}) => sum + size, 0);
      return missing === 0 ? parts : [...parts, tf.zeros([1, missing])];
    });
    return tf.reshape(tf.concat(all, 1), [batch, heads, nnz]);
  }
}
