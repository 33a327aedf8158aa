import type {Plan} from '../../plan/index.js';
import {heldPairs} from './held.js';

/** What a call adds to the scores of a pattern, as far as the text of a kernel depends on it. */
export interface Features {
  readonly bias: boolean;
  readonly softcap: boolean;
  readonly alibi: boolean;
  readonly relative: boolean;
  readonly lengths: boolean;
  readonly segments: boolean;
  readonly sinks: boolean;
  readonly dropout: boolean;
  /** The scale is far from 1, so that each of query and key takes a part of it. */
  readonly farScale: boolean;
  /** Keys are slots of a cache, and the tail says what they hold. Never together with `lengths`, whose place that takes, nor with `relative`. */
  readonly ring: boolean;
}

export const PLAIN: Features = Object.freeze({
  bias: false,
  softcap: false,
  alibi: false,
  relative: false,
  lengths: false,
  segments: false,
  sinks: false,
  dropout: false,
  farScale: false,
  ring: false,
});

/** What is added to scores may be as large as float32 goes: models hide keys by −3.4e38. */
export type Added = Pick<Features, 'bias' | 'alibi' | 'relative' | 'sinks'>;

/**
 * Whether scores count in units of 16: a sum of four numbers of float32 is then above EMPTY, 4 · 3.4e38 / 16 = 8.5e37. Others count in units
 * of log2, which saves a multiplication of each pair, and lie within ±3.2e38 of them, 2.2e38 as softmax counts.
 */
export const hasFarScores = ({bias, alibi, relative, sinks}: Added): boolean => bias || alibi || relative || sinks;

/** Of far scores. */
export const FAR_UNIT = 16;

/** Scores as softmax counts in a unit of the kernels. */
export const scoreUnit = (features: Added): number => (hasFarScores(features) ? FAR_UNIT : Math.LN2);

/** The features that travel in the tail of the schedule, one word a pair: a binding each would be more than a stock device has. */
export const EXTRAS = ['keyLengths', 'querySegments', 'keySegments', 'alibiSlopes', 'sinks', 'relativeBias'] as const;
export type Extra = (typeof EXTRAS)[number];

export interface Tail {
  /** Pair offset of the mask bits. */
  readonly maskBits: number;
  /** Pairs of mask bits. */
  readonly maskPairs: number;
  /** Pair offset of each extra, in the order of EXTRAS. */
  readonly at: readonly [number, number, number, number, number, number];
  /** Words of each extra; 0 where the call does not bring it. */
  readonly words: readonly number[];
  /** Pairs of the whole buffer. */
  readonly pairs: number;
}

/** What follows the schedule in its buffer: mask bits of the plan or of a mask tensor, then what calls bring. */
export function tailOf(
  {problem, schedule, implementation}: Pick<Plan, 'problem' | 'schedule' | 'implementation'>,
  features: Features,
  maskShape: readonly number[] | null,
): Tail {
  const {batch, heads, queryLength, keyLength, packedHeads} = problem;
  const [maskBatch, maskHeads, maskRows] = maskShape ?? [1, 1, queryLength];
  const maskPairs = implementation === 'dense' ? maskBatch! * maskHeads! * maskRows! * pairsPerRow(keyLength) : 0;
  const allHeads = heads * packedHeads;
  const words = [
    features.ring ? heldPairs(batch) : features.lengths ? batch : 0,
    features.segments ? batch * queryLength : 0,
    features.segments ? batch * keyLength : 0,
    features.alibi ? allHeads : 0,
    features.sinks ? allHeads : 0,
    features.relative ? allHeads * (queryLength / packedHeads + keyLength - 1) : 0,
  ];
  const maskBits = schedule.length / 2;
  let pairs = maskBits + maskPairs;
  const at = words.map((count) => (pairs += count) - count);
  return {maskBits, maskPairs, at: at as unknown as Tail['at'], words, pairs};
}

/** A row of mask bits: 64 keys a pair. */
export const pairsPerRow = (keyLength: number): number => Math.ceil(keyLength / 64);
