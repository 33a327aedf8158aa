import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D} from '@tensorflow/tfjs-core';
import {CHUNK_PAIRS, FAR_UNIT, hasFarScores, PLAIN, type Acsr, type Layout} from '../../pure.js';
import {rank4} from '../../support/index.js';
import {chunkRows, drawMask, type Chunk} from './chunks.js';
import {keepFactors} from './dropout.js';
import {spreadDiagonals} from './diagonals.js';
import {distances} from './distances.js';
import {scaleOf, scaledBy} from './scaling.js';

/** The tensors of one call, float32 unless another type is said. */
export interface DenseInputs {
  /** Rank 3, one head, or rank 4 in the layout of the options; key and value may have fewer heads, a divisor of those of query. */
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  /** Every dimension of [batch, heads, queryLength, keyLength] full size or 1. */
  readonly bias?: Tensor4D;
  /** bool, of such a shape, too. */
  readonly mask?: Tensor4D;
  /** int32 [batch] */
  readonly keyLengths?: Tensor1D;
  /** int32 [batch, queryLength] and [batch, keyLength], both or none. */
  readonly querySegments?: Tensor2D;
  readonly keySegments?: Tensor2D;
  /** [heads] */
  readonly alibiSlopes?: Tensor1D;
  /** [heads or 1, queryLength + keyLength − 1] */
  readonly relativeBias?: Tensor2D;
  /** [heads] */
  readonly sinks?: Tensor1D;
}

export interface DenseOptions {
  /** Null when every query may attend to every key, or a mask tensor says which. */
  readonly rows: Acsr | null;
  readonly scale: number;
  readonly queryOffset: number;
  readonly layout: Layout;
  readonly softcap?: number;
  /** The share of probabilities to drop, 0 to below 1. */
  readonly dropout?: number;
  readonly seed?: number;
}

/** The tensors with heads before rows. */
export type HeadedInputs = Omit<DenseInputs, 'query' | 'key' | 'value'> & Readonly<Record<'query' | 'key' | 'value', Tensor4D>>;

/**
 * Masked attention composed of tf ops, for backends without our kernels: the same results, in chunks of queries so that memory stays
 * bounded. A chunk reads only the keys between the first and the last that its rows attend to.
 *
 * The softmax is spelled out: rows without keys must give zeros, and tf.softmax gives them NaN. Their logSumExp is −∞.
 *
 * @returns `output` in layout and rank of the query, `logSumExp` [batch, heads, queryLength].
 */
export function denseAttention(
  inputs: DenseInputs,
  options: DenseOptions,
  afterChunk?: () => void,
): {output: Tensor; logSumExp: Tensor3D} {
  return tf.tidy(() => {
    const headed = toHeads(inputs, options.layout);
    const [batch, heads, queryLength] = headed.query.shape;
    const parts = chunksOf(headed, options.rows).map((chunk) => {
      const part = tf.tidy(() => attendChunk(headed, options, chunk));
      afterChunk?.();
      return part;
    });
    const output = tf.concat(
      parts.map((part) => part.output),
      2,
    );
    const logSumExp = tf.concat(
      parts.map((part) => part.logSumExp),
      2,
    );
    return {
      output: fromHeads(output, options.layout, inputs.query.rank),
      logSumExp: tf.reshape(logSumExp, [batch, heads, queryLength]),
    };
  });
}

function attendChunk(inputs: HeadedInputs, options: DenseOptions, chunk: Chunk): {output: Tensor4D; logSumExp: Tensor4D} {
  const {sinks} = inputs;
  const [batch, heads] = inputs.query.shape;
  const rows = chunk.rowEnd - chunk.rowBegin;
  if (chunk.keyEnd === chunk.keyBegin) {
    const sum = sinks === undefined ? tf.fill([1], -Infinity) : perHead(sinks);
    return {
      output: tf.zeros([batch, heads, rows, inputs.value.shape[3]]),
      logSumExp: tf.add(tf.zeros<tf.Rank.R4>([batch, heads, rows, 1]), sum),
    };
  }
  const weighed = weightsOf(inputs, options, chunk);
  const {weights, max, sum, keep, unit, apart, sinkScores} = weighed;
  // Before the product: a sum of values may be past float32 where their mean is not.
  const shares = tf.div(weights, divisor(sum));
  const kept = keep === null ? shares : tf.mul(shares, keep);
  let most = tf.mul(max, unit);
  if (apart !== null) most = tf.sub(most, apart);
  // Its own logit is exact where the way is long.
  if (apart !== null && sinkScores !== null && sinks !== undefined)
    most = tf.where(tf.equal(max, sinkScores), tf.add(perHead(sinks), tf.zerosLike(most)), most);
  const logSumExp = tf.add(most, tf.log(divisor(sum)));
  return {
    output: matMulByHead(kept, weighedValues(inputs, weighed, chunk)),
    // Not every backend takes the logarithm of 0 for −∞.
    logSumExp: select(tf.notEqual(sum, 0), logSumExp as Tensor4D, -Infinity),
  };
}

