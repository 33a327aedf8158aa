import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {readOptions, refuse, say, type NamesOf, type OptionWords} from '../../support/index.js';
import {floats, shapeOf} from '../given/arguments.js';
import type {NumberArray} from '../given/number_array.js';
import {NORMS} from './norm_kernel.js';
import {runOp} from './op_kernels.js';

/** What `layerNorm` and `rmsNorm` take beside their tensors; all of it may be left out. */
export interface NormOptions {
  /** Added to the variance, or to the mean square. Default 1e-5 for `layerNorm`, 1e-6 for `rmsNorm`. */
  readonly epsilon?: number | null | undefined;
  /** float32 of the shape of x: is added to x before the norm, in the same kernel. */
  readonly residual?: Tensor | NumberArray | null | undefined;
}

const NAMES: NamesOf<NormOptions> = {epsilon: true, residual: true};
const WORDS: OptionWords = {
  all: 'options',
  expected: 'an object such as {epsilon: 1e-5}',
  cure: 'Pass the options by name.',
  one: (name) => `option ${name}`,
  elsewhere: {epsilon: ['eps', 'variance_epsilon', 'variance_epsilon_', 'layer_norm_eps', 'layerNormEps']},
};

export type NormName = keyof typeof NORMS;
const EPSILONS: Readonly<Record<NormName, number>> = {layerNorm: 1e-5, rmsNorm: 1e-6};

type Vector = Tensor | NumberArray | null | undefined;

function layerNorm_(x: Tensor | NumberArray, gamma?: Vector, beta?: Vector, options: NormOptions = {}): Tensor {
  return normed('layerNorm', x, gamma, beta, options, false)[0]!;
}

function rmsNorm_(x: Tensor | NumberArray, gamma?: Vector, options: NormOptions = {}): Tensor {
  return normed('rmsNorm', x, gamma, null, options, false)[0]!;
}

/**
 * Layer normalisation (arXiv 1607.06450) over the last axis:
 * `(s − mean(s)) / √(variance(s) + epsilon) · gamma + beta`, with s = x + residual.
 *
 * One kernel on WebGPU for rows of up to 16,384 numbers; TensorFlow.js ops elsewhere. Differentiable in all tensors, as often as one likes.
 *
 * ```js
 * const x = tf.randomNormal([2, 128, 768]);
 * const output = layerNorm(x, tf.ones([768]), tf.zeros([768]), {epsilon: 1e-12, residual: tf.randomNormal([2, 128, 768])});
 * ```
 *
 * @param x float32 of rank 1 or more, [.., width].
 * @param gamma float32 [width]; null or undefined for none.
 * @param beta float32 [width]; null or undefined for none.
 * @returns float32 of the shape of x.
 * @throws SplatError before any GPU work when an argument is not as described.
 */
export function layerNorm<T extends Tensor>(
  x: T | NumberArray,
  gamma?: Tensor | NumberArray | null,
  beta?: Tensor | NumberArray | null,
  options: NormOptions = {},
): T {
  return layerNormOp(x, gamma, beta, options) as T;
}

/**
 * Root mean square normalisation (arXiv 1910.07467) over the last axis: `s / √(mean(s²) + epsilon) · gamma`, with s = x + residual.
 *
 * One kernel on WebGPU for rows of up to 16,384 numbers; TensorFlow.js ops elsewhere. Differentiable in all tensors, as often as one likes.
 *
 * ```js
 * const x = tf.randomNormal([2, 128, 768]);
 * const output = rmsNorm(x, tf.ones([768]));
 * ```
 *
 * @param x float32 of rank 1 or more, [.., width].
 * @param gamma float32 [width]; null or undefined for none.
 * @returns float32 of the shape of x.
 * @throws SplatError before any GPU work when an argument is not as described.
 */
export function rmsNorm<T extends Tensor>(x: T | NumberArray, gamma?: Tensor | NumberArray | null, options: NormOptions = {}): T {
  return rmsNormOp(x, gamma, options) as T;
}

const layerNormOp = /*#__PURE__*/ tf.op({layerNorm_});
const rmsNormOp = /*#__PURE__*/ tf.op({rmsNorm_});

/** [norm], and where it is wanted the sum x + residual that it is of, which goes on as the residual of the next: from the same kernel. */
export function normed(
  name: NormName,
  given: Tensor | NumberArray,
  gamma: Vector,
  beta: Vector,
  options: NormOptions,
  withSum: boolean,
): Tensor[] {
  const read = readOptions(options, NAMES, WORDS);
  const epsilon = checkEpsilon(read.epsilon ?? EPSILONS[name]);
  const x = floats('x', given);
  if (x.rank === 0) refuse('x', 'a scalar', 'a tensor [.., width]', 'A norm is over the last axis: reshape it.');
  const vectors = [vector('gamma', gamma, x), vector('beta', beta, x), residualOf(read.residual, x)] as const;
  const [hasGamma, hasBeta, hasResidual] = vectors.map((tensor) => tensor !== null) as [boolean, boolean, boolean];
  const attrs = {epsilon, hasGamma, hasBeta, hasResidual, withSum};
  return runOp(NORMS[name], [x, ...vectors.filter((tensor) => tensor !== null)], attrs);
}

function vector(name: 'gamma' | 'beta', given: Vector, x: Tensor): Tensor | null {
  if (given === undefined || given === null) return null;
  const tensor = floats(name, given);
  const width = x.shape.at(-1)!;
  if (tensor.rank !== 1 || tensor.shape[0] !== width) {
    const cure =
      tensor.size === width
        ? `Reshape it: tf.reshape(${name}, [${width}]).`
        : `It has a number for each place of the last axis of x, whose shape is ${shapeOf(x)}.`;
    refuse(name, `shape ${shapeOf(tensor)}`, `[${width}]`, cure);
  }
  return tensor;
}

function residualOf(given: Vector, x: Tensor): Tensor | null {
  if (given === undefined || given === null) return null;
  const tensor = floats('option residual', given);
  if (tensor.shape.join() !== x.shape.join()) {
    const cure = `Spread it first: tf.broadcastTo(residual, [${x.shape.join(', ')}]).`;
    refuse('option residual', `shape ${shapeOf(tensor)}`, `${shapeOf(x)}, that of x`, cure);
  }
  return tensor;
}

function checkEpsilon(epsilon: unknown): number {
  if (typeof epsilon === 'number' && epsilon >= 0 && epsilon < Infinity) return epsilon;
  return refuse('option epsilon', say(epsilon), 'a number of at least 0', 'Models have 1e-12 to 1e-3.');
}
