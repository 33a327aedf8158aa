import type {Pattern, PatternNode} from '../pattern/index.js';
import {nodeOf} from './compress.js';

/**
 * How far a pattern reaches, whatever the lengths: where a query at position p ≥ 0 attends to a key k,
 *
 *     k < sinks  or  p − k ≤ back;   and   k − p ≤ ahead.
 *
 * The bounds hold always and are found part by part, so operators may leave them wider than they need be. Of a pattern for each head or
 * sequence they hold for all of them.
 */
export interface Reach {
  /** The first keys, which queries of any position may attend to. */
  readonly sinks: number;
  /** ≥ 0, `Infinity` when the past is never out of reach; then `sinks` is 0. */
  readonly back: number;
  /** ≥ 0; 0 for a causal pattern. */
  readonly ahead: number;
  /** The pattern holds `documents` or a mask, which are written for certain lengths. Their bounds are given as `Infinity`. */
  readonly fixedLength: boolean;
  /** The fewest keys that the pattern fits: past the last token that `globalTokens` lists. */
  readonly leastLength: number;
}

/**
 * The bounds of a pattern: of all choices that hold, the one of fewest keys.
 *
 * @example
 * reachOf(prefix(4).or(slidingWindow({left: 15}))); // {sinks: 4, back: 15, ahead: 3, …}
 */
export function reachOf(pattern: Pattern): Reach {
  const node = nodeOf(pattern);
  const facts = {candidates: new Set([0]), fixedLength: false, leastLength: 0};
  gather(node, facts);
  let sinks = 0;
  let back = Infinity;
  for (const candidate of [...facts.candidates].sort((a, b) => a - b)) {
    const distance = Math.max(0, furthestBack(node, true, candidate));
    if (candidate + distance < sinks + back) [sinks, back] = [candidate, distance];
  }
  const ahead = Math.max(0, furthestAhead(node, true));
  return Object.freeze({sinks, back, ahead, fixedLength: facts.fixedLength, leastLength: facts.leastLength});
}

/** Sinks can only end where a part of the pattern does. */
function gather(node: PatternNode, facts: {candidates: Set<number>; fixedLength: boolean; leastLength: number}): void {
  switch (node.kind) {
    case 'prefix':
      return void facts.candidates.add(node.count);
    case 'globalTokens':
      facts.candidates.add(endOf(node.tokens));
      if (typeof node.tokens !== 'number') facts.leastLength = Math.max(facts.leastLength, endOf(node.tokens));
      return;
    case 'documents':
    case 'mask':
      facts.fixedLength = true;
      return;
    case 'and':
    case 'or':
      return node.operands.forEach((operand) => gather(operand, facts));
    case 'perHead':
    case 'perBatch':
      return new Set<PatternNode>(node.patterns).forEach((pattern) => gather(pattern, facts));
    case 'not':
      return gather(node.operand, facts);
  }
}

/** One more than the last of the tokens; 0 for none. */
const endOf = (tokens: number | readonly number[]): number =>
  typeof tokens === 'number' ? tokens : (tokens[tokens.length - 1] ?? -1) + 1;

/** A bound of p − k over the pairs with k ≥ sinks that the pattern shows, or hides when not `shown`; −Infinity when there are none. */
function furthestBack(node: PatternNode, shown: boolean, sinks: number): number {
  switch (node.kind) {
    case 'full':
      return shown ? Infinity : -Infinity;
    case 'causal':
      return shown ? Infinity : -1;
    case 'slidingWindow':
      if (shown) return node.left * node.dilation;
      return node.left === Infinity && node.dilation === 1 ? -node.right - 1 : Infinity;
    case 'strided':
      return !shown && node.stride === 1 ? -Infinity : Infinity;
    case 'blockLocal':
      return shown ? node.size - 1 : Infinity;
    case 'globalTokens':
      // Of keys past the last global token only global queries are left, and those lie before them.
      return shown && sinks >= endOf(node.tokens) ? endOf(node.tokens) - 1 - sinks : Infinity;
    case 'prefix':
      return shown && sinks >= node.count ? -Infinity : Infinity;
    case 'documents':
    case 'mask':
      return Infinity;
    case 'perHead':
    case 'perBatch':
      return node.patterns.reduce((most, pattern) => Math.max(most, furthestBack(pattern, shown, sinks)), -Infinity);
    case 'not':
      return furthestBack(node.operand, !shown, sinks);
    case 'and':
    case 'or': {
      const [a, b] = node.operands.map((operand) => furthestBack(operand, shown, sinks)) as [number, number];
      return (node.kind === 'and') === shown ? Math.min(a, b) : Math.max(a, b);
    }
  }
}

/** A bound of k − p, likewise, over all keys. */
function furthestAhead(node: PatternNode, shown: boolean): number {
  switch (node.kind) {
    case 'full':
      return shown ? Infinity : -Infinity;
    case 'causal':
      return shown ? 0 : Infinity;
    case 'slidingWindow':
      if (shown) return node.right * node.dilation;
      return node.right === Infinity && node.dilation === 1 ? -node.left - 1 : Infinity;
    case 'strided':
      return !shown && node.stride === 1 ? -Infinity : Infinity;
    case 'blockLocal':
      return shown ? node.size - 1 : Infinity;
    case 'globalTokens':
      return shown && endOf(node.tokens) === 0 ? -Infinity : Infinity;
    case 'prefix':
      return shown ? node.count - 1 : Infinity;
    case 'documents':
    case 'mask':
      return Infinity;
    case 'perHead':
    case 'perBatch':
      return node.patterns.reduce((most, pattern) => Math.max(most, furthestAhead(pattern, shown)), -Infinity);
    case 'not':
      return furthestAhead(node.operand, !shown);
    case 'and':
    case 'or': {
      const [a, b] = node.operands.map((operand) => furthestAhead(operand, shown)) as [number, number];
      return (node.kind === 'and') === shown ? Math.min(a, b) : Math.max(a, b);
    }
  }
}
