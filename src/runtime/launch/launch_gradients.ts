import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, TensorInfo} from '@tensorflow/tfjs-core';
import {
  compileGradients,
  compilingGradients,
  scoreUnit,
  type BindingRole,
  type Compiled,
  type CompiledGradients,
  type Problem,
  type ScoreSums,
  type TermRole,
} from '../../pure.js';
import {keyOf, Lru} from '../../support/index.js';
import type {Host} from '../host/backend.js';
import {keptInSlices} from '../host/in_slices.js';
import type {DenseOptions, HeadedInputs} from '../terms/part.js';
import type {BackwardScores, CallTerm} from '../terms/term.js';
import {seenBefore, termsBrought} from '../terms/terms.js';
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

/** The backward passes of a plan by their options, with what is being made in slices. */
interface Variants {
  readonly known: Lru<string, CompiledGradients>;
  readonly coming: Map<string, Promise<CompiledGradients>>;
}

const backward = new WeakMap<Compiled, Variants>();
/** Of the log-sum-exp given or not, and gradients of a bias of a few shapes. */
const MAX_VARIANTS = 16;

/** Compiled on the first backward pass of a plan: what is never trained is never planned for it. */
export function gradientsOf(compiled: Compiled, dLogSumExp: boolean, sums?: ScoreSums): CompiledGradients {
  const {known} = variantsOf(compiled);
  const name = keyOf({dLogSumExp, sums});
  return known.get(name) ?? known.set(name, compileGradients(compiled, dLogSumExp, sums));
}

/** The same, with turns for the page between slices of the planning. */
export function gradientsInSlices(compiled: Compiled, dLogSumExp: boolean): Promise<CompiledGradients> {
  const {known, coming} = variantsOf(compiled);
  const name = keyOf({dLogSumExp, sums: undefined});
  return keptInSlices(known, coming, name, () => compilingGradients(compiled, dLogSumExp));
}

function variantsOf(compiled: Compiled): Variants {
  let variants = backward.get(compiled);
  if (variants === undefined) backward.set(compiled, (variants = {known: new Lru({entries: MAX_VARIANTS}), coming: new Map()}));
  return variants;
}

type Gradients = Partial<Record<keyof CallTensors, () => Tensor>>;

/**
 * Runs the backward pass on WebGPU. Gradients of query, key and value come together and at once, for TensorFlow.js disposes what a single
 * gradient makes beside itself; those of biases and sinks when they are asked for.
 */
export function launchGradients(host: Host, compiled: Compiled, tensors: GradientInputs, numbers: CallNumbers): Gradients {
  const call = new BackwardCall(host, compiled, tensors, numbers);
  const [query, key, value] = call.run({dQuery: tensors.query.shape, dKey: tensors.key!.shape, dValue: tensors.value!.shape});
  const gradients: Gradients = {query: () => query!, key: () => key!, value: () => value!};
  for (const term of termsBrought(tensors, numbers)) {
    for (const [role, gradient] of Object.entries(term.gradients ?? {}) as [
      TermRole,
      NonNullable<CallTerm['gradients']>[TermRole],
    ][])
      gradients[role] = () => gradient!(call, tensors[role]!);
  }
  return gradients;
}

class BackwardCall implements BackwardScores {
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

  get problem(): Problem {
    return this.compiled.plan.problem;
  }

  scores(shape: number[]): Tensor {
    const [batch, heads, queries, keys] = shape as [number, number, number, number];
    const {problem} = this;
    if (keys === 1 && problem.keyLength > 1) return reduceTo(tf.expandDims(this.rowSums(), 3), shape);
    if (queries === 1 && problem.queryLength > 1) {
      const [sums] = this.run({dKeyScores: [problem.batch, problem.heads, problem.keyLength]}, {kind: 'keys'});
      return reduceTo(tf.expandDims(sums!, 2), shape);
    }
    return this.run({dScores: shape}, {kind: 'pairs', shape: [batch, heads, queries, keys]})[0]!;
  }

  diagonals(heads: number): Tensor {
    const {queryLength, keyLength} = this.problem;
    const pairs = [1, heads, queryLength, keyLength] as const;
    const dRelative = [heads, queryLength + keyLength - 1];
    return this.run({dScores: [...pairs], dRelative}, {kind: 'diagonals', shape: pairs})[1]!;
  }

  dSeen(): Tensor {
    const {given, share} = this.rows();
    return tf.neg(tf.mul(share, given));
  }

  /** Gradients of scores summed over the keys of a row: only through a sink or a log-sum-exp does a row as a whole matter. */
  rowSums(): Tensor {
    const {dLogSumExp} = this.tensors;
    const {given, share, attends} = this.rows();
    // Σ P (dO·V − D) with Σ P = 1 − share, and Σ P dO·V = output · dOutput = D + dLogSumExp.
    const through = tf.mul(share, given);
    return dLogSumExp === undefined ? through : tf.add(through, tf.where(attends, dLogSumExp, 0));
  }

  /** Of each row: D = output · dOutput − dLogSumExp, the probability of what it has seen before its keys, and whether it has any of both. */
  private rows(): {given: Tensor; share: Tensor; attends: Tensor} {
    const {output, dOutput, dLogSumExp, rowSums} = this.tensors;
    const {batch, heads, queryLength} = this.compiled.plan.problem;
    let products: Tensor = tf.sum(tf.mul(output, dOutput), -1);
    if (products.rank === 3 && this.numbers.layout === 'blhd') products = tf.transpose(products, [0, 2, 1]);
    products = tf.reshape(products, [batch, heads, queryLength]);
    const [maximum, sum] = tf.unstack(rowSums, 3) as [Tensor, Tensor];
    const attends = tf.greater(sum, 0);
    // Whatever comes back for the log-sum-exp of a row without keys, −∞, goes nowhere.
    const given = tf.where(attends, dLogSumExp === undefined ? products : tf.sub(products, dLogSumExp), 0);
    const seen = this.seen();
    if (seen === null) return {given, share: tf.zerosLike(given), attends};
    // Maxima are in the unit of scores.
    const unit = scoreUnit(this.compiled.features);
    const power = tf.exp(tf.mul(tf.sub(tf.div(seen, unit), maximum), unit));
    return {given, share: tf.div(power, tf.where(attends, sum, 1)), attends};
  }

  /** The score of what rows have seen before their keys, as kernels have it, broadcastable to [batch, heads, queryLength]; null for nothing. */
  private seen(): Tensor | null {
    const {queryLength, keyLength, queryOffset} = this.problem;
    // Of keys and queries terms ask for lengths alone.
    const shapes = {query: {shape: [0, 0, queryLength]}, key: {shape: [0, 0, keyLength]}};
    const inputs = {...this.tensors, ...shapes} as unknown as HeadedInputs;
    const options: DenseOptions = {...this.numbers, lines: null, layout: 'bhld', queryOffset};
    const chunk = {rowBegin: 0, rowEnd: queryLength, keyBegin: 0, keyEnd: keyLength};
    const found = seenBefore({inputs, options, chunk});
    return found === null ? null : tf.reshape(found, found.shape.slice(0, -1));
  }
}

/** Sums over the dimensions that are 1 in `shape`. */
function reduceTo(tensor: Tensor, shape: readonly number[]): Tensor {
  const axes = shape.flatMap((size, i) => (size === 1 && tensor.shape[i] !== 1 ? [i] : []));
  return axes.length === 0 ? tensor : tf.sum(tensor, axes, true);
}
