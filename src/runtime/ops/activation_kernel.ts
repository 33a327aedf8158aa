import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, TensorInfo} from '@tensorflow/tfjs-core';
import {generateActivation, type Activation} from '../../pure.js';
import {GELU, registrationOf, SILU, type OpKernel, type OpRun} from './op_kernels.js';

/** How GELU is computed: by the error function, or by one of the approximations that its paper gives. */
export type Approximation = 'erf' | 'tanh' | 'sigmoid';
export const APPROXIMATIONS: readonly Approximation[] = ['erf', 'tanh', 'sigmoid'];

export interface GeluAttrs {
  readonly approximate: Approximation;
}

/** Less counts as this, for −∞ times a share of 0 is NaN. */
const LEAST = -1e30;
/** From here on share and gradient change no more in float32. */
const FAR = 100;
const [TWICE, CUBIC] = [Math.sqrt(8 / Math.PI), 0.044715];

/** What is left of x, and how that changes with x. */
const SHARES: Readonly<Record<Activation, {share(x: Tensor): Tensor; slope(x: Tensor): Tensor}>> = {
  silu: sigmoidShare(
    (x) => x,
    () => tf.scalar(1),
  ),
  sigmoid: sigmoidShare(
    (x) => tf.mul(x, 1.702),
    () => tf.scalar(1.702),
  ),
  tanh: sigmoidShare(
    (x) => tf.mul(x, tf.add(TWICE, tf.mul(TWICE * CUBIC, tf.square(x)))),
    (x) => tf.add(TWICE, tf.mul(3 * TWICE * CUBIC, tf.square(x))),
  ),
  erf: {
    share: (x) => tf.mul(0.5, tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))),
    slope: (x) => tf.mul(1 / Math.sqrt(2 * Math.PI), tf.exp(tf.mul(-0.5, tf.square(x)))),
  },
};

function sigmoidShare(of: (x: Tensor) => Tensor, slopeOf: (x: Tensor) => Tensor): (typeof SHARES)[Activation] {
  const share = (x: Tensor): Tensor => tf.sigmoid(of(x));
  return {
    share,
    slope(x) {
      const part = share(x);
      return tf.mul(tf.mul(part, tf.sub(1, part)), slopeOf(x));
    },
  };
}

function activationOp<Attrs>(name: string, activationOf: (attrs: Attrs) => Activation): OpKernel<Attrs> {
  const launches = ({shape}: TensorInfo, attrs: Attrs, gradient: boolean): OpRun | null => {
    const size = tf.util.sizeFromShape(shape);
    if (size === 0) return null;
    const activation = activationOf(attrs);
    const key = {activation, size};
    return {
      key,
      generate: () => generateActivation(activation, size, gradient),
      shapes: gradient ? {dX: shape} : {output: shape},
    };
  };
  return {
    name,
    roles: () => ({inputs: ['x'], outputs: ['output']}),
    gradients: () => ['x'],
    forward: ({x}, attrs) => launches(x!, attrs, false),
    backward: ({x}, attrs) => launches(x!, attrs, true),
    composed({x}, attrs) {
      if (x!.size === 0) return [tf.zeros(x!.shape)];
      return [tf.mul(tf.maximum(x!, LEAST), SHARES[activationOf(attrs)].share(x!))];
    },
    composedGradients({x, dOutput}, attrs) {
      if (x!.size === 0) return [tf.zeros(x!.shape)];
      const {share, slope} = SHARES[activationOf(attrs)];
      const near = tf.clipByValue(x!, -FAR, FAR);
      const gradient = tf.mul(dOutput!, tf.add(share(near), tf.mul(near, slope(near))));
      // The clip of wasm takes NaN for a number.
      return [tf.where(tf.isNaN(x!), x!, gradient)];
    },
  };
}

export const ACTIVATIONS = {
  gelu: /*#__PURE__*/ registrationOf(/*#__PURE__*/ activationOp<GeluAttrs>(GELU, ({approximate}) => approximate)),
  silu: /*#__PURE__*/ registrationOf(/*#__PURE__*/ activationOp<object>(SILU, () => 'silu')),
} as const;
