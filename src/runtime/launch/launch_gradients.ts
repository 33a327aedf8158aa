import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor1D, TensorInfo} from '@tensorflow/tfjs-core';
import {compileGradients, scoreUnit, type BindingRole, type Compiled, type CompiledGradients, type ScoreSums} from '../../pure.js';
import {keyOf} from '../../support/index.js';
import type {Host} from '../host/backend.js';
import {standing} from '../tf_ops/distances.js';
import {callParams, type CallNumbers, type CallTensors} from './launch.js';
import {resident} from './resident.js';
import {run} from './run.js';

/** The tensors of a forward pass, what it left, and the gradients given for its outputs. */
export type GradientInputs = {readonly [Role in keyof CallTensors]: Tensor} & {
  readonly query: Tensor;
  readonly output: Tensor;
  readonly rowSums: Tensor;
  readonly dOutput: Tensor;
  readonly dLogSumExp?: Tensor;
};

const backward = new WeakMap<Compiled, Map<string, CompiledGradients>>();

/** Compiled on the first backward pass of a plan: what is never trained is never planned for it. */
export function gradientsOf(compiled: Compiled, dLogSumExp: boolean, sums?: ScoreSums): CompiledGradients {
  let variants = backward.get(compiled);
  if (variants === undefined) backward.set(compiled, (variants = new Map()));
  const name = keyOf({dLogSumExp, sums});
  let gradients = variants.get(name);
  if (gradients === undefined) variants.set(name, (gradients = compileGradients(compiled, dLogSumExp, sums)));
  return gradients;
}

type Gradients = Partial<Record<keyof CallTensors, () => Tensor>>;

/**
 * Runs the backward pass on WebGPU. Gradients of query, key and value come together and at once, for TensorFlow.js disposes what a single
 * gradient makes beside itself; those of biases and sinks when they are asked for.
 */
export function launchGradients(host: Host, compiled: Compiled, tensors: GradientInputs, numbers: CallNumbers): Gradients {
  const call = new BackwardCall(host, compiled, tensors, numbers);
  const [query, key, value] = call.run({dQuery: tensors.query.shape, dKey: tensors.key!.shape, dValue: tensors.value!.shape});
  const {bias, relativeBias, alibiSlopes, sinks} = tensors;
  return {
    query: () => query!,
    key: () => key!,
    value: () => value!,
    ...(bias && {bias: () => call.bias(bias)}),
    ...(relativeBias && {relativeBias: () => call.relativeBias(relativeBias)}),
    ...(alibiSlopes && {alibiSlopes: () => call.alibiSlopes(alibiSlopes)}),
    ...(sinks && {sinks: () => call.sinks()}),
  };
}

class BackwardCall {
  constructor(
    private readonly host: Host,
    private readonly compiled: Compiled,
    private readonly tensors: GradientInputs,
    private readonly numbers: CallNumbers,
  ) {}

  run(shapes: Partial<Record<BindingRole, number[]>>, sums?: ScoreSums): Tensor[] {
    const {dLogSumExp, ...others} = this.tensors;
    const given: Partial<Record<BindingRole, TensorInfo>> = {...others, ...(dLogSumExp && {dLogSumExp})};
    const runnable = gradientsOf(this.compiled, dLogSumExp !== undefined, sums);
    const made = run(this.host, resident(runnable), {tensors: given, shapes, call: callParams(this.tensors, this.numbers)});
    return made.map((info) => tf.engine().makeTensorFromTensorInfo(info));
  }

  bias({shape}: Tensor): Tensor {
    const [batch, heads, queries, keys] = shape as [number, number, number, number];
    const {problem} = this.compiled.plan;
    if (keys === 1 && problem.keyLength > 1) return reduceTo(tf.expandDims(this.rowSums(), 3), shape);
    if (queries === 1 && problem.queryLength > 1) {
      const [sums] = this.run({dKeyScores: [problem.batch, problem.heads, problem.keyLength]}, {kind: 'keys'});
      return reduceTo(tf.expandDims(sums!, 2), shape);
    }
    return this.run({dScores: shape}, {kind: 'pairs', shape: [batch, heads, queries, keys]})[0]!;
  }

  relativeBias({shape}: Pick<Tensor, 'shape'>): Tensor {
    const {queryLength, keyLength} = this.compiled.plan.problem;
    const pairs = [1, shape[0]!, queryLength, keyLength] as const;
    return this.run({dScores: [...pairs], dRelative: shape}, {kind: 'diagonals', shape: pairs})[1]!;
  }

