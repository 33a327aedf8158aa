import * as tf from '@tensorflow/tfjs-core';
import type {DataType, Tensor, Tensor1D, Tensor2D, Tensor4D} from '@tensorflow/tfjs-core';
import {isList, readNumbers, readOptions, refuse, say, type Given, type NamesOf, type OptionWords} from '../../support/index.js';
import {isFarScale, type Features, type Problem} from '../../pure.js';
import {alignToScores, checkAlive, floats, shapeOf} from './arguments.js';
import type {NumberArray, SegmentIds, SparseAttentionOptions} from './options.js';
import {paddingCure} from './padding.js';

/** The small tensors of a call, by the names under which kernels know them. */
export interface ScoringTensors {
  /** Every dimension full size or 1. */
  readonly bias?: Tensor4D;
  readonly keyLengths?: Tensor1D;
  readonly querySegments?: Tensor2D;
  readonly keySegments?: Tensor2D;
  readonly alibiSlopes?: Tensor1D;
  readonly relativeBias?: Tensor2D;
  readonly sinks?: Tensor1D;
}

/** All that turns products of query and key into probabilities, beside the pattern. */
export interface CallScoring {
  readonly tensors: ScoringTensors;
  readonly scale: number;
  readonly softcap?: number;
  readonly dropout: number;
  readonly seed: number;
}

export function checkScoring(options: Given<SparseAttentionOptions>, rank: 3 | 4, problem: Problem): CallScoring {
  const {heads, headDim} = problem;
  const {bias, keyLengths, segmentIds, alibiSlopes, relativeBias, sinks} = options;
  const perHead = (name: string, given: Tensor | NumberArray): Tensor1D => shaped(name, floats(name, given), [heads], '[heads]');
  const tensors: ScoringTensors = {
    ...(bias !== undefined && {bias: alignToScores('bias', floats('bias', bias), rank, problem)}),
    ...(keyLengths !== undefined && {keyLengths: checkLengths(keyLengths, problem)}),
    ...(segmentIds !== undefined && checkSegments(segmentIds, problem)),
    ...(alibiSlopes !== undefined && {alibiSlopes: checkSlopes(alibiSlopes, problem)}),
    ...(relativeBias !== undefined && {relativeBias: checkRelative(relativeBias, problem)}),
    ...(sinks !== undefined && {sinks: perHead('sinks', sinks)}),
  };
  const scale = checkScale(options.scale, headDim);
  const softcap = checkSoftcap(options.softcap);
  return {tensors, scale, ...(softcap !== undefined && {softcap}), ...checkDropout(options)};
}

/** What the text of kernels depends on. */
export const featuresOf = ({tensors, scale, softcap, dropout}: CallScoring): Features => ({
  bias: tensors.bias !== undefined,
  softcap: softcap !== undefined,
  alibi: tensors.alibiSlopes !== undefined,
  relative: tensors.relativeBias !== undefined,
  lengths: tensors.keyLengths !== undefined,
  segments: tensors.querySegments !== undefined,
  sinks: tensors.sinks !== undefined,
  dropout: dropout > 0,
  farScale: isFarScale({scale, softcap}),
  ring: false,
});

/** What a call brings that names none of these. */
export const defaultNumbers = ({headDim}: Problem) =>
  ({scale: 1 / Math.sqrt(headDim), layout: 'bhld', dropout: 0, seed: 0}) as const;

export function checkScale(scale: number | undefined, headDim: number): number {
  if (scale === undefined) return 1 / Math.sqrt(headDim);
  // The kernels multiply with a float32, in units of log2.
  if (typeof scale !== 'number' || !Number.isFinite(Math.fround(scale * Math.LOG2E))) {
    refuse('option scale', say(scale), 'a finite number that float32 holds', 'Leave it out for 1/√headDim.');
  }
  return scale;
}

export function checkSoftcap(softcap: number | undefined): number | undefined {
  if (softcap === undefined) return undefined;
  if (typeof softcap !== 'number' || !(softcap >= 1e-30) || !(softcap <= 1e30)) {
    refuse('option softcap', say(softcap), 'a positive number, 1e-30 to 1e30', 'Leave it out for scores without a cap.');
  }
  return softcap;
}

function checkDropout({dropout = 0, seed}: Given<SparseAttentionOptions>): {dropout: number; seed: number} {
  if (typeof dropout !== 'number' || !(dropout >= 0) || !(dropout < 1)) {
    const cure = 'It is the share that is dropped, not the share that is kept; leave it out for none.';
    refuse('option dropout', say(dropout), 'a number with 0 ≤ dropout < 1', cure);
  }
  if (seed === undefined) return {dropout, seed: dropout > 0 ? Math.floor(Math.random() * 2 ** 32) : 0};
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    refuse('option seed', say(seed), 'a whole number from 0 to 2³² − 1', 'Leave it out for a new one in every call.');
  }
  return {dropout, seed};
}

