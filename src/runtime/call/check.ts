import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor4D} from '@tensorflow/tfjs-core';
import {isList, oneOf, readOptions, Recent, refuse, say, type NamesOf, type OptionWords} from '../../support/index.js';
import {Pattern, refusePattern, type Layout, type Problem, type Precision, type Within} from '../../pure.js';
import {alignToScores, checkAlive, floats, shapeOf, sizesOf} from '../given/arguments.js';
import {checkScale, type CallScoring} from './check_scoring.js';
import {checkTerms, termNames, type TermOptions} from '../terms/terms.js';
import type {NumberArray} from '../given/number_array.js';
import type {SparseAttentionOptions} from './options.js';
import {paddingCure} from '../given/padding.js';

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
  readonly layout: Layout;
  /** Where kernels find what the call reads of its tensors, which hold more. */
  readonly within?: Within;
  readonly scoring: CallScoring;
  readonly implementation: 'auto' | 'fused' | 'dense';
  readonly precision: Precision;
}

const OWN_NAMES: NamesOf<Omit<SparseAttentionOptions, keyof TermOptions>> = {
  scale: true,
  queryOffset: true,
  implementation: true,
  precision: true,
  layout: true,
};
let known: {readonly of: readonly string[]; readonly names: NamesOf<SparseAttentionOptions>} | null = null;

/** Of `sparseAttention`. */
export function optionNames(): NamesOf<SparseAttentionOptions> {
  const of = termNames();
  if (known?.of !== of) {
    const names = Object.fromEntries(of.map((name) => [name, true])) as NamesOf<TermOptions>;
    known = {of, names: {...OWN_NAMES, ...names}};
  }
  return known.names;
}

const IMPLEMENTATIONS = ['auto', 'fused', 'dense'] as const;
const PRECISIONS = ['float32', 'float16'] as const;
const LAYOUTS = ['bhld', 'blhd'] as const;

/** Throws a `SplatError` that names the argument unless all of them make sense together. */
export function checkCall(
  givenQuery: Tensor | NumberArray,
  givenKey: Tensor | NumberArray,
  givenValue: Tensor | NumberArray,
  pattern: Pattern | Tensor,
  given: SparseAttentionOptions,
  part?: PartOfTensors,
): Call {
  const options = readOptions(given, optionNames(), OPTION_WORDS);
  const implementation = checkImplementation(options.implementation);
  const precision = checkPrecision(options.precision);
  const [query, key, value] = [floats('query', givenQuery), floats('key', givenKey), floats('value', givenValue)];
  const tensors = {query, key, value};
  const rank = part === undefined ? checkRank(tensors) : 4;
  const layout = checkLayout(options.layout);
  const problem = checkSizes(part?.shapes ?? shapesOf(tensors), layout, options.queryOffset);
  const {tensors: own, numbers} = checkTerms(options, {rank, problem});
  const scoring = {scale: checkScale(options.scale, problem.headDim), tensors: own, numbers};
  if (pattern instanceof Pattern) {
    const call = {problem, rank, layout, query, key, value, pattern, scoring, implementation, precision};
    return part === undefined ? call : {...call, within: part.within};
  }
  const mask = checkMask(pattern, implementation, problem);
  warnOfSquare(mask, problem);
  const aligned = alignToScores('mask', mask, rank, problem);
  return {problem, rank, layout, query, key, value, mask: aligned, scoring, implementation, precision};
}

/** How messages speak of the options of a call. */
export const OPTION_WORDS: OptionWords = {
  all: 'options',
  expected: 'an object such as {scale: 0.125}',
  cure: 'Leave it out for the defaults.',
  one: (name) => `option '${name}'`,
  otherwise: {
    ...spelled(
      ['mask', 'attnMask', 'attentionMask'],
      'A mask of pairs stands in the place of the pattern; padding is keyLengths or segmentIds.',
    ),
    ...spelled(['causal', 'isCausal', 'useCausalMask'], 'Say it by the pattern: causal(), or pattern.and(causal()).'),
  },
};

/** One cure for names in both ways of writing them. */
function spelled(names: readonly string[], cure: string): Record<string, string> {
  const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(names.flatMap((name) => [name, snake(name)]).map((name) => [name, cure]));
}

export const checkImplementation = (implementation: string = 'auto'): Call['implementation'] =>
  oneOf('option implementation', implementation, IMPLEMENTATIONS, "'auto' suits everything.");

export const checkPrecision = (precision: string = 'float32'): Precision =>
  oneOf('option precision', precision, PRECISIONS, 'Leave it out for float32.');

export const checkLayout = (layout: string = 'bhld'): Layout =>
  oneOf('option layout', layout, LAYOUTS, 'Leave it out for [batch, heads, length, dim].');

type Inputs = Pick<Call, 'query' | 'key' | 'value'>;
type InputShapes = {readonly [role in keyof Inputs]: readonly number[]};

