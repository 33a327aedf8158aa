import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor4D, TensorLike} from '@tensorflow/tfjs-core';
import {nearestName, refuse} from '../support/index.js';
import {Pattern, type Problem} from '../compile.js';
import type {SparseAttentionOptions} from './attention.js';

/** The arguments of a call, found right and brought to rank 4. */
export interface Call {
  readonly problem: Problem;
  /** Of the inputs as they came; the output gets it back. */
  readonly rank: 3 | 4;
  readonly query: Tensor4D;
  readonly key: Tensor4D;
  readonly value: Tensor4D;
  /** Exactly one of `pattern` and `mask` is there. */
  readonly pattern?: Pattern;
  readonly mask?: Tensor4D;
  readonly bias?: Tensor4D;
  readonly scale: number;
  readonly implementation: 'auto' | 'fused' | 'dense';
}

const OPTIONS = ['scale', 'queryOffset', 'bias', 'implementation'] as const;
const IMPLEMENTATIONS = ['auto', 'fused', 'dense'] as const;
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
  const tensors = [floats('query', query), floats('key', key), floats('value', value)] as const;
  const rank = checkRank(tensors[0]);
  const [q, k, v] = tensors.map((tensor, i) => toRank4(['query', 'key', 'value'][i]!, tensor, rank)) as [
    Tensor4D,
    Tensor4D,
    Tensor4D,
  ];
  const problem = checkSizes(q, k, v, options.queryOffset);
  const scale = checkScale(options.scale, problem.headDim);
  const bias = options.bias == null ? undefined : alignToScores('bias', floats('bias', options.bias), rank, problem);
  const call = {problem, rank, query: q, key: k, value: v, scale, implementation, ...(bias && {bias})};
  if (pattern instanceof Pattern) return {...call, pattern};
  return {...call, mask: alignToScores('mask', checkMask(pattern, implementation), rank, problem)};
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

function checkImplementation(implementation: string = 'auto'): Call['implementation'] {
  if ((IMPLEMENTATIONS as readonly string[]).includes(implementation)) return implementation as Call['implementation'];
  const near = typeof implementation === 'string' ? nearestName(implementation, IMPLEMENTATIONS) : undefined;
  return refuse(
    'option implementation',
    say(implementation),
    `one of ${IMPLEMENTATIONS.join(', ')}`,
    near ? `Did you mean '${near}'?` : "'auto' suits everything.",
  );
}

/** The argument as a live float32 tensor. Nested arrays and typed arrays become one. */
function floats(name: string, given: Tensor | TensorLike): Tensor {
  let tensor: Tensor;
  if (given instanceof tf.Tensor) tensor = checkAlive(name, given);
  else if (Array.isArray(given) || ArrayBuffer.isView(given)) tensor = fromArray(name, given);
  else return refuse(name, say(given), 'a float32 tensor', 'Pass a tensor, or nested arrays of numbers.');
  if (tensor.dtype !== 'float32') {
    refuse(name, `dtype ${tensor.dtype}`, 'dtype float32', `Cast it: tf.cast(${name}, 'float32').`);
  }
  return tensor;
}

function fromArray(name: string, array: TensorLike): Tensor {
  try {
    return tf.tensor(array);
  } catch (error) {
    return refuse(
      name,
      `an array that is no tensor (${(error as Error).message})`,
      'nested arrays of numbers',
      'Make all rows of one length.',
    );
  }
}

function checkAlive(name: string, tensor: Tensor): Tensor {
  if (tensor.isDisposed) {
    refuse(name, 'a disposed tensor', 'a living one', 'Use tf.keep, or return it from the tf.tidy that made it.');
  }
  return tensor;
}

function checkRank(query: Tensor): 3 | 4 {
  if (query.rank === 3 || query.rank === 4) return query.rank;
  return refuse(
    'query',
    `shape ${shapeOf(query)}`,
    '[batch, heads, queryLength, headDim], or [batch, queryLength, headDim] for one head',
    'Reshape it; a leading dimension of 1 is free.',
  );
}

function toRank4(name: string, tensor: Tensor, rank: 3 | 4): Tensor4D {
  if (tensor.rank !== rank) {
    refuse(name, `shape ${shapeOf(tensor)}`, `rank ${rank} like query`, 'Give query, key and value the same rank, 3 or 4.');
  }
  return rank === 4 ? (tensor as Tensor4D) : tf.reshape(tensor, [tensor.shape[0]!, 1, tensor.shape[1]!, tensor.shape[2]!]);
}

function checkSizes(query: Tensor4D, key: Tensor4D, value: Tensor4D, queryOffset: number | undefined): Problem {
  const [batch, heads, queryLength, headDim] = query.shape;
  const [keyBatch, keyHeads, keyLength, keyDim] = key.shape;
  const [valueBatch, valueHeads, valueLength, valueDim] = value.shape;
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
  if (typeof scale !== 'number' || !Number.isFinite(scale)) {
    refuse('option scale', say(scale), 'a finite number', 'Leave it out for 1/√headDim.');
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

function say(given: unknown): string {
  if (typeof given === 'string') return `the text '${given.length > 60 ? `${given.slice(0, 60)}…` : given}'`;
  if (Array.isArray(given)) return 'an array';
  return typeof given === 'object' && given !== null ? 'an object' : String(given);
}