function checkLengths(given: Tensor | NumberArray, {batch, queryLength, keyLength}: Problem): Tensor1D {
  const name = 'option keyLengths';
  const {shape, dtype, tensor} = whole(name, given);
  if (isPaddingMask(shape, batch, keyLength)) {
    const found = `shape [${shape.join(', ')}], a mask of all keys`;
    refuse(name, found, `[batch] = [${batch}], how many keys each sequence has`, paddingCure(dtype, queryLength, keyLength));
  }
  return shaped(name, tensor(0, keyLength, 'They count the keys that are not padding.'), [batch], '[batch]');
}

/** One 0 or 1 for each key, where a count is wanted. The mask of a single sequence may come without its batch. */
const isPaddingMask = (shape: readonly number[], batch: number, keyLength: number): boolean =>
  shape.at(-1) === keyLength && (shape.length === 2 ? shape[0] === batch : shape.length === 1 && batch === 1 && keyLength > 1);

/**
 * An integer argument by its shape, and the tensor of it once that is found right. Host data is checked against a range; a tensor
 * cannot be read without waiting for its device, so what it holds is left to the kernels.
 */
function whole(
  name: string,
  given: Tensor | NumberArray,
): {shape: readonly number[]; dtype: DataType | null; tensor(least?: number, most?: number, cure?: string): Tensor} {
  if (given instanceof tf.Tensor) {
    const {shape, dtype} = checkAlive(name, given);
    const tensor = (): Tensor =>
      dtype === 'int32' ? given : refuse(name, `dtype ${dtype}`, 'dtype int32', "Cast it: tf.cast(x, 'int32').");
    return {shape, dtype, tensor};
  }
  if (!isList(given)) return refuse(name, say(given), 'an int32 tensor or an array', 'Pass whole numbers.');
  const {values, shape} = readNumbers(name, given, 'int32');
  const tensor = (least = -Infinity, most = Infinity, cure = ''): Tensor => {
    const wrong = values.find((value) => value < least || value > most);
    if (wrong !== undefined) refuse(name, say(wrong), `whole numbers from ${least} to keyLength, ${most}`, cure);
    return tf.tensor(values, shape, 'int32');
  };
  return {shape, dtype: null, tensor};
}

const SEGMENT_NAMES: NamesOf<SegmentIds> = {query: true, key: true};
const SEGMENT_WORDS: OptionWords = {
  all: 'option segmentIds',
  expected: 'int32 [batch, queryLength] and [batch, keyLength]',
  cure: 'Give both, as {query: ids, key: ids}; for self-attention the same tensor twice.',
  one: (name) => `option segmentIds.${name}`,
};

function checkSegments(
  given: SegmentIds,
  {batch, queryLength, keyLength}: Problem,
): Pick<ScoringTensors, 'querySegments' | 'keySegments'> {
  // Both are objects, and have no names to tell of.
  if (given instanceof tf.Tensor || isList(given))
    refuse(SEGMENT_WORDS.all, given instanceof tf.Tensor ? 'a tensor' : 'an array', SEGMENT_WORDS.expected, SEGMENT_WORDS.cure);
  const ids = readOptions(given, SEGMENT_NAMES, SEGMENT_WORDS);
  const segments = (which: keyof SegmentIds, length: number): Tensor2D => {
    const [name, says] = [SEGMENT_WORDS.one(which), `[batch, ${which}Length]`];
    if (ids[which] === undefined) refuse(name, 'nothing', `int32 ${says}`, SEGMENT_WORDS.cure);
    return shaped(name, whole(name, ids[which]).tensor(), [batch, length], says);
  };
  return {querySegments: segments('query', queryLength), keySegments: segments('key', keyLength)};
}

function checkSlopes(given: Tensor | NumberArray, {batch, heads}: Problem): Tensor1D {
  const tensor = floats('alibiSlopes', given);
  if (tensor.rank > 1 && tensor.size === batch * heads) {
    const cure =
      'Slopes belong to heads, the same in all sequences: give one row of them. What differs by sequence is a bias: ' +
      '−slope · |distance| of [batch, heads, queryLength, keyLength].';
    refuse('alibiSlopes', `shape ${shapeOf(tensor)}`, `[heads] = [${heads}]`, cure);
  }
  return shaped('alibiSlopes', tensor, [heads], '[heads]');
}

function checkRelative(given: Tensor | NumberArray, {heads, queryLength, keyLength}: Problem): Tensor2D {
  const tensor = floats('relativeBias', given);
  const entries = queryLength + keyLength - 1;
  if (tensor.rank !== 2 || tensor.shape[1] !== entries || (tensor.shape[0] !== heads && tensor.shape[0] !== 1)) {
    refuse(
      'option relativeBias',
      `shape ${shapeOf(tensor)}`,
      `[heads or 1, queryLength + keyLength − 1] = [${heads}, ${entries}]`,
      'Make it with relativePositionBias(table, {queryLength, keyLength}).',
    );
  }
  return tensor as Tensor2D;
}

function shaped<T extends Tensor>(name: string, tensor: Tensor, shape: readonly number[], says: string): T {
  if (tensor.rank !== shape.length || !shape.every((size, i) => size === tensor.shape[i])) {
    refuse(name, `shape ${shapeOf(tensor)}`, `${says} = [${shape.join(', ')}]`, 'Check its size.');
  }
  return tensor as T;
}
