import * as tf from '@tensorflow/tfjs-core';
import type {serialization, Tensor} from '@tensorflow/tfjs-core';
import {layers, type constraints, type initializers, type LayerVariable, type regularizers} from '@tensorflow/tfjs-layers';
import type {WeightArgs} from './arguments.js';

/** How the weights of the projections begin, and what training holds them to. */
export interface WeightRules {
  readonly kernelInitializer: ReturnType<typeof initializers.zeros>;
  readonly biasInitializer: ReturnType<typeof initializers.zeros>;
  readonly kernelRegularizer?: ReturnType<typeof regularizers.l2>;
  readonly biasRegularizer?: ReturnType<typeof regularizers.l2>;
  readonly kernelConstraint?: ReturnType<typeof constraints.nonNeg>;
  readonly biasConstraint?: ReturnType<typeof constraints.nonNeg>;
}

const RULES = [
  ...(['kernelInitializer', 'biasInitializer', 'kernelRegularizer', 'biasRegularizer'] as const),
  ...(['kernelConstraint', 'biasConstraint'] as const),
];

/**
 * The rules that names or configs stand for, and their configs again. TensorFlow.js exports no reader of such names, but its Dense layer
 * reads and writes them all: one is asked, and never built. It has a name, so that the numbering of the caller's own Dense layers stays.
 */
export function readWeightRules(args: WeightArgs): {rules: WeightRules; config: serialization.ConfigDict} {
  const given = Object.fromEntries(RULES.map((name) => [name, args[name]]).filter(([, rule]) => rule != null));
  const dense = layers.dense({units: 1, name: 'projection', kernelInitializer: 'glorotUniform', ...given});
  const written = dense.getConfig();
  const config = Object.fromEntries(RULES.map((name) => [name, written[name] ?? null]));
  return {rules: dense as unknown as WeightRules, config};
}

/** tokens [batch, length, …from] · kernel [...from, ...to] + bias [...to], as one matrix product: [batch, length, ...to]. */
export function project(tokens: Tensor, kernel: LayerVariable, bias: LayerVariable | undefined): Tensor {
  const [batch, length, ...from] = tokens.shape as [number, number, ...number[]];
  const to = kernel.shape.slice(from.length) as number[];
  const features = tf.util.sizeFromShape(from);
  const matrix = tf.reshape(kernel.read(), [features, tf.util.sizeFromShape(to)]);
  const product = tf.reshape(tf.matMul(tf.reshape(tokens, [batch * length, features]), matrix), [batch, length, ...to]);
  return bias === undefined ? product : tf.add(product, bias.read());
}
