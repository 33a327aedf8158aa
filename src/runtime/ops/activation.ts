import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {oneOf, readOptions, type NamesOf, type OptionWords} from '../../support/index.js';
import {floats} from '../given/arguments.js';
import type {NumberArray} from '../given/number_array.js';
import {ACTIVATIONS, APPROXIMATIONS, type Approximation, type GeluAttrs} from './activation_kernel.js';
import {runOp} from './op_kernels.js';

/** What `gelu` takes beside its tensor. */
export interface GeluOptions {
  /**
   * How the normal distribution Φ of x·Φ(x) is computed: `'erf'` or false by the error function, `'tanh'` or true as
   * (1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2, `'sigmoid'` as sigmoid(1.702·x). Default false, as in TensorFlow and PyTorch.
   */
  readonly approximate?: boolean | Approximation | null | undefined;
}

const NAMES: NamesOf<GeluOptions> = {approximate: true};
const WORDS: OptionWords = {
  all: 'options',
  expected: "an object such as {approximate: 'tanh'}",
  cure: 'Pass the option by name.',
  one: (name) => `option ${name}`,
};

function gelu_(x: Tensor | NumberArray, options: GeluOptions = {}): Tensor {
  const {approximate = false} = readOptions(options, NAMES, WORDS);
  const word = approximate === true ? 'tanh' : approximate === false ? 'erf' : approximate;
  const expected = 'true, false, or one of erf, tanh, sigmoid';
  const attrs: GeluAttrs = {
    approximate: oneOf('option approximate', word, APPROXIMATIONS, "PyTorch's 'none' is 'erf'.", expected),
  };
  return runOp(ACTIVATIONS.gelu, [floats('x', x)], attrs)[0]!;
}

function silu_(x: Tensor | NumberArray): Tensor {
  return runOp(ACTIVATIONS.silu, [floats('x', x)], {})[0]!;
}

/**
 * Gaussian error linear unit (arXiv 1606.08415): `x · Φ(x)`, Φ the normal distribution. −∞ gives 0, NaN gives NaN.
 *
 * One kernel on WebGPU, TensorFlow.js ops elsewhere. Differentiable, as often as one likes.
 *
 * ```js
 * const output = gelu(tf.tensor1d([-1, 0, 1]), {approximate: 'tanh'});
 * ```
 *
 * @param x float32 of any shape.
 * @returns float32 of the shape of x.
 * @throws SplatError before any GPU work when an argument is not as described.
 */
export function gelu<T extends Tensor>(x: T | NumberArray, options: GeluOptions = {}): T {
  return geluOp(x, options) as T;
}

/**
 * Sigmoid linear unit, also called swish (arXiv 1702.03118): `x · sigmoid(x)`. −∞ gives 0, NaN gives NaN.
 *
 * One kernel on WebGPU, TensorFlow.js ops elsewhere. Differentiable, as often as one likes.
 *
 * ```js
 * const output = silu(tf.tensor1d([-1, 0, 1]));
 * ```
 *
 * @param x float32 of any shape.
 * @returns float32 of the shape of x.
 * @throws SplatError before any GPU work when an argument is not as described.
 */
export function silu<T extends Tensor>(x: T | NumberArray): T {
  return siluOp(x) as T;
}

const geluOp = /*#__PURE__*/ tf.op({gelu_});
const siluOp = /*#__PURE__*/ tf.op({silu_});
