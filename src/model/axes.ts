import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {refuse} from '../support/index.js';

/** Letters of leading axes, the last ones first in use: h for heads, b for batch, then further ones. */
export const LEADING = 'xyzabh';

/** How many leading axes an attention has at least: the outermost letter tells, for no tensor need have all of them. */
export const leadingOf = (axes: string): number =>
  Math.max(0, ...[...axes].map((letter) => (LEADING.includes(letter) ? LEADING.length - LEADING.indexOf(letter) : 0)));

/**
 * A tensor with its axes in another order. `axes` names those it has, a letter each (b, h and others for leading axes, l for queries or
 * keys, d for features); axes of `order` that it has not become 1.
 */
export function arrange(tensor: Tensor, axes: string, order: string): Tensor {
  if (tensor.rank !== axes.length) {
    const cure = 'The graph says otherwise: please report the model, and load it without swapping until then.';
    refuse('SparseAttention input', `shape [${tensor.shape.join()}]`, `the axes ${axes}`, cure);
  }
  const present = [...order].filter((letter) => axes.includes(letter));
  const perm = present.map((letter) => axes.indexOf(letter));
  const turned = perm.every((axis, i) => axis === i) ? tensor : tf.transpose(tensor, perm);
  if (present.length === order.length) return turned;
  return tf.reshape(
    turned,
    [...order].map((letter) => (axes.includes(letter) ? tensor.shape[axes.indexOf(letter)]! : 1)),
  );
}

/** The inverse: a tensor of the axes `order` with those of `axes`, `m` being b and h merged. Axes that are left out have size 1. */
export function restore(tensor: Tensor, order: string, axes: string): Tensor {
  const wanted = axes.replace('m', 'bh');
  const turnedOrder = [...order].filter((letter) => !wanted.includes(letter)).join('') + wanted;
  const perm = [...turnedOrder].map((letter) => order.indexOf(letter));
  const turned = perm.every((axis, i) => axis === i) ? tensor : tf.transpose(tensor, perm);
  const sizes = turned.shape.slice(turned.rank - wanted.length);
  const at = axes.indexOf('m');
  const merged = at < 0 ? sizes : sizes.toSpliced(at, 2, sizes[at]! * sizes[at + 1]!);
  return merged.length === turned.rank ? turned : tf.reshape(turned, merged);
}

/**
 * Query, key and value with the same leading axes, as batched products broadcast them, and those axes. Heads of key and value may be
 * fewer, a divisor of the others: that is grouped attention.
 */
export function broadcastAxes(
  tensors: readonly Tensor[],
  bias: Tensor | undefined,
  order: string,
): {tensors: Tensor[]; sizes: readonly number[]} {
  const leading = [...order].filter((letter) => letter !== 'l' && letter !== 'd');
  const sizes = leading.map((letter, i) => {
    const fromEnd = leading.length - i + 2;
    const all = [...tensors.map(({shape}) => shape[order.indexOf(letter)]!), bias?.shape[bias.rank - fromEnd] ?? 1];
    return all.reduce((a, b) => (a === 1 ? b : b === 1 ? a : Math.max(a, b)));
  });
  const [, key, value] = tensors;
  const headAxis = order.indexOf('h');
  const keyHeads = key!.shape[headAxis]!;
  const grouped = keyHeads === value!.shape[headAxis] && keyHeads > 0 && sizes.at(-1)! % keyHeads === 0;
  const spread = tensors.map((tensor, i) => {
    const shape = tensor.shape.map((size, axis) => {
      const at = leading.indexOf(order[axis]!);
      if (at < 0 || (i > 0 && grouped && axis === headAxis)) return size;
      return sizes[at]!;
    });
    return shape.join() === tensor.shape.join() ? tensor : tf.broadcastTo(tensor, shape as [number]);
  });
  return {tensors: spread, sizes};
}
