import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor4D, TensorLike} from '@tensorflow/tfjs-core';
import {nearestName, refuse} from '../support/index.js';
import {Pattern, type Problem} from '../compile.js';

export interface SparseAttentionOptions {
  /** Factor of query·key. Default 1/√headDim. */
  readonly scale?: number;
  /** Position of query 0 among the keys. Default keyLength − queryLength: the last query aligns with the last key. A mask ignores it. */
  readonly queryOffset?: number;
  /** float32, broadcastable to [batch, heads, queryLength, keyLength]; added to the scaled scores. −Infinity excludes a key. */
  readonly bias?: Tensor | TensorLike;
  /**
   * `fused` computes only the tiles that the pattern touches (WebGPU only), `dense` all of them. Default `auto`: on WebGPU the one
   * predicted to be faster, elsewhere dense. All give the same result.
   */
  readonly implementation?: 'auto' | 'fused' | 'dense';
  /**
   * `float16` rounds query, key and value to float16 for the kernel to read (WebGPU only): half the memory traffic, and tensor cores
   * where `createWebGPUBackend({tensorCores: true})` found them. Scores, softmax and sums stay float32, and so do inputs and output;
   * finite inputs past ±65504 count as that. Default `float32`.
   */
  readonly precision?: Precision;
}

export type Precision = 'float32' | 'float16';

/** The arguments of a call, found right. */
export interface Call {
  readonly problem: Problem;
  /** Of query, key, value and the output; the kernel reads rank 3 as one head. */
  readonly rank: 3 | 4;
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  /** Exactly one of `pattern` and `mask` is there. */
  readonly pattern?: Pattern;
  readonly mask?: Tensor4D;
  readonly bias?: Tensor4D;
  readonly scale: number;
  readonly implementation: 'auto' | 'fused' | 'dense';
  readonly precision: Precision;
}

const OPTIONS = ['scale', 'queryOffset', 'bias', 'implementation', 'precision'] as const;
const IMPLEMENTATIONS = ['auto', 'fused', 'dense'] as const;
const PRECISIONS = ['float32', 'float16'] as const;
const MAX_DIM = 256;

/** Throws a `SplatError` that names the argument unless all of them make sense together. */
export function checkCall(
  query: Tensor | TensorLike,
  key: Tensor | TensorLike,
  value: Tensor | TensorLike,
  pattern: Pattern | Tensor,
  options: SparseAttentionOptions,
): Call {
  checkOptions(options);
  const implementation = checkImplementation(options.implementation);
  const precision = checkPrecision(options.precision);
  const tensors = {query: floats('query', query), key: floats('key', key), value: floats('value', value)};
  const rank = checkRank(tensors);
  const problem = checkSizes(tensors, options.queryOffset);
  const scale = checkScale(options.scale, problem.headDim);
  const bias = options.bias == null ? undefined : alignToScores('bias', floats('bias', options.bias), rank, problem);
  const call = {problem, rank, ...tensors, scale, implementation, precision, ...(bias && {bias})};
  if (pattern instanceof Pattern) return {...call, pattern};
  return {...call, mask: alignToScores('mask', checkMask(pattern, implementation), rank, problem)};
}

/** Rank 3 is one head. */
export function rank4(shape: readonly number[]): [number, number, number, number] {
  return (shape.length === 3 ? [shape[0]!, 1, shape[1]!, shape[2]!] : [...shape]) as [number, number, number, number];
}

function checkOptions(options: SparseAttentionOptions): void {
  if (typeof options !== 'object' || options === null) {
    refuse('options', String(options), 'an object such as {scale: 0.125}', 'Leave it out for the defaults.');
  }
  for (const name of Object.keys(options)) {
    if ((OPTIONS as readonly string[]).includes(name)) continue;
    const near = nearestName(name, OPTIONS);
    refuse(
      `option '${name}'`,
      'an unknown option',
      `one of ${OPTIONS.join(', ')}`,
      near ? `Did you mean '${near}'?` : 'Remove it.',
    );
  }
}