  /**
   * −Σ dS · |p − key|: what a relative bias would get, weighed by the distance along each diagonal. Distances count from the smallest:
   * those of far positions are long, and Σ dS of a row, which multiplies what they share, is known without rounding.
   */
  alibiSlopes({shape}: Tensor): Tensor {
    const {queryLength, keyLength, queryOffset} = this.compiled.plan.problem;
    const entries = queryLength + keyLength - 1;
    const all = Array.from({length: entries}, (_, r) => Math.abs(r - queryLength + 1 - queryOffset));
    const least = Math.max(0, queryOffset - keyLength + 1, 1 - queryLength - queryOffset);
    const diagonals = this.relativeBias({shape: [shape[0]!, entries]});
    const near = tf.sum(tf.mul(diagonals, tf.tensor1d(all.map((distance) => least - distance))), 1);
    return least === 0 ? near : tf.sub(near, tf.mul(tf.sum(this.rowSums(), [0, 2]), least));
  }

  sinks(): Tensor {
    const {given, share} = this.rows();
    return tf.neg(tf.sum(tf.mul(share, given), [0, 2]));
  }

  /** Gradients of scores summed over the keys of a row: only through a sink or a log-sum-exp does a row as a whole matter. */
  private rowSums(): Tensor {
    const {dLogSumExp} = this.tensors;
    const {given, share, attends} = this.rows();
    // Σ P (dO·V − D) with Σ P = 1 − share, and Σ P dO·V = output · dOutput = D + dLogSumExp.
    const through = tf.mul(share, given);
    return dLogSumExp === undefined ? through : tf.add(through, tf.where(attends, dLogSumExp, 0));
  }

  /** Of each row: D = output · dOutput − dLogSumExp, the probability of its sink, and whether it has keys or a sink. */
  private rows(): {given: Tensor; share: Tensor; attends: Tensor} {
    const {output, dOutput, dLogSumExp, rowSums, sinks} = this.tensors;
    const {batch, heads, queryLength} = this.compiled.plan.problem;
    let products: Tensor = tf.sum(tf.mul(output, dOutput), -1);
    if (products.rank === 3 && this.numbers.layout === 'blhd') products = tf.transpose(products, [0, 2, 1]);
    products = tf.reshape(products, [batch, heads, queryLength]);
    const [maximum, sum] = tf.unstack(rowSums, 3) as [Tensor, Tensor];
    const attends = tf.greater(sum, 0);
    // Whatever comes back for the log-sum-exp of a row without keys, −∞, goes nowhere.
    const given = tf.where(attends, dLogSumExp === undefined ? products : tf.sub(products, dLogSumExp), 0);
    if (sinks === undefined) return {given, share: tf.zerosLike(given), attends};
    // Maxima are in the unit of scores.
    const unit = scoreUnit(this.compiled.features);
    const logit = tf.div(this.standingSinks(tf.reshape(sinks, [1, heads, 1])), unit);
    const power = tf.exp(tf.mul(tf.sub(logit, maximum), unit));
    return {given, share: tf.div(power, tf.where(attends, sum, 1)), attends};
  }

  /** Sinks [1, heads, 1] as kernels have them: beside slopes that count from the key nearest to a query, higher by the way to that key. */
  private standingSinks(sinks: Tensor): Tensor {
    const {alibiSlopes, keyLengths} = this.tensors;
    const {queryLength, keyLength, queryOffset} = this.compiled.plan.problem;
    if (alibiSlopes === undefined) return sinks;
    const keys = {key: {shape: [1, 1, keyLength]}, keyLengths: keyLengths as Tensor1D | undefined};
    const {beyond} = standing(keys, {queryOffset}, {rowBegin: 0, rowEnd: queryLength, keyBegin: 0});
    if (beyond === null) return sinks;
    return tf.add(sinks, tf.mul(tf.reshape(alibiSlopes, [1, -1, 1]), tf.reshape(beyond, [-1, 1, queryLength])));
  }
}

/** Sums over the dimensions that are 1 in `shape`. */
function reduceTo(tensor: Tensor, shape: readonly number[]): Tensor {
  const axes = shape.flatMap((size, i) => (size === 1 && tensor.shape[i] !== 1 ? [i] : []));
  return axes.length === 0 ? tensor : tf.sum(tensor, axes, true);
}