/** What a call reads of tensors that hold more. */
export interface PartOfTensors {
  readonly shapes: InputShapes;
  readonly within: Within;
}

const shapesOf = ({query, key, value}: Inputs): InputShapes => ({query: query.shape, key: key.shape, value: value.shape});

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
  if (key.rank !== rank) refuseRank('key', key, rank);
  if (value.rank !== rank) refuseRank('value', value, rank);
  return rank;
}

const refuseRank = (name: string, tensor: Tensor, rank: number): never =>
  refuse(name, `shape ${shapeOf(tensor)}`, `rank ${rank} like query`, 'Give query, key and value the same rank, 3 or 4.');

function checkSizes({query, key, value}: InputShapes, layout: Layout, queryOffset: number | undefined): Problem {
  const [batch, heads, queryLength, headDim] = sizesOf(query, layout);
  const [keyBatch, keyHeads, keyLength, keyDim] = sizesOf(key, layout);
  const [valueBatch, valueHeads, valueLength, valueDim] = sizesOf(value, layout);
  const tile = 'Tile the smaller tensor: tf.tile.';
  same('batch of key', keyBatch, batch, 'query has', tile);
  same('batch of value', valueBatch, batch, 'query has', tile);
  if (keyHeads === 0 ? heads > 0 : heads % keyHeads !== 0) {
    const cure = `Every head of keys serves the same number of query heads; layout '${layout}' was read.`;
    refuse('heads of key', String(keyHeads), `a divisor of ${heads}, the heads of query`, cure);
  }
  same('heads of value', valueHeads, keyHeads, 'key has', 'Every head of keys needs one of values.');
  same('headDim of key', keyDim, headDim, 'query has', 'Query and key are multiplied feature by feature.');
  same('keyLength of value', valueLength, keyLength, 'key has', 'Every key needs its value.');
  if (headDim < 1) refuse('headDim of query', String(headDim), 'at least 1', 'Without features there is nothing to compare.');
  const offset = queryOffset ?? keyLength - queryLength;
  if (!Number.isInteger(offset) || Math.abs(offset) >= 2 ** 31) {
    refuse('option queryOffset', say(queryOffset), 'a whole number', 'It is the position of query 0 among the keys.');
  }
  const problem = {batch, heads, keyHeads, packedHeads: 1, queryLength, keyLength, queryOffset: offset, headDim, valueDim};
  return problems.get(problem) ?? problems.set(problem, problem);
}

/** A model calls with few sizes. Equal ones are one record, by which is found in a moment what follows from them. */
const problems = new Recent<Problem, Problem>(16);

function same(name: string, found: number, expected: number, of: string, cure: string): void {
  if (found !== expected) refuse(name, String(found), `${expected}, as ${of}`, cure);
}

function checkMask(given: unknown, implementation: Call['implementation'], {batch, queryLength, keyLength}: Problem): Tensor {
  const isPadding = (shape: readonly unknown[]): boolean => shape.length === 2 && shape[0] === batch && shape[1] === keyLength;
  if (!(given instanceof tf.Tensor)) {
    if (isList(given) && isList(given[0]) && isPadding([given.length, given[0].length])) {
      const cure = `${paddingCure(null, queryLength, keyLength)} The pattern is then full(), causal() or whatever attends to whom.`;
      refuse('pattern', `an array [${batch}, ${keyLength}]`, 'a Pattern or a boolean tensor', cure);
    }
    return refusePattern('pattern', given, 'a Pattern or a boolean tensor');
  }
  const mask = checkAlive('mask', given);
  if (mask.dtype !== 'bool') {
    const cast = "Cast it: tf.cast(mask, 'bool'); scores to add are options.bias.";
    const cure = isPadding(mask.shape)
      ? `${paddingCure(mask.dtype, queryLength, keyLength)} For a mask of all pairs: ${cast}`
      : cast;
    refuse('mask', `dtype ${mask.dtype}`, 'dtype bool', cure);
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

let warned = false;

/**
 * [batch, keyLength] and [queryLength, keyLength] are the same shape here, and nothing in the mask tells which is meant. Not an error:
 * a program that is right must not stop at the batch that is as large as its sequences are long.
 */
function warnOfSquare({shape}: Tensor, {batch, queryLength, keyLength}: Problem): void {
  if (warned || shape.length !== 2 || batch === 1 || batch !== queryLength || shape[0] !== batch || shape[1] !== keyLength) return;
  warned = true;
  console.warn(
    `SparseAttention: a mask of [${shape.join(', ')}] is read as [queryLength, keyLength], the same for all ${batch} sequences. ` +
      `If it is [batch, keyLength], an attention_mask: ${paddingCure('bool', queryLength, keyLength)} ` +
      `If it is not, tf.reshape(mask, [1, 1, ${queryLength}, ${keyLength}]) says so. This is said once.`,
  );
}
