import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor1D, Tensor2D, Tensor4D, TensorLike} from '@tensorflow/tfjs-core';
import {refuse} from '../support/index.js';
import type {Features, Problem} from '../compile.js';
import {alignToScores, checkAlive, floats, say, shapeOf} from './arguments.js';
import type {SparseAttentionOptions} from './options.js';

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
export interface Scoring {
  readonly tensors: ScoringTensors;
  readonly scale: number;
  readonly softcap?: number;
  readonly dropout: number;
  readonly seed: number;
}

export function checkScoring(options: SparseAttentionOptions, rank: 3 | 4, problem: Problem): Scoring {
  const {batch, heads, queryLength, keyLength, headDim} = problem;
  const {bias, keyLengths, segmentIds, alibiSlopes, relativeBias, sinks} = options;
  const perHead = (name: string, given: Tensor | TensorLike): Tensor1D => shaped(name, floats(name, given), [heads], '[heads]');
  const tensors: ScoringTensors = {
    ...(bias != null && {bias: alignToScores('bias', floats('bias', bias), rank, problem)}),
    ...(keyLengths != null && {keyLengths: checkLengths(keyLengths, problem)}),
    ...(segmentIds != null && {
      querySegments: checkSegments('query', segmentIds, [batch, queryLength]),
      keySegments: checkSegments('key', segmentIds, [batch, keyLength]),
    }),
    ...(alibiSlopes != null && {alibiSlopes: perHead('alibiSlopes', alibiSlopes)}),
    ...(relativeBias != null && {relativeBias: checkRelative(relativeBias, problem)}),
    ...(sinks != null && {sinks: perHead('sinks', sinks)}),
  };
  const scale = checkScale(options.scale, headDim);
  const softcap = checkSoftcap(options.softcap);
  return {tensors, scale, ...(softcap !== undefined && {softcap}), ...checkDropout(options)};
}

/** What the text of kernels depends on. */
export const featuresOf = ({tensors, softcap, dropout}: Scoring): Features => ({
  bias: tensors.bias !== undefined,
  softcap: softcap !== undefined,
  alibi: tensors.alibiSlopes !== undefined,
  relative: tensors.relativeBias !== undefined,
  lengths: tensors.keyLengths !== undefined,
  segments: tensors.querySegments !== undefined,
  sinks: tensors.sinks !== undefined,
  dropout: dropout > 0,
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
  if (softcap === undefined || softcap === null) return undefined;
  if (typeof softcap !== 'number' || !(softcap >= 1e-30) || !(softcap <= 1e30)) {
    refuse('option softcap', say(softcap), 'a positive number', 'Leave it out for scores without a cap.');
  }
  return softcap;
}

function checkDropout({dropout = 0, seed}: SparseAttentionOptions): {dropout: number; seed: number} {
  if (typeof dropout !== 'number' || !(dropout >= 0) || !(dropout < 1)) {
    const cure = 'It is the share that is dropped, not the share that is kept; leave it out for none.';
    refuse('option dropout', say(dropout), 'a number with 0 ≤ dropout < 1', cure);
  }
  if (seed === undefined || seed === null) return {dropout, seed: dropout > 0 ? Math.floor(Math.random() * 2 ** 32) : 0};
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    refuse('option seed', say(seed), 'a whole number from 0 to 2³² − 1', 'Leave it out for a new one in every call.');
  }
  return {dropout, seed};
}

function checkLengths(given: Tensor | TensorLike, {batch, keyLength}: Problem): Tensor1D {
  if (Array.isArray(given)) {
    const wrong = (given as unknown[]).find(
      (length) => !Number.isInteger(length) || Number(length) < 0 || Number(length) > keyLength,
    );
    if (wrong !== undefined) {
      refuse(
        'option keyLengths',
        say(wrong),
        `whole numbers from 0 to keyLength, ${keyLength}`,
        'They count the keys that are not padding.',
      );
    }
  }
  return shaped('option keyLengths', integers('option keyLengths', given), [batch], '[batch]');
}

function checkSegments(which: 'query' | 'key', given: unknown, shape: readonly [number, number]): Tensor2D {
  const ids = typeof given === 'object' && given !== null ? (given as Record<string, unknown>)[which] : undefined;
  if (ids == null) {
    const cure = 'Give both, as {query, key}; for self-attention the same tensor twice.';
    refuse(`option segmentIds.${which}`, say(given), `int32 [batch, ${which}Length]`, cure);
  }
  const name = `option segmentIds.${which}`;
  return shaped(name, integers(name, ids as Tensor | TensorLike), shape, `[batch, ${which}Length]`);
}

function checkRelative(given: Tensor | TensorLike, {heads, queryLength, keyLength}: Problem): Tensor2D {
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

function integers(name: string, given: Tensor | TensorLike): Tensor {
  if (given instanceof tf.Tensor) {
    if (checkAlive(name, given).dtype !== 'int32')
      refuse(name, `dtype ${given.dtype}`, 'dtype int32', "Cast it: tf.cast(x, 'int32').");
    return given;
  }
  if (!Array.isArray(given) && !tf.util.isTypedArray(given)) {
    return refuse(name, say(given), 'an int32 tensor or an array', 'Pass whole numbers.');
  }
  const entries: unknown[] = tf.util.flatten(given as unknown as number[]);
  const stranger = entries.find((entry) => !Number.isInteger(entry));
  if (stranger !== undefined) refuse(name, say(stranger), 'whole numbers', 'Round them.');
  return tf.tensor(given, undefined, 'int32');
}
