import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor4D} from '@tensorflow/tfjs-core';
import {awaitOr, isList, rank4, readNumbers, refuse, say} from '../../support/index.js';
import type {Layout, Problem} from '../../pure.js';
import type {NumberArray} from './number_array.js';
import {paddingCure} from './padding.js';

/** The sizes [batch, heads, length, dim] of a tensor of either layout. */
export function sizesOf(shape: readonly number[], layout: Layout): [number, number, number, number] {
  const [batch, first, second, dim] = rank4(shape);
  return layout === 'bhld' || shape.length === 3 ? [batch, first, second, dim] : [batch, second, first, dim];
}

/** The argument as a live float32 tensor. Nested arrays and typed arrays become one. */
export function floats(name: string, given: Tensor | NumberArray): Tensor {
  const tensor = live(name, given, 'float32', 'a float32 tensor', 'Pass a tensor, or nested arrays of numbers.');
  if (tensor.dtype !== 'float32') {
    refuse(name, `dtype ${tensor.dtype}`, 'dtype float32', `Cast it: tf.cast(${name}, 'float32').`);
  }
  return tensor;
}

/** The argument as a living tensor of whatever dtype it has; arrays become one of `kind`. */
export function live(name: string, given: unknown, kind: 'float32' | 'int32', expected: string, cure: string): Tensor {
  if (given instanceof tf.Tensor) return checkAlive(name, given);
  if (!isList(given)) return refuse(name, say(given), expected, awaitOr(given, cure));
  const {values, shape} = readNumbers(name, given, kind);
  // tf.tensor refuses −∞ in debug mode, which excludes keys here.
  return tf.engine().makeTensor(values, shape, kind);
}

export function checkAlive(name: string, tensor: Tensor): Tensor {
  if (tensor.isDisposed) {
    refuse(name, 'a disposed tensor', 'a living one', 'Use tf.keep, or return it from the tf.tidy that made it.');
  }
  return tensor;
}

/**
 * Brings a mask or a bias to rank 4 with every dimension full size or 1. Dimensions align from the right, as in all of tfjs; beside
 * inputs of rank 3 they align with [batch, queryLength, keyLength] when there are at most three.
 */
export function alignToScores(
  name: string,
  tensor: Tensor,
  rank: 3 | 4,
  {batch, heads, queryLength, keyLength}: Problem,
): Tensor4D {
  const headless = rank === 3 && tensor.rank <= 3;
  const scores = headless ? [batch, queryLength, keyLength] : [batch, heads, queryLength, keyLength];
  const names = headless ? '[batch, queryLength, keyLength]' : '[batch, heads, queryLength, keyLength]';
  const padded = [...Array<number>(Math.max(0, scores.length - tensor.rank)).fill(1), ...tensor.shape];
  if (padded.length > scores.length || !padded.every((size, i) => size === 1 || size === scores[i])) {
    refuse(
      name,
      `shape ${shapeOf(tensor)}`,
      `one that broadcasts to ${names} = [${scores.join(', ')}]`,
      alignCure(name, tensor, scores, {batch, queryLength, keyLength}),
    );
  }
  const full = headless ? [padded[0]!, 1, padded[1]!, padded[2]!] : padded;
  return tensor.rank === 4 ? (tensor as Tensor4D) : tf.reshape(tensor, full as [number, number, number, number]);
}

/** The two slips that are seen most: a padding mask, and all pairs of each sequence without a dimension for heads. */
function alignCure(
  name: string,
  {shape, dtype}: Tensor,
  scores: readonly number[],
  {batch, queryLength, keyLength}: Pick<Problem, 'batch' | 'queryLength' | 'keyLength'>,
): string {
  if (shape.length === 2 && shape[0] === batch && shape[1] === keyLength) {
    const ones = Array<number>(scores.length - 2).fill(1);
    const spread = `tf.reshape(${name}, [${[batch, ...ones, keyLength].join(', ')}])`;
    return name === 'mask' ? paddingCure(dtype, queryLength, keyLength) : `A row for each sequence is ${spread}.`;
  }
  const [first, rows, keys] = shape;
  if (shape.length === 3 && first === batch && (rows === 1 || rows === queryLength) && keys === keyLength) {
    return `Give it a dimension for heads: tf.expandDims(${name}, 1).`;
  }
  return 'Each dimension is full size or 1, aligned from the right.';
}

export const shapeOf = (tensor: Tensor): string => `[${tensor.shape.join(', ')}]`;
