import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, TensorInfo} from '@tensorflow/tfjs-core';
import {generateNorm, generateNormGradients, MOST_WIDTH, type BindingRole, type NormSizes} from '../../pure.js';
import {LAYER_NORM, registrationOf, RMS_NORM, type OpKernel} from './op_kernels.js';

/** What a norm is told beside its tensors: which of gamma, beta and residual follow x, in this order, and what comes out. */
export interface NormAttrs {
  readonly epsilon: number;
  readonly hasGamma: boolean;
  readonly hasBeta: boolean;
  readonly hasResidual: boolean;
  /** x + residual is a second output. */
  readonly withSum: boolean;
}

interface NormInputs {
  readonly x: Tensor;
  readonly gamma?: Tensor;
  readonly beta?: Tensor;
  readonly residual?: Tensor;
  readonly dOutput?: Tensor;
  readonly dSum?: Tensor;
}

const widthOf = ({shape}: TensorInfo): number => shape.at(-1)!;

function sizesOfNorm(centred: boolean, x: TensorInfo, attrs: NormAttrs): NormSizes {
  const {epsilon, hasGamma: gamma, hasBeta: beta, hasResidual: residual, withSum: sum} = attrs;
  const width = widthOf(x);
  return {centred, epsilon, gamma, beta, residual, sum, width, rows: tf.util.sizeFromShape(x.shape) / width};
}

const suits = ({rows, width}: NormSizes): boolean => rows > 0 && width <= MOST_WIDTH;

/** [rows, width], without rows where there are no numbers. */
const asRows = (tensor: Tensor): Tensor => tf.reshape(tensor, [-1, Math.max(1, widthOf(tensor))]);

const centre = (rows: Tensor): Tensor => tf.sub(rows, tf.mean(rows, -1, true));

/**
 * Rows normalised, and what they were multiplied by. Centred twice: a mean has the digits of the rows, and where those are far from zero and
 * vary little the deviations need more.
 */
function normalise(centred: boolean, rows: Tensor, epsilon: number): {normal: Tensor; scale: Tensor} {
  const deviations = centred ? centre(centre(rows)) : rows;
  const scale = tf.rsqrt(tf.add(tf.mean(tf.square(deviations), -1, true), epsilon));
  return {normal: tf.mul(deviations, scale), scale};
}

const summed = ({x, residual}: NormInputs): Tensor => (residual === undefined ? x : tf.add(x, residual));

function normOp(name: string, centred: boolean): OpKernel<NormAttrs> {
  return {
    name,
    alike: {residual: 'x'},
    roles: ({hasGamma, hasBeta, hasResidual, withSum}) => ({
      inputs: [
        'x',
        ...(hasGamma ? (['gamma'] as const) : []),
        ...(hasBeta ? (['beta'] as const) : []),
        ...(hasResidual ? (['residual'] as const) : []),
      ],
      outputs: ['output', ...(withSum ? (['sum'] as const) : [])],
    }),
    gradients: ({hasGamma, hasBeta}) => ['x', ...(hasGamma ? (['gamma'] as const) : []), ...(hasBeta ? (['beta'] as const) : [])],
    forward({x}, attrs) {
      const sizes = sizesOfNorm(centred, x!, attrs);
      if (!suits(sizes)) return null;
      const shapes = {output: x!.shape, ...(attrs.withSum && {sum: x!.shape})};
      return {key: sizes, generate: () => generateNorm(sizes), shapes};
    },
    backward({x}, attrs) {
      const sizes = sizesOfNorm(centred, x!, attrs);
      if (!suits(sizes)) return null;
      const width = [sizes.width];
      const shapes: Partial<Record<BindingRole, readonly number[]>> = {
        dX: x!.shape,
        ...(sizes.gamma && {dGamma: width}),
        ...(sizes.beta && {dBeta: width}),
      };
      return {key: sizes, generate: () => generateNormGradients(sizes), shapes};
    },
    composed(given, {epsilon, withSum}) {
      const inputs = given as NormInputs;
      const sum = summed(inputs);
      let output: Tensor = sum.size === 0 ? tf.zeros(sum.shape) : normalise(centred, asRows(sum), epsilon).normal;
      if (inputs.gamma !== undefined) output = tf.mul(output, inputs.gamma);
      if (inputs.beta !== undefined) output = tf.add(output, inputs.beta);
      return [tf.reshape(output, sum.shape), ...(withSum ? [sum === inputs.x ? tf.clone(sum) : sum] : [])];
    },
    composedGradients(given, {epsilon, hasGamma, hasBeta}) {
      const inputs = given as NormInputs;
      const {x, gamma, dSum} = inputs;
      const width = widthOf(x);
      if (x.size === 0) return [tf.zeros(x.shape), ...[hasGamma, hasBeta].filter(Boolean).map(() => tf.zeros([width]))];
      const {normal, scale} = normalise(centred, asRows(summed(inputs)), epsilon);
      const dOutput = asRows(inputs.dOutput!);
      const gradient = gamma === undefined ? dOutput : tf.mul(dOutput, gamma);
      const along = tf.mul(normal, tf.mean(tf.mul(gradient, normal), -1, true));
      const rest = tf.sub(centred ? centre(gradient) : gradient, along);
      const dX = tf.reshape(tf.mul(rest, scale), x.shape);
      return [
        dSum === undefined ? dX : tf.add(dX, dSum),
        ...(hasGamma ? [tf.sum(tf.mul(dOutput, normal), 0)] : []),
        ...(hasBeta ? [tf.sum(dOutput, 0)] : []),
      ];
    },
  };
}

export const NORMS = {
  layerNorm: /*#__PURE__*/ registrationOf(/*#__PURE__*/ normOp(LAYER_NORM, true)),
  rmsNorm: /*#__PURE__*/ registrationOf(/*#__PURE__*/ normOp(RMS_NORM, false)),
} as const;