/** The values of a chunk, 0 where no row weighs them: padding may hold NaN or infinity, and 0 · NaN is NaN. */
function weighedValues({bias, value: all}: HeadedInputs, {weights, seen}: Weights, {keyBegin, keyEnd}: Chunk): Tensor4D {
  const value = slice(all, 2, keyBegin, keyEnd);
  // A bias may exclude more keys. Without one, who attends says it in fewer numbers: mostly one for all heads.
  return onlySeen(value, bias === undefined ? seen : seenKeys(weights, value.shape[1]));
}

/** Which keys a pair that is not 0 belongs to: bool [batch, keyHeads, keys, 1], each of them full size or 1. */
function seenKeys(pairs: Tensor, keyHeads: number): Tensor {
  const [batch, heads, , keys] = rank4(pairs.rank === 2 ? [1, ...pairs.shape] : pairs.shape);
  const lines = heads === 1 ? 1 : keyHeads;
  const most = tf.max(tf.reshape(pairs, [batch, lines, -1, keys]), 2);
  return tf.notEqual(tf.reshape(most, [batch, lines, keys, 1]), 0);
}

/** 0 for the keys that no row sees. */
export const onlySeen = (tensor: Tensor4D, seen: Tensor | null): Tensor4D => (seen === null ? tensor : select(seen, tensor, 0));

/** The softmax of the rows of a chunk, before the division. */
export interface Weights {
  /** exp(score − max), 0 for hidden pairs, [batch, heads, rows, keys] */
  readonly weights: Tensor;
  /** What scores, and `max`, count in: 16 where biases as large as float32 goes may sum up, else 1. */
  readonly unit: number;
  /** What ALiBi takes from all scores of a row, and these do not have, broadcastable to [batch, heads, rows, 1]; null for nothing. */
  readonly apart: Tensor | null;
  /** Of sinks, as the others, in units; broadcastable to [batch, heads, rows, 1]. */
  readonly sinkScores: Tensor | null;
  /** The largest score of a row, the sink among them, [batch, heads, rows, 1] */
  readonly max: Tensor;
  /** Of the weights and that of the sink; 0 for a row without keys and sink, [batch, heads, rows, 1] */
  readonly sum: Tensor;
  /** exp(sink − max), [batch, heads, rows, 1] */
  readonly sinkWeight: Tensor | null;
  /** bool: the row weighs a key, [batch, heads, rows, 1] */
  readonly weighs: Tensor;
  /** Broadcastable to the scores; null when every row attends to every key. */
  readonly attends: Tensor | null;
  /** bool, broadcastable to [batch, keyHeads, keys, 1]: some row attends to the key; null where all keys are seen. */
  readonly seen: Tensor | null;
  /** tanh(raw score / softcap); anything where a pair is hidden. */
  readonly cap: Tensor | null;
  /** What dropout multiplies by, [batch, heads, rows, keys] */
  readonly keep: Tensor | null;
}

