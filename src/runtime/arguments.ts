import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor4D} from '@tensorflow/tfjs-core';
import {isList, nearestName, readNumbers, refuse, say} from '../support/index.js';
import type {Layout, Problem} from '../compile.js';
import type {NumberArray} from './options.js';

/** The sizes [batch, heads, length, dim] of a tensor of either layout. */
export function sizesOf(shape: readonly number[], layout: Layout): [number, number, number, number] {
  const [batch, first, second, dim] = rank4(shape);
  return layout === 'bhld' || shape.length === 3 ? [batch, first, second, dim] : [batch, second, first, dim];
}

/** Rank 3 is one head. */
export function rank4(shape: readonly number[]): [number, number, number, number] {
  return (shape.length === 3 ? [shape[0]!, 1, shape[1]!, shape[2]!] : [...shape]) as [number, number, number, number];
}

export function oneOf<Name extends string>(thing: string, given: string, names: readonly Name[], cure: string): Name {
  const found = names.find((name) => name === given);
  if (found !== undefined) return found;
  const near = typeof given === 'string' ? nearestName(given, names) : undefined;
  return refuse(thing, say(given), `one of ${names.join(', ')}`, near ? `Did you mean '${near}'?` : cure);
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
  if (!isList(given)) return refuse(name, say(given), expected, cure);
  const {values, shape} = readNumbers(name, given, kind);
  return tf.tensor(values, shape, kind);
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
      'Each dimension is full size or 1, aligned from the right.',
    );
  }
  const full = headless ? [padded[0]!, 1, padded[1]!, padded[2]!] : padded;
  return tensor.rank === 4 ? (tensor as Tensor4D) : tf.reshape(tensor, full as [number, number, number, number]);
}

export const shapeOf = (tensor: Tensor): string => `[${tensor.shape.join(', ')}]`;
