import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {slice, type Chunk, type DenseOptions, type HeadedInputs, type TermTensors} from '../terms/part.js';
import type {BackwardPart} from '../terms/term.js';
import {termsBrought} from '../terms/terms.js';
import {foldHeads} from './dense.js';

export type GradientName = 'query' | 'key' | 'value' | keyof TermTensors;
export type GradientParts = Partial<Record<GradientName, Tensor>>;

/** The gradients that a chunk adds to the tensors of terms. */
export const termParts = (back: BackwardPart): TermTensors =>
  Object.assign({}, ...termsBrought(back.inputs, back.options).map(({ops}) => ops.gradients?.(back))) as TermTensors;

/** aᵀ·b over all rows and all the heads that read a key head, [batch, keyHeads, keys, dim] */
export const sumByKeyHead = (a: Tensor, b: Tensor, keyHeads: number): Tensor =>
  tf.matMul(foldHeads(a, keyHeads), foldHeads(b, keyHeads), true, false);

/** Sums over chunks of gradients: of query, key and value those of `own`, and those of terms that have one. */
export function sumsOf(
  inputs: HeadedInputs,
  options: DenseOptions,
  chunks: readonly Chunk[],
  own: readonly ('query' | 'key' | 'value')[] = ['query', 'key', 'value'],
): Partial<Record<GradientName, Sum>> {
  const sums: Partial<Record<GradientName, Sum>> = {};
  for (const name of own) sums[name] = new Sum(inputs[name].shape, 2, chunks, name === 'query' ? rowsOfChunk : keysOfChunk);
  for (const {roles, ops} of termsBrought(inputs, options)) {
    const {interval} = ops;
    if (interval === undefined) continue;
    for (const role of roles) {
      const ofRole = (chunk: Chunk): Interval => {
        const {begin, end} = interval(inputs, chunk);
        return [begin, end];
      };
      sums[role] = new Sum(inputs[role]!.shape, interval(inputs, chunks[0]!).axis, chunks, ofRole);
    }
  }
  return sums;
}

export const rowsOfChunk = ({rowBegin, rowEnd}: Chunk): Interval => [rowBegin, rowEnd];
export const keysOfChunk = ({keyBegin, keyEnd}: Chunk): Interval => [keyBegin, keyEnd];

type Interval = readonly [begin: number, end: number];

/**
 * A sum that grows by intervals of one axis, in pieces between the borders of all intervals: a chunk touches only what it adds to, be it
 * rows that no other has, keys and diagonals that others have, too, or all of it.
 */
export class Sum {
  readonly #shape: number[];
  readonly #axis: number;
  readonly #interval: (chunk: Chunk) => Interval;
  /** Ascending, from 0 to the length of the axis. */
  readonly #borders: number[];
  readonly #pieces: (Tensor | undefined)[];

  constructor(shape: number[], axis: number, chunks: readonly Chunk[], interval: (chunk: Chunk) => Interval) {
    [this.#shape, this.#axis, this.#interval] = [shape, axis, interval];
    this.#borders = [...new Set([0, shape[axis]!, ...chunks.flatMap((chunk) => [...interval(chunk)])])].sort((a, b) => a - b);
    this.#pieces = Array<Tensor | undefined>(this.#borders.length - 1).fill(undefined);
  }

  /** Takes `part`. */
  add(part: Tensor, chunk: Chunk): void {
    const [begin, end] = this.#interval(chunk);
    const first = this.#borders.indexOf(begin);
    for (let i = first; this.#borders[i]! < end; i++) {
      const share = (): Tensor => slice(part, this.#axis, this.#borders[i]! - begin, this.#borders[i + 1]! - begin);
      const before = this.#pieces[i];
      this.#pieces[i] = tf.tidy(() => (before === undefined ? tf.clone(share()) : tf.add(before, share())));
      before?.dispose();
    }
    part.dispose();
  }

  total(): Tensor {
    const pieces = this.#pieces.map((piece, i) => {
      const size = this.#borders[i + 1]! - this.#borders[i]!;
      return piece ?? tf.zeros(this.#shape.map((full, axis) => (axis === this.#axis ? size : full)));
    });
    return pieces.length === 1 ? pieces[0]! : tf.concat(pieces, this.#axis);
  }
}