export function weightsOf(inputs: HeadedInputs, options: DenseOptions, chunk: Chunk): Weights {
  const {rowBegin, rowEnd, keyBegin, keyEnd} = chunk;
  const [rows, keys] = [rowEnd - rowBegin, keyEnd - keyBegin];
  const [batch, heads, queryLength] = inputs.query.shape;
  const {bias, alibiSlopes, relativeBias, sinks} = inputs;
  const {softcap, dropout = 0, seed = 0} = options;
  const short = tf.backend().floatPrecision() === 16;
  const far = hasFarScores({...PLAIN, bias: !!bias, alibi: !!alibiSlopes, relative: !!relativeBias, sinks: !!sinks});
  const unit = far && !short ? FAR_UNIT : 1;
  const inUnits = (tensor: Tensor): Tensor => (unit === 1 ? tensor : tf.div(tensor, unit));

  const {attends, seen} = whoAttends(inputs, options.rows, chunk);
  // The product of TensorFlow.js on WebGPU reads past the features of a key into the next one, and multiplies what it finds by 0.
  const key = onlySeen(slice(inputs.key, 2, keyBegin, keyEnd), seen);
  const {product, side, softcap: cappedAt} = scaleOf(options, unit);
  // Where it makes numbers smaller before they meet, else after: neither takes terms of a sum past float32.
  const [before, after] = Math.abs(product) <= 1 ? [product, 1] : [1, product];
  // One after the other: both of them times each other may be below what float32 holds.
  const queryRows = scaledBy(scaledBy(slice(inputs.query, 2, rowBegin, rowEnd), side), before);
  let scores: Tensor = scaledBy(matMulByHead(queryRows, scaledBy(key, side), true), after);
  const cap: Tensor | null = softcap === undefined ? null : tf.tanh(scores);
  if (cap !== null) scores = tf.mul(cap, cappedAt);
  if (bias !== undefined) scores = tf.add(scores, inUnits(sliceScores(bias, chunk)));
  let apart: Tensor | null = null;
  if (alibiSlopes !== undefined) {
    const {near, beyond} = distances(inputs, options, chunk);
    const slopes = perHead(alibiSlopes);
    scores = tf.sub(scores, tf.mul(inUnits(slopes), near));
    if (beyond !== null) apart = tf.mul(slopes, beyond);
  }
  if (relativeBias !== undefined) {
    const entries = slice(relativeBias, 1, firstDiagonal(queryLength, chunk), keyEnd - rowBegin + queryLength - 1);
    scores = tf.add(scores, spreadDiagonals(inUnits(entries) as Tensor2D, rows, keys));
  }

  // The least finite score stands for −∞, whose difference with itself is NaN. Where floats are 16 bits wide (WebGL on phones) it is nearer.
  const least = short ? -65504 : -3.4028234663852886e38;
  // `where`, not an addition: NaN of a key must not reach rows that do not attend to it.
  if (attends !== null) scores = select(attends, scores, least);
  let max: Tensor = tf.maximum(tf.max(scores, -1, true), least);
  // A row with NaN has it in its sum. Its hidden pairs weigh 0 all the same.
  max = select(tf.logicalNot(tf.isNaN(max)), max, 0);
  // Without the way that all keys of a row share, a sink stands higher by it.
  const sinkScores = sinks === undefined ? null : inUnits(apart === null ? perHead(sinks) : tf.add(perHead(sinks), apart));
  if (sinkScores !== null) max = tf.maximum(max, sinkScores);
  // WebGL packs four numbers a texel. Where a row has an odd number of keys one of them belongs to none, and exp(0 − max) of that would be
  // infinity below −88, and NaN for the whole row in the product with values.
  const below = (of: Tensor): Tensor => (packsTexels() ? tf.minimum(tf.sub(of, max), 0) : tf.sub(of, max));
  const power = (of: Tensor): Tensor => tf.exp(scaledBy(below(of), unit));
  let weights: Tensor = power(scores);
  if (attends !== null) weights = tf.mul(weights, tf.cast(attends, 'float32'));
  let sum: Tensor = tf.sum(weights, -1, true);
  const weighs = tf.notEqual(sum, 0);
  const sinkWeight: Tensor | null = sinkScores === null ? null : power(sinkScores);
  if (sinkWeight !== null) sum = tf.add(sum, sinkWeight);
  const keep =
    dropout === 0 ? null : tf.tensor4d(keepFactors(dropout, seed, {batch, heads, queryLength}, chunk), [batch, heads, rows, keys]);
  return {weights, unit, apart, sinkScores, max, sum, sinkWeight, weighs, attends, seen, cap, keep};
}

/** Whether the active backend is that of WebGL, under whatever name. */
const packsTexels = (): boolean => 'gpgpu' in tf.backend();

/**
 * The tensor where `condition` holds, elsewhere a number. `fill` makes the number a tensor: of a scalar, WebGPU spreads all copies on the
 * CPU (decisions.md has the seconds), and tfjs in debug mode refuses to upload −∞.
 */
export const select = <T extends Tensor>(condition: Tensor, tensor: T, otherwise: number): T =>
  tf.where(condition, tensor, tf.fill(tensor.shape, otherwise)) as T;

/** What to divide weights by: 1 where there is nothing to divide. */
export const divisor = (sum: Tensor): Tensor => tf.add(sum, tf.cast(tf.equal(sum, 0), 'float32'));

function whoAttends(inputs: HeadedInputs, rows: Acsr | null, chunk: Chunk): Pick<Weights, 'attends' | 'seen'> {
  const {key, mask, keyLengths, querySegments, keySegments} = inputs;
  const {rowBegin, rowEnd, keyBegin, keyEnd} = chunk;
  const conditions: Tensor[] = [];
  const drawn = rows && maskOf(rows, chunk);
  if (drawn) conditions.push(drawn.attends);
  if (mask !== undefined) conditions.push(sliceScores(mask, chunk));
  if (keyLengths !== undefined) {
    conditions.push(tf.less(tf.range(keyBegin, keyEnd, 1, 'int32'), tf.reshape(keyLengths, [-1, 1, 1, 1])));
  }
  if (querySegments !== undefined && keySegments !== undefined) {
    const ofQueries = tf.reshape(slice(querySegments, 1, rowBegin, rowEnd), [-1, 1, rowEnd - rowBegin, 1]);
    const ofKeys = tf.reshape(slice(keySegments, 1, keyBegin, keyEnd), [-1, 1, 1, keyEnd - keyBegin]);
    conditions.push(tf.equal(ofQueries, ofKeys));
  }
  if (conditions.length === 0) return {attends: null, seen: null};
  if (drawn && conditions.length === 1) return drawn;
  const attends = conditions.reduce((all, condition) => tf.logicalAnd(all, condition));
  // Multiplied, for WebGPU transposes no booleans.
  return {attends, seen: seenKeys(tf.mul(tf.cast(attends, 'float32'), 1), key.shape[1])};
}

