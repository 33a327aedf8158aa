import type {MaskWords} from './mask_words.js';

/**
 * What a pattern says, as plain frozen data. `attends` (attends.ts) is its whole meaning; everything else in this package is a faster
 * way to the same answer.
 *
 * All nodes are size-free except `documents` and `mask`, which fit only the lengths they were written for.
 */
export type PatternNode =
  | {readonly kind: 'full'}
  | {readonly kind: 'causal'}
  | {readonly kind: 'slidingWindow'; readonly left: number; readonly right: number; readonly dilation: number}
  | {readonly kind: 'strided'; readonly stride: number}
  | {readonly kind: 'blockLocal'; readonly size: number}
  /** A number n stands for the first n tokens; a list holds token indices, ascending and unique. */
  | {readonly kind: 'globalTokens'; readonly tokens: number | readonly number[]}
  | {readonly kind: 'prefix'; readonly count: number}
  | {readonly kind: 'documents'; readonly lengths: readonly number[]}
  | MaskNode
  | {readonly kind: 'and' | 'or'; readonly operands: readonly [PatternNode, PatternNode]}
  | {readonly kind: 'not'; readonly operand: PatternNode};

/** An arbitrary mask of fixed size. Bit `key % 32` of word `query·wordsPerRow + ⌊key/32⌋` is set where query attends to key. */
export interface MaskNode {
  readonly kind: 'mask';
  readonly queryLength: number;
  readonly keyLength: number;
  /** [queryLength · ⌈keyLength/32⌉]; bits past keyLength are 0. Treated as immutable. */
  readonly words: MaskWords;
}

/** The lengths that a call brings to a size-free pattern. */
export interface PatternShape {
  readonly queryLength: number;
  readonly keyLength: number;
  /** Position of query 0 among the keys. Default keyLength − queryLength: the last query aligns with the last key. */
  readonly queryOffset?: number | null | undefined;
}

export type ResolvedShape = {readonly [name in keyof PatternShape]-?: number};
