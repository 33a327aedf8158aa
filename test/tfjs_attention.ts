import * as tf from '@tensorflow/tfjs-core';
import type {AttentionInputs, Attends, OracleOptions} from './oracle_types.js';

/**
 * Attention as TensorFlow.js users write it today, on the current backend: matMul, scale, additive mask, softmax, matMul. A row
 * without keys comes out as the mean of all values here (the mask is −1e30, not −∞), so such rows must not be compared.
 */
export function tfjsDense(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  additiveMask: tf.Tensor | null,
  scale: number,
): tf.Tensor4D {
  return tf.tidy(() => {
    const scores = tf.mul(tf.matMul(query, key, false, true), scale);
    return tf.matMul(tf.softmax(additiveMask === null ? scores : tf.add(scores, additiveMask)), value);
  });
}

/** `tfjsDense` with what its users write by hand around it. Differentiable in all tensors. */
export interface TfjsAttention {
  readonly query: tf.Tensor4D;
  /** [batch, keyHeads, keyLength, …] */
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
  /** [batch, heads, queryLength, keyLength] */
  readonly additive: tf.Tensor4D;
  /** [heads] */
  readonly sinks?: tf.Tensor1D;
  /** [batch, heads, queryLength, keyLength] */
  readonly keep?: tf.Tensor4D;
  readonly scale: number;
  readonly softcap?: number;
}

/** Key heads repeated, scores capped, a sink as one more column, dropped probabilities zeroed: on the current backend, in float32. */
export function tfjsAttention(given: TfjsAttention): {output: tf.Tensor4D; logSumExp: tf.Tensor3D} {
  const {query, additive, sinks, keep, scale, softcap} = given;
  const [batch, heads, queryLength, keyLength] = additive.shape;
  const repeat = (tensor: tf.Tensor4D): tf.Tensor4D => {
    const [, keyHeads, , dim] = tensor.shape;
    if (keyHeads === heads) return tensor;
    const rows = tf.reshape(tensor, [batch, keyHeads, 1, keyLength * dim]);
    return tf.reshape(tf.tile(rows, [1, 1, heads / keyHeads, 1]), [batch, heads, keyLength, dim]);
  };
  let scores: tf.Tensor4D = tf.mul(tf.matMul(query, repeat(given.key), false, true), scale);
  if (softcap !== undefined) scores = tf.mul(tf.tanh(tf.div(scores, softcap)), softcap);
  scores = tf.add(scores, additive);
  if (sinks !== undefined) {
    const column = tf.add(tf.zeros([batch, heads, queryLength, 1]), tf.reshape(sinks, [1, heads, 1, 1]));
    scores = tf.concat([scores, column as tf.Tensor4D], 3);
  }
  let probabilities = tf.slice(tf.softmax(scores), [0, 0, 0, 0], [batch, heads, queryLength, keyLength]);
  if (keep !== undefined) probabilities = tf.mul(probabilities, keep);
  return {output: tf.matMul(probabilities, repeat(given.value)), logSumExp: tf.logSumExp(scores, -1)};
}

/** The inputs as `tfjsAttention` takes them; pairs hidden beside others have −3e38 in `additive`. Call it inside tf.tidy. */
export function tfjsInputs(
  inputs: AttentionInputs,
  attends: Attends,
  options: OracleOptions,
): TfjsAttention & {readonly mostKept: number} {
  const {batch, heads, keyHeads = heads, queryLength, keyLength, headDim, valueDim} = inputs;
  const {scale = 1 / Math.sqrt(headDim), bias, softcap, sinks, keep} = options;
  const shape: [number, number, number, number] = [batch, heads, queryLength, keyLength];
  const additive = new Float32Array(batch * heads * queryLength * keyLength);
  const factors = keep && new Float32Array(additive.length);
  for (let i = 0; i < additive.length; i++) {
    const [k, q] = [i % keyLength, Math.floor(i / keyLength) % queryLength];
    const head = Math.floor(i / keyLength / queryLength);
    const [h, b] = [head % heads, Math.floor(head / heads)];
    const added = attends(q, k, b, h) ? (bias?.(b, h, q, k) ?? 0) : -Infinity;
    // Hidden keys lie far below keys that a bias pushed as low as float32 goes: those still share a row evenly.
    additive[i] = added === -Infinity ? -3e38 : Math.max(added, -1e30);
    if (factors) factors[i] = keep!(b, h, q, k);
    // Rows without keys and sink are not compared, but WebGL makes NaN of the gradients when all of a row is below −1e20.
    const row = k === keyLength - 1 && (sinks?.[h] ?? -Infinity) === -Infinity ? additive.subarray(i + 1 - keyLength, i + 1) : null;
    if (row?.every((x) => x < -2e38)) row.fill(0);
  }
  return {
    query: tf.tensor4d(inputs.query, [batch, heads, queryLength, headDim]),
    key: tf.tensor4d(inputs.key, [batch, keyHeads, keyLength, headDim]),
    value: tf.tensor4d(inputs.value, [batch, keyHeads, keyLength, valueDim]),
    additive: tf.tensor4d(additive, shape),
    ...(sinks && {sinks: tf.tensor1d(Array.from(sinks, (sink) => Math.max(sink, -1e30)))}),
    ...(factors && {keep: tf.tensor4d(factors, shape)}),
    scale,
    softcap,
    mostKept: factors === undefined ? 1 : factors.reduce((most, factor) => Math.max(most, factor), 0),
  };
}