/** bool [rows, keys] of a chunk, or null when every row attends to every key. */
function maskOf(rows: Acsr, chunk: Chunk): (Pick<Weights, 'attends' | 'seen'> & {attends: Tensor2D}) | null {
  const {mask, pairs} = drawMask(rows, chunk);
  if (pairs === mask.length) return null;
  const keys = chunk.keyEnd - chunk.keyBegin;
  const seen = new Uint8Array(keys);
  mask.forEach((bit, pair) => (seen[pair % keys]! |= bit));
  return {
    attends: tf.tensor2d(mask, [chunk.rowEnd - chunk.rowBegin, keys], 'bool'),
    seen: seen.includes(0) ? tf.tensor4d(seen, [1, 1, keys, 1], 'bool') : null,
  };
}

/** The entry of a relative bias that the last row of a chunk and its first key read. */
export const firstDiagonal = (queryLength: number, {rowEnd, keyBegin}: Chunk): number => keyBegin - rowEnd + queryLength;

export function chunksOf({query, key, relativeBias}: HeadedInputs, rows: Acsr | null): Chunk[] {
  const [batch, heads, queryLength] = query.shape;
  const most = Math.floor(CHUNK_PAIRS / (batch * heads));
  // A relative bias is spread over rows · (rows + keys) numbers on its way to rows · keys.
  const mostRows = relativeBias === undefined ? Infinity : Math.max(1, Math.floor(Math.sqrt(most)));
  return chunkRows(rows, {queryLength, keyLength: key.shape[2]}, most, mostRows);
}

export function toHeads(inputs: DenseInputs, layout: Layout): HeadedInputs {
  const [query, key, value] = [inputs.query, inputs.key, inputs.value].map((tensor) => headsFirst(tensor, layout));
  return {...inputs, query, key, value} as HeadedInputs;
}

/** [batch, heads, length, dim] */
export const headsFirst = (tensor: Tensor, layout: Layout): Tensor4D =>
  tensor.rank === 4 && layout === 'blhd' ? tf.transpose(tensor as Tensor4D, [0, 2, 1, 3]) : tf.reshape(tensor, rank4(tensor.shape));

/** The inverse of `headsFirst`. */
export function fromHeads(tensor: Tensor4D, layout: Layout, rank: number): Tensor {
  if (rank === 4) return layout === 'blhd' ? tf.transpose(tensor, [0, 2, 1, 3]) : tensor;
  const [batch, , length, dim] = tensor.shape;
  return tf.reshape(tensor, [batch, length, dim]);
}

/** a·b or a·bᵀ of [batch, heads, …] and [batch, keyHeads, …]: each head with the key head that it reads. */
export function matMulByHead(a: Tensor, b: Tensor4D, transposeB = false): Tensor4D {
  const [batch, heads, rows] = a.shape as Tensor4D['shape'];
  const product: Tensor4D = tf.matMul(foldHeads(a, b.shape[1]), b, false, transposeB);
  return tf.reshape(product, [batch, heads, rows, product.shape[3]]);
}

/** The heads that share a key head one below the other: [batch, keyHeads, heads / keyHeads · rows, dim] */
export const foldHeads = (tensor: Tensor, keyHeads: number): Tensor4D => {
  const [batch, heads, rows, dim] = tensor.shape as Tensor4D['shape'];
  return tf.reshape(tensor, [batch, keyHeads, (heads / keyHeads) * rows, dim]);
};

/** [heads] against [batch, heads, rows, keys] */
export const perHead = (tensor: Tensor1D): Tensor3D => tf.reshape(tensor, [-1, 1, 1]);

const sliceScores = (tensor: Tensor4D, {rowBegin, rowEnd, keyBegin, keyEnd}: Chunk): Tensor4D =>
  slice(slice(tensor, 2, rowBegin, rowEnd), 3, keyBegin, keyEnd);

/** `begin ≤ i < end` along `axis`; a broadcast dimension stays. */
export function slice<T extends Tensor>(tensor: T, axis: number, begin: number, end: number): T {
  const length = tensor.shape[axis]!;
  if (length === 1 || (begin === 0 && end === length)) return tensor;
  const start = tensor.shape.map((_, i) => (i === axis ? begin : 0));
  const size = tensor.shape.map((full, i) => (i === axis ? end - begin : full));
  return tf.slice(tensor, start, size);
}