export const checkImplementation = (implementation: string = 'auto'): Call['implementation'] =>
  oneOf('option implementation', implementation, IMPLEMENTATIONS, "'auto' suits everything.");

export const checkPrecision = (precision: string = 'float32'): Precision =>
  oneOf('option precision', precision, PRECISIONS, 'Leave it out for float32.');

function oneOf<Name extends string>(thing: string, given: string, names: readonly Name[], cure: string): Name {
  const found = names.find((name) => name === given);
  if (found !== undefined) return found;
  const near = typeof given === 'string' ? nearestName(given, names) : undefined;
  return refuse(thing, say(given), `one of ${names.join(', ')}`, near ? `Did you mean '${near}'?` : cure);
}

/** The argument as a live float32 tensor. Nested arrays and typed arrays become one. */
function floats(name: string, given: Tensor | TensorLike): Tensor {
  let tensor: Tensor;
  if (given instanceof tf.Tensor) tensor = checkAlive(name, given);
  else if (Array.isArray(given) || tf.util.isTypedArray(given)) tensor = fromArray(name, given);
  else return refuse(name, say(given), 'a float32 tensor', 'Pass a tensor, or nested arrays of numbers.');
  if (tensor.dtype !== 'float32') {
    refuse(name, `dtype ${tensor.dtype}`, 'dtype float32', `Cast it: tf.cast(${name}, 'float32').`);
  }
  return tensor;
}

function fromArray(name: string, array: TensorLike): Tensor {
  const tensor = tf.tensor(array);
  // tf.tensor takes its shape from the first rows alone, and its dtype from the first entry: of the others it makes NaN or 0.
  const entries: unknown[] = tf.util.flatten(array as number[]);
  if (entries.length !== tensor.size) {
    refuse(name, 'rows of different lengths', 'nested arrays that form a block of numbers', 'Pad the shorter rows.');
  }
  const stranger = entries.findIndex((entry) => typeof entry !== 'number');
  if (tensor.dtype === 'float32' && stranger >= 0) {
    refuse(name, `${say(entries[stranger])} among the numbers`, 'nested arrays of numbers', 'Fill the gaps.');
  }
  return tensor;
}

function checkAlive(name: string, tensor: Tensor): Tensor {
  if (tensor.isDisposed) {
    refuse(name, 'a disposed tensor', 'a living one', 'Use tf.keep, or return it from the tf.tidy that made it.');
  }
  return tensor;
}

type Inputs = Pick<Call, 'query' | 'key' | 'value'>;

function checkRank({query, key, value}: Inputs): 3 | 4 {
  const {rank} = query;
  if (rank !== 3 && rank !== 4) {
    return refuse(
      'query',
      `shape ${shapeOf(query)}`,
      '[batch, heads, queryLength, headDim], or [batch, queryLength, headDim] for one head',
      'Reshape it; a leading dimension of 1 is free.',
    );
  }
  for (const [name, tensor] of Object.entries({key, value})) {
    if (tensor.rank !== rank) {
      refuse(name, `shape ${shapeOf(tensor)}`, `rank ${rank} like query`, 'Give query, key and value the same rank, 3 or 4.');
    }
  }
  return rank;
}

