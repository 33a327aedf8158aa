import type {MaskWords} from './mask_words.js';

/**
 * What a pattern says, as plain frozen data. `attends` (attends.ts) is its whole meaning; everything else in this package is a faster
 * way to the same answer.
 *
 * All nodes are size-free except `documents` and `mask`, which fit only the lengths they were written for.
 */
export type PatternNode = PlainNode | HeadsNode | BatchNode;

/** One pattern for all heads of all sequences. */
export type PlainNode =
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
  | {readonly kind: 'and' | 'or'; readonly operands: readonly [PlainNode, PlainNode]}
  | {readonly kind: 'not'; readonly operand: PlainNode};

/** A pattern for each query head. Lists stand above all operators: `and`, `or` and `not` go to their entries. */
export interface HeadsNode {
  readonly kind: 'perHead';
  readonly patterns: readonly PlainNode[];
}

/** A pattern for each sequence of the batch. Those of them that are lists of heads have as many. */
export interface BatchNode {
  readonly kind: 'perBatch';
  readonly patterns: readonly (PlainNode | HeadsNode)[];
}

/** An arbitrary mask of fixed size. Bit `key % 32` of word `query·wordsPerRow + ⌊key/32⌋` is set where query attends to key. */
export interface MaskNode {
  readonly kind: 'mask';
  readonly queryLength: number;
  readonly keyLength: number;
  /** [queryLength · ⌈keyLength/32⌉]; bits past keyLength are 0. Treated as immutable. */
  readonly words: MaskWords;
}

/** The lengths that a call brings to a size-free pattern. */
export interface Lengths {
  readonly queryLength: number;
  readonly keyLength: number;
  /** Position of query 0 among the keys. Default keyLength − queryLength: the last query aligns with the last key. */
  readonly queryOffset?: number | null | undefined;
}

/** The lengths, and which head of which sequence is asked about where a pattern has one for each. */
export interface PatternShape extends Lengths {
  /** Of the query heads, from 0. Patterns without `perHead` are the same for all. */
  readonly head?: number | null | undefined;
  /** Of the sequences of the batch, from 0. Patterns without `perBatch` are the same for all. */
  readonly batch?: number | null | undefined;
}

export type ResolvedShape = {readonly [name in keyof Lengths]-?: number};

/** A shape, and the head and the sequence where the pattern has several. */
export interface LineShape extends ResolvedShape {
  readonly head?: number | undefined;
  readonly batch?: number | undefined;
}
