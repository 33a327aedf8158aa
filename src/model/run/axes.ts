import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import {apart, ofAxes} from '../graph/letters.js';

/** Letters of leading axes, the last ones first in use: h for heads, b for batch, then further ones. */
export const LEADING = 'xyzabh';

/** How many leading axes an attention has at least: the outermost letter tells, for no tensor need have all of them. */
export const leadingOf = /*#__PURE__*/ ofAxes((axes) =>
  Math.max(0, ...[...axes].map((letter) => (LEADING.includes(letter) ? LEADING.length - LEADING.indexOf(letter) : 0))),
);

/**
 * A tensor with its axes in another order. `axes` names those it has, a letter each (b, h and others for leading axes, l for queries or
 * keys, d for features); axes of `order` that it has not become 1.
 */
export function arrange(tensor: Tensor, axes: string, order: string): Tensor {
  if (tensor.rank !== axes.length) misfit('input', `shape [${tensor.shape.join()}]`, `the axes ${axes}`);
  if (axes === order) return tensor;
  const present = [...order].filter((letter) => axes.includes(letter));
  const perm = present.map((letter) => axes.indexOf(letter));
  const turned = perm.every((axis, i) => axis === i) ? tensor : tf.transpose(tensor, perm);
  if (present.length === order.length) return turned;
  return tf.reshape(
    turned,
    [...order].map((letter) => (axes.includes(letter) ? tensor.shape[axes.indexOf(letter)]! : 1)),
  );
}

/** The inverse: a tensor of the axes `order` with those of `axes`, merged letters included. Axes that are left out have size 1. */
export function restore(tensor: Tensor, order: string, axes: string): Tensor {
  if (order === axes) return tensor;
  const wanted = apart(axes);
  const dropped = [...order].filter((letter) => !wanted.includes(letter));
  const lost = dropped.find((letter) => tensor.shape[order.indexOf(letter)] !== 1);
  if (lost !== undefined || ![...wanted].every((letter) => order.includes(letter))) {
    misfit('output', `shape [${tensor.shape.join()}] of the axes ${order}`, `what fits the axes ${axes}`);
  }
  const perm = [...dropped, ...wanted].map((letter) => order.indexOf(letter));
  const turned = perm.every((axis, i) => axis === i) ? tensor : tf.transpose(tensor, perm);
  const sizes = turned.shape.slice(turned.rank - wanted.length);
  let at = 0;
  const merged = [...axes].map((letter) => {
    const own = sizes.slice(at, (at += apart(letter).length));
    return own.reduce((a, b) => a * b, 1);
  });
  return merged.length === turned.rank ? turned : tf.reshape(turned, merged);
}

/**
 * The shapes of query, key and value with the same leading axes, as batched products broadcast them, and those axes. `masks` are shapes that the
 * scores are broadcast to: a mask or bias may have more sequences, heads, queries or keys than the product. Heads of key and value may be
 * fewer, a divisor of the others: that is grouped attention.
 */
export function broadcastShapes(
  shapes: readonly (readonly number[])[],
  masks: readonly (readonly number[])[],
  order: string,
): {shapes: readonly (readonly number[])[]; sizes: readonly number[]} {
  const leading = [...order].filter((letter) => letter !== 'l' && letter !== 'd');
  const [query, key, value] = shapes as [readonly number[], readonly number[], readonly number[]];
  const isAlike = leading.every((letter) => {
    const axis = order.indexOf(letter);
    return key[axis] === query[axis] && value[axis] === query[axis];
  });
  // As mostly: then nothing is to be worked out.
  if (isAlike && masks.every(({length}) => length === 0))
    return {shapes, sizes: leading.map((letter) => query[order.indexOf(letter)]!)};
  const lengthAxis = order.indexOf('l');
  const of = (fromEnd: number): number[] => masks.map((shape) => shape.at(-fromEnd) ?? 1);
  const sizes = leading.map((letter, i) =>
    [...shapes.map((shape) => shape[order.indexOf(letter)]!), ...of(leading.length - i + 2)].reduce(larger),
  );
  const queries = [query[lengthAxis]!, ...of(2)].reduce(larger);
  const keys = [key[lengthAxis]!, ...of(1)].reduce(larger);
  const headAxis = order.indexOf('h');
  const keyHeads = key[headAxis]!;
  const grouped = keyHeads === value[headAxis] && keyHeads > 0 && sizes.at(-1)! % keyHeads === 0;
  for (const mask of masks) mustBroadcast(mask, [...sizes, queries, keys]);
  const lengths = [queries, keys, value[lengthAxis]!];
  const spread = shapes.map((shape, role) =>
    shape.map((size, axis) => {
      if (axis === lengthAxis) return lengths[role]!;
      const at = leading.indexOf(order[axis]!);
      return at < 0 || (role > 0 && grouped && axis === headAxis) ? size : sizes[at]!;
    }),
  );
  return {shapes: spread, sizes};
}

/** A tensor in a shape that it broadcasts to. */
export function spreadTo(tensor: Tensor, shape: readonly number[]): Tensor {
  if (shape.join() === tensor.shape.join()) return tensor;
  mustBroadcast(tensor.shape, shape);
  return tf.broadcastTo(tensor, [...shape] as [number]);
}

const larger = (a: number, b: number): number => (a === 1 ? b : b === 1 ? a : Math.max(a, b));

function mustBroadcast(shape: readonly number[], target: readonly number[]): void {
  const fits = shape.every((size, i) => size === 1 || size === target.at(i - shape.length));
  if (!fits) misfit('input', `shape [${shape.join()}]`, `what broadcasts to [${target.join()}]`);
}

function misfit(which: string, found: string, expected: string): never {
  const cure = 'The graph says otherwise: please report the model, and load it without swapping until then.';
  return refuse(`SparseAttention ${which}`, found, expected, cure);
}
