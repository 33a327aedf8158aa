import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor4D} from '@tensorflow/tfjs-core';
import type {Acsr} from '../compile.js';
import {rank4} from './check.js';
import {chunkRows, drawMask, type Chunk} from './chunks.js';

/** The tensors of one call. `bias` (float32) and `mask` (bool) have every dimension full size or 1. */
export interface DenseInputs {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly bias?: Tensor4D;
  readonly mask?: Tensor4D;
}

type HeadedInputs = Omit<DenseInputs, 'query' | 'key' | 'value'> & Readonly<Record<'query' | 'key' | 'value', Tensor4D>>;

/** Scores alive at a time, in elements: 16 MiB each of the six or so tensors of a chunk. */
const CHUNK_ELEMENTS = 2 ** 22;

/**
 * Masked attention composed of tf ops, for backends without our kernels: the same results, in chunks of queries so that memory stays
 * bounded. A chunk reads only the keys between the first and the last that its rows attend to. `rows` is null with a mask tensor.
 *
 * The softmax is spelled out: rows without keys must give zeros, and tf.softmax gives them NaN.
 */
export function denseAttention(inputs: DenseInputs, rows: Acsr | null, scale: number): Tensor {
  return tf.tidy(() => {
    const [query, key, value] = [inputs.query, inputs.key, inputs.value].map((tensor) => tf.reshape(tensor, rank4(tensor.shape)));
    const headed = {...inputs, query, key, value} as HeadedInputs;
    const [batch, heads, queryLength] = headed.query.shape;
    const [, , keyLength, valueDim] = headed.value.shape;
    const chunks = chunkRows(rows, {queryLength, keyLength}, Math.floor(CHUNK_ELEMENTS / (batch * heads)));
    const outputs = chunks.map((chunk) =>
      chunk.keyEnd === chunk.keyBegin
        ? tf.zeros<tf.Rank.R4>([batch, heads, chunk.rowEnd - chunk.rowBegin, valueDim])
        : tf.tidy(() => attendChunk(headed, rows, chunk, scale)),
    );
    const output = outputs.length === 1 ? outputs[0]! : tf.concat(outputs, 2);
    return tf.reshape(output, [...inputs.query.shape.slice(0, -1), valueDim]);
  });
}

function attendChunk({query, key, value, bias, mask}: HeadedInputs, rows: Acsr | null, chunk: Chunk, scale: number): Tensor4D {
  const {rowBegin, rowEnd, keyBegin, keyEnd} = chunk;
  const queryRows = slice(query, 2, rowBegin, rowEnd);
  let scores: tf.Tensor = tf.matMul(tf.mul(queryRows, scale), slice(key, 2, keyBegin, keyEnd), false, true);
  if (bias !== undefined) scores = tf.add(scores, slice(slice(bias, 2, rowBegin, rowEnd), 3, keyBegin, keyEnd));

  const attends = rows !== null ? maskOf(rows, chunk) : slice(slice(mask!, 2, rowBegin, rowEnd), 3, keyBegin, keyEnd);
  // The least finite score stands for −∞, whose difference with itself is NaN. Where floats are 16 bits wide (WebGL on phones) it is nearer.
  const least = tf.backend().floatPrecision() === 16 ? -65504 : -3.4028234663852886e38;
  // `where`, not an addition: NaN of a key must not reach rows that do not attend to it.
  if (attends !== null) scores = tf.where(attends, scores, least);
  let weights: tf.Tensor = tf.exp(tf.sub(scores, tf.maximum(tf.max(scores, -1, true), least)));
  if (attends !== null) weights = tf.mul(weights, tf.cast(attends, 'float32'));
  const sum = tf.sum(weights, -1, true);
  const divisor = tf.add(sum, tf.cast(tf.equal(sum, 0), 'float32'));
  return tf.div(tf.matMul(weights, slice(value, 2, keyBegin, keyEnd)), divisor);
}

/** bool [rows, keys] of a chunk, or null when every row attends to every key. */
function maskOf(rows: Acsr, chunk: Chunk): tf.Tensor2D | null {
  const {mask, pairs} = drawMask(rows, chunk);
  return pairs === mask.length ? null : tf.tensor2d(mask, [chunk.rowEnd - chunk.rowBegin, chunk.keyEnd - chunk.keyBegin], 'bool');
}

/** `begin ≤ i < end` along `axis`; a broadcast dimension stays. */
function slice<T extends tf.Tensor>(tensor: T, axis: number, begin: number, end: number): T {
  const length = tensor.shape[axis]!;
  if (length === 1 || (begin === 0 && end === length)) return tensor;
  const start = tensor.shape.map((_, i) => (i === axis ? begin : 0));
  const size = tensor.shape.map((full, i) => (i === axis ? end - begin : full));
  return tf.slice(tensor, start, size);
}
