import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import {select} from '../terms/part.js';
import {firstOrder} from '../call/first_order.js';
import {withGradient} from '../call/with_gradient.js';

/**
 * Joins attention of the same queries over disjoint sets of keys into attention over all of them: what is computed chunk by chunk, or
 * a shared prefix once for many. Each part weighs exp(logSumExp); a row that has no key in a part (logSumExp −Infinity) takes nothing
 * from it, and one without any gives zeros and −Infinity. Differentiable in all parts.
 *
 * ```js
 * const early = sparseAttentionWithAux(query, earlyKeys, earlyValues, full());
 * const late = sparseAttentionWithAux(query, lateKeys, lateValues, causal());
 * const {output} = mergeAttention([early.output, late.output], [early.logSumExp, late.logSumExp]);
 * ```
 *
 * The rule is that of ring attention and of FlashInfer's `merge_state`.
 *
 * @param outputs One or more of float32 [batch, heads, queryLength, valueDim], or of [batch, queryLength, valueDim].
 * @param logSumExps As many of float32 [batch, heads, queryLength], or of [batch, queryLength]; natural logarithms.
 * @returns `output` and `logSumExp` of the same shapes, which can be merged further.
 * @throws SplatError when the parts do not fit together.
 */
export function mergeAttention(outputs: readonly Tensor[], logSumExps: readonly Tensor[]): {output: Tensor; logSumExp: Tensor} {
  checkParts(outputs, logSumExps);
  const count = outputs.length;
  return tf.tidy(() => {
    // Gradients of their own: those of the ops inside would turn −∞ into NaN, and tfjs-core alone has none.
    const output = withGradient(
      [...outputs, ...logSumExps],
      (parts) => mergeOutputs(parts.slice(0, count), weightsOf(parts.slice(count)).shares),
      (dOutput, parts, merged) =>
        firstOrder('mergeAttention', [...parts, merged, dOutput], () => outputGradients(dOutput, [...parts, merged], count)),
    );
    const logSumExp = withGradient(
      logSumExps,
      (parts) => weightsOf(parts).logSumExp,
      (dSum, parts) =>
        firstOrder('mergeAttention', [...parts, dSum], () => weightsOf(parts).shares.map((share) => tf.mul(share, dSum))),
    );
    return {output, logSumExp};
  });
}

/** The share of each part in the denominator of all, and the logarithm of that. */
function weightsOf(logSumExps: readonly Tensor[]): {shares: Tensor[]; logSumExp: Tensor} {
  const most = logSumExps.reduce((a, b) => tf.maximum(a, b));
  const max = select(tf.notEqual(most, tf.fill([1], -Infinity)), most, 0);
  const weights = logSumExps.map((sum) => tf.exp(tf.sub(sum, max)));
  const sum = tf.addN(weights);
  const empty = tf.equal(sum, 0);
  const divisor = tf.add(sum, tf.cast(empty, 'float32'));
  return {
    shares: weights.map((weight) => tf.div(weight, divisor)),
    logSumExp: select(tf.logicalNot(empty), tf.add(max, tf.log(divisor)), -Infinity),
  };
}

/** `where` beside the product: a part without keys may hold NaN, as softmax leaves it. */
const mergeOutputs = (outputs: readonly Tensor[], shares: readonly Tensor[]): Tensor =>
  tf.addN(
    outputs.map((output, i) => {
      const share = tf.expandDims(shares[i]!, -1);
      return select(tf.notEqual(share, 0), tf.mul(output, share), 0);
    }),
  );

/** dOutputᵢ = wᵢ · dOutput; dLogSumExpᵢ = wᵢ · dOutput·(outputᵢ − output), summed over the features. */
function outputGradients(dOutput: Tensor, saved: readonly Tensor[], count: number): Tensor[] {
  const {shares} = weightsOf(saved.slice(count, 2 * count));
  const output = saved[2 * count]!;
  const ofSums = shares.map((share, i) => {
    // Outputs of both signs are far apart: their difference may be past float32.
    const moved = tf.mul(share, tf.sum(tf.sub(tf.mul(dOutput, saved[i]!), tf.mul(dOutput, output)), -1));
    return select(tf.notEqual(share, 0), moved, 0);
  });
  return [...shares.map((share) => tf.mul(tf.expandDims(share, -1), dOutput)), ...ofSums];
}

function checkParts(outputs: readonly Tensor[], logSumExps: readonly Tensor[]): void {
  if (!Array.isArray(outputs) || !Array.isArray(logSumExps)) {
    refuse('mergeAttention', 'one part', 'an array of outputs and an array of logSumExps', 'Write [output] and [logSumExp].');
  }
  if (outputs.length === 0) refuse('outputs', 'no part', 'one or more', 'Merge the results of sparseAttentionWithAux.');
  if (outputs.length !== logSumExps.length) {
    const found = `${logSumExps.length} beside ${outputs.length} outputs`;
    refuse('logSumExps', found, 'one for each output', 'sparseAttentionWithAux returns both.');
  }
  for (const [name, tensors] of Object.entries({outputs, logSumExps})) {
    tensors.forEach((tensor, i) => checkTensor(`${name}[${i}]`, tensor));
  }
  const shape = outputs[0]!.shape;
  if (shape.length !== 3 && shape.length !== 4) {
    const expected = '[batch, heads, queryLength, valueDim], or [batch, queryLength, valueDim]';
    refuse('outputs[0]', `shape [${shape.join(', ')}]`, expected, 'Reshape it; a leading dimension of 1 is free.');
  }
  outputs.forEach((output, i) => checkShape(`outputs[${i}]`, output.shape, shape, 'as outputs[0]'));
  logSumExps.forEach((sum, i) =>
    checkShape(`logSumExps[${i}]`, sum.shape, shape.slice(0, -1), 'outputs without their last dimension'),
  );
}

function checkTensor(name: string, tensor: unknown): void {
  if (!(tensor instanceof tf.Tensor)) {
    refuse(name, tensor === null ? 'null' : typeof tensor, 'a float32 tensor', 'sparseAttentionWithAux returns two.');
  }
  if (tensor.isDisposed)
    refuse(name, 'a disposed tensor', 'a living one', 'Use tf.keep, or return it from the tf.tidy that made it.');
  if (tensor.dtype !== 'float32') {
    refuse(name, `dtype ${tensor.dtype}`, 'dtype float32', `Cast it: tf.cast(${name}, 'float32').`);
  }
}

function checkShape(name: string, found: readonly number[], expected: readonly number[], why: string): void {
  if (found.length === expected.length && found.every((size, i) => size === expected[i])) return;
  const cure =
    "Parts differ in their keys only; with layout 'blhd' transpose the outputs first: tf.transpose(output, [0, 2, 1, 3]).";
  refuse(name, `shape [${found.join(', ')}]`, `[${expected.join(', ')}], ${why}`, cure);
}
