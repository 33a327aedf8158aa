import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D, Tensor4D} from '@tensorflow/tfjs-core';
import {CHUNK_PAIRS, FAR_UNIT, hasFarScores, type Layout, type Lines} from '../../pure.js';
import {rank4} from '../../support/index.js';
import {
  inUnits,
  select,
  slice,
  sliceScores,
  type Chunk,
  type DenseInputs,
  type DenseOptions,
  type HeadedInputs,
  type Part,
} from '../terms/part.js';
import type {CallTerm} from '../terms/term.js';
import {apartOf, featuresOf, seenBefore, seenOf, termsBrought} from '../terms/terms.js';
import {chunkRows} from './chunks.js';
import {chunkMask} from './line_masks.js';
import {scaleOf, scaledBy} from './scaling.js';

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
    const parts = chunksOf(headed, options.lines).map((chunk) => {
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
  const [batch, heads] = inputs.query.shape;
  const rows = chunk.rowEnd - chunk.rowBegin;
  const seen = seenOf({inputs, options});
  if (chunk.keyEnd === chunk.keyBegin) {
    const sum = seen ?? tf.fill([1], -Infinity);
    return {
      output: tf.zeros([batch, heads, rows, inputs.value.shape[3]]),
      logSumExp: tf.add(tf.zeros<tf.Rank.R4>([batch, heads, rows, 1]), sum),
    };
  }
  const weighed = weightsOf(inputs, options, chunk);
  const {weights, max, sum, keep, unit, apart, seenScores} = weighed;
  // Before the product: a sum of values may be past float32 where their mean is not.
  const shares = tf.div(weights, divisor(sum));
  const kept = keep === null ? shares : tf.mul(shares, keep);
  let most = tf.mul(max, unit);
  if (apart !== null) most = tf.sub(most, apart);
  // Its own logit is exact where the way is long.
  if (apart !== null && seenScores !== null && seen !== null)
    most = tf.where(tf.equal(max, seenScores), tf.add(seen, tf.zerosLike(most)), most);
  const logSumExp = tf.add(most, tf.log(divisor(sum)));
  return {
    output: matMulByHead(kept, weighedValues(inputs, weighed, chunk)),
    // Not every backend takes the logarithm of 0 for −∞.
    logSumExp: select(tf.notEqual(sum, 0), logSumExp as Tensor4D, -Infinity),
  };
}

/** The values of a chunk, 0 where no row weighs them: padding may hold NaN or infinity, and 0 · NaN is NaN. */
function weighedValues({value: all}: HeadedInputs, {weights, seen, hides}: Weights, {keyBegin, keyEnd}: Chunk): Tensor4D {
  const value = slice(all, 2, keyBegin, keyEnd);
  // What is added may exclude more keys. Else who attends says it in fewer numbers: mostly one for all heads.
  return onlySeen(value, hides ? seenKeys(weights, value.shape[1]) : seen);
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
  /** What terms take from all scores of a row, and these do not have, broadcastable to [batch, heads, rows, 1]; null for nothing. */
  readonly apart: Tensor | null;
  /** Of what a row has seen before its first key, as the others, in units; broadcastable to [batch, heads, rows, 1]. */
  readonly seenScores: Tensor | null;
  /** The largest score of a row, that among them, [batch, heads, rows, 1] */
  readonly max: Tensor;
  /** Of the weights and of that; 0 for a row that sees nothing, [batch, heads, rows, 1] */
  readonly sum: Tensor;
  /** exp(that score − max), [batch, heads, rows, 1] */
  readonly seenWeight: Tensor | null;
  /** bool: the row weighs a key, [batch, heads, rows, 1] */
  readonly weighs: Tensor;
  /** Broadcastable to the scores; null when every row attends to every key. */
  readonly attends: Tensor | null;
  /** bool, broadcastable to [batch, keyHeads, keys, 1]: some row attends to the key; null where all keys are seen. */
  readonly seen: Tensor | null;
  /** What is added may hide pairs. */
  readonly hides: boolean;
  /** The derivatives of scores by the scaled product, to be multiplied; anything where a pair is hidden. */
  readonly slopes: readonly (() => Tensor)[];
  /** What dropout multiplies by, [batch, heads, rows, keys] */
  readonly keep: Tensor | null;
}

/** The scores of a chunk, with those of pairs that do not attend. */
export interface ChunkScores {
  /** In units, without what terms take from all scores of a row: [batch, heads, rows, keys] */
  readonly scores: Tensor;
  readonly terms: readonly CallTerm[];
  readonly part: Part;
  readonly attends: Tensor | null;
  readonly seen: Tensor | null;
  readonly slopes: readonly (() => Tensor)[];
}

/** Where floats are 16 bits wide, as in WebGL on phones. */
const isShort = (): boolean => tf.backend().floatPrecision() === 16;

/** The least finite score, which stands for −∞, whose difference with itself is NaN. Where floats are 16 bits wide it is nearer. */
export const leastScore = (): number => (isShort() ? -65504 : -3.4028234663852886e38);

export function scoresOf(inputs: HeadedInputs, options: DenseOptions, chunk: Chunk): ChunkScores {
  const {rowBegin, rowEnd, keyBegin, keyEnd} = chunk;
  const terms = termsBrought(inputs, options);
  const unit = hasFarScores(featuresOf(inputs, options, options.scale)) && !isShort() ? FAR_UNIT : 1;
  const part: Part = {inputs, options, chunk, unit};

  const {attends, seen} = whoAttends(part, terms);
  // The product of TensorFlow.js on WebGPU reads past the features of a key into the next one, and multiplies what it finds by 0.
  const key = onlySeen(slice(inputs.key, 2, keyBegin, keyEnd), seen);
  const {product, side} = scaleOf(options, unit);
  // Where it makes numbers smaller before they meet, else after: neither takes terms of a sum past float32.
  const [first, after] = Math.abs(product) <= 1 ? [product, 1] : [1, product];
  // One after the other: both of them times each other may be below what float32 holds.
  const queryRows = scaledBy(scaledBy(slice(inputs.query, 2, rowBegin, rowEnd), side), first);
  let scores: Tensor = scaledBy(matMulByHead(queryRows, scaledBy(key, side), true), after);
  const slopes: (() => Tensor)[] = [];
  for (const {ops} of terms) {
    if (!ops.moves) continue;
    const moved = ops.moves(scores, part);
    scores = moved.scores;
    if (moved.slope) slopes.push(moved.slope);
  }
  for (const {ops} of terms) if (ops.adds) scores = tf.add(scores, ops.adds(part));
  return {scores, terms, part, attends, seen, slopes};
}

/** Scores in words of calls, without what terms take from all scores of a row. */
export function apartFrom(scores: Tensor, part: Omit<Part, 'unit'>): Tensor {
  const apart = apartOf(part);
  return apart === null ? scores : tf.sub(scores, apart);
}

export function weightsOf(inputs: HeadedInputs, options: DenseOptions, chunk: Chunk): Weights {
  const {terms, part, attends, seen, slopes, ...found} = scoresOf(inputs, options, chunk);
  const {unit} = part;
  let {scores} = found;
  const least = leastScore();
  // `where`, not an addition: NaN of a key must not reach rows that do not attend to it.
  if (attends !== null) scores = select(attends, scores, least);
  let max: Tensor = tf.maximum(tf.max(scores, -1, true), least);
  // A row with NaN has it in its sum. Its hidden pairs weigh 0 all the same.
  max = select(tf.logicalNot(tf.isNaN(max)), max, 0);
  const apart = apartOf(part);
  // Without what all keys of a row are less by, this stands higher by it.
  const before = seenBefore(part);
  const seenScores = before === null ? null : inUnits(before, part);
  if (seenScores !== null) max = tf.maximum(max, seenScores);
  // WebGL packs four numbers a texel. Where a row has an odd number of keys one of them belongs to none, and exp(0 − max) of that would be
  // infinity below −88, and NaN for the whole row in the product with values.
  const below = (of: Tensor): Tensor => (packsTexels() ? tf.minimum(tf.sub(of, max), 0) : tf.sub(of, max));
  const power = (of: Tensor): Tensor => tf.exp(scaledBy(below(of), unit));
  let weights: Tensor = power(scores);
  if (attends !== null) weights = tf.mul(weights, tf.cast(attends, 'float32'));
  let sum: Tensor = tf.sum(weights, -1, true);
  const weighs = tf.notEqual(sum, 0);
  const seenWeight: Tensor | null = seenScores === null ? null : power(seenScores);
  if (seenWeight !== null) sum = tf.add(sum, seenWeight);
  const keeps = terms.flatMap(({ops}) => (ops.keeps ? [ops.keeps(part)] : []));
  const keep = keeps.length === 0 ? null : keeps.reduce((all, each) => tf.mul(all, each));
  const hides = terms.some(({ops}) => ops.hides);
  return {weights, unit, apart, seenScores, max, sum, seenWeight, weighs, attends, seen, hides, slopes, keep};
}

/** Whether the active backend is that of WebGL, under whatever name. */
const packsTexels = (): boolean => 'gpgpu' in tf.backend();

/** What to divide weights by: 1 where there is nothing to divide. */
export const divisor = (sum: Tensor): Tensor => tf.add(sum, tf.cast(tf.equal(sum, 0), 'float32'));

function whoAttends(part: Part, terms: readonly CallTerm[]): Pick<Weights, 'attends' | 'seen'> {
  const {inputs, options, chunk} = part;
  const {key, mask} = inputs;
  const conditions: Tensor[] = [];
  const drawn = options.lines && chunkMask(options.lines, key.shape[1], chunk);
  if (drawn) conditions.push(drawn.attends);
  if (mask !== undefined) conditions.push(sliceScores(mask, chunk));
  for (const {ops} of terms) if (ops.shows) conditions.push(ops.shows(part));
  if (conditions.length === 0) return {attends: null, seen: null};
  if (drawn && conditions.length === 1) return drawn;
  const attends = conditions.reduce((all, condition) => tf.logicalAnd(all, condition));
  // Multiplied, for WebGPU transposes no booleans.
  return {attends, seen: seenKeys(tf.mul(tf.cast(attends, 'float32'), 1), key.shape[1])};
}

export function chunksOf(inputs: HeadedInputs, lines: Lines | null): Chunk[] {
  const [batch, heads, queryLength] = inputs.query.shape;
  const most = Math.floor(CHUNK_PAIRS / (batch * heads));
  const mostRows = termsBrought(inputs, {}).map(({ops}) => ops.mostRows?.(most) ?? Infinity);
  return chunkRows(lines, {queryLength, keyLength: inputs.key.shape[2]}, most, Math.min(...mostRows));
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
