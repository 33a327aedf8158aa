import type {Plan} from '../plan/index.js';
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
  ring: false,
});

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