function checkSizes({query, key, value}: Inputs, queryOffset: number | undefined): Problem {
  const [batch, heads, queryLength, headDim] = rank4(query.shape);
  const [keyBatch, keyHeads, keyLength, keyDim] = rank4(key.shape);
  const [valueBatch, valueHeads, valueLength, valueDim] = rank4(value.shape);
  const same = (name: string, found: number, expected: number, of: string, cure: string): void => {
    if (found !== expected) refuse(name, String(found), `${expected}, as ${of}`, cure);
  };
  const tile = 'Tile the smaller tensor: tf.tile.';
  same('batch of key', keyBatch, batch, 'query has', tile);
  same('batch of value', valueBatch, batch, 'query has', tile);
  const repeat = 'Fewer key heads than query heads are not supported yet: repeat them with tf.tile or tf.gather.';
  same('heads of key', keyHeads, heads, 'query has', repeat);
  same('heads of value', valueHeads, heads, 'query has', repeat);
  same('headDim of key', keyDim, headDim, 'query has', 'Query and key are multiplied feature by feature.');
  same('keyLength of value', valueLength, keyLength, 'key has', 'Every key needs its value.');
  if (headDim < 1 || headDim > MAX_DIM) {
    refuse('headDim of query', String(headDim), `1 to ${MAX_DIM}`, 'Use more heads of fewer features.');
  }
  if (valueDim > MAX_DIM)
    refuse('valueDim of value', String(valueDim), `at most ${MAX_DIM}`, 'Split the value by features and concatenate the outputs.');
  const offset = queryOffset ?? keyLength - queryLength;
  if (!Number.isInteger(offset) || Math.abs(offset) >= 2 ** 31) {
    refuse('option queryOffset', say(queryOffset), 'a whole number', 'It is the position of query 0 among the keys.');
  }
  return {batch, heads, queryLength, keyLength, queryOffset: offset, headDim, valueDim};
}

function checkScale(scale: number | undefined, headDim: number): number {
  if (scale === undefined) return 1 / Math.sqrt(headDim);
  // The kernels multiply with a float32, in units of log2.
  if (typeof scale !== 'number' || !Number.isFinite(Math.fround(scale * Math.LOG2E))) {
    refuse('option scale', say(scale), 'a finite number that float32 holds', 'Leave it out for 1/√headDim.');
  }
  return scale;
}

function checkMask(given: unknown, implementation: Call['implementation']): Tensor {
  if (!(given instanceof tf.Tensor)) {
    const cure =
      typeof given === 'string'
        ? 'Read text with parsePattern(text).'
        : 'Make one with a builder such as causal(), or fromMask(array, shape).';
    return refuse('pattern', say(given), 'a Pattern or a boolean tensor', cure);
  }
  const mask = checkAlive('mask', given);
  if (mask.dtype !== 'bool') {
    refuse('mask', `dtype ${mask.dtype}`, 'dtype bool', "Cast it: tf.cast(mask, 'bool'); scores to add are options.bias.");
  }
  if (implementation === 'fused') {
    refuse(
      "implementation 'fused'",
      'a mask tensor',
      'a pattern',
      "Read the mask once with await patternFromMask(mask), or use 'auto'.",
    );
  }
  return mask;
}

/**
 * Brings a mask or a bias to rank 4 with every dimension full size or 1. Dimensions align from the right, as in all of tfjs; beside
 * inputs of rank 3 they align with [batch, queryLength, keyLength] when there are at most three.
 */
function alignToScores(name: string, tensor: Tensor, rank: 3 | 4, {batch, heads, queryLength, keyLength}: Problem): Tensor4D {
  const headless = rank === 3 && tensor.rank <= 3;
  const scores = headless ? [batch, queryLength, keyLength] : [batch, heads, queryLength, keyLength];
  const names = headless ? '[batch, queryLength, keyLength]' : '[batch, heads, queryLength, keyLength]';
  const padded = [...Array<number>(Math.max(0, scores.length - tensor.rank)).fill(1), ...tensor.shape];
  if (padded.length > scores.length || !padded.every((size, i) => size === 1 || size === scores[i])) {
    refuse(
      name,
      `shape ${shapeOf(tensor)}`,
      `one that broadcasts to ${names} = [${scores.join(', ')}]`,
      'Each dimension is full size or 1, aligned from the right.',
    );
  }
  const full = headless ? [padded[0]!, 1, padded[1]!, padded[2]!] : padded;
  return tensor.rank === 4 ? (tensor as Tensor4D) : tf.reshape(tensor, full as [number, number, number, number]);
}

const shapeOf = (tensor: Tensor): string => `[${tensor.shape.join(', ')}]`;

export function say(given: unknown): string {
  if (typeof given === 'string') return `the text '${given.length > 60 ? `${given.slice(0, 60)}…` : given}'`;
  if (Array.isArray(given)) return 'an array';
  return typeof given === 'object' && given !== null ? 'an object' : String(given);
}
