import {mod} from '../support/index.js';
import type {LineShape, PatternNode, ResolvedShape} from './node.js';

/**
 * Whether `query` attends to `key`: the whole meaning of the pattern language.
 *
 * Slow and obvious on purpose; everything faster is tested against it. `query` and `key` are indices in range, and `node` fits `shape`
 * (`checkFits`, `lineShape`): neither is checked here. `position` is the query's place among the keys and may lie outside them.
 */
export function attends(node: PatternNode, query: number, key: number, shape: LineShape): boolean {
  const position = query + shape.queryOffset;
  switch (node.kind) {
    case 'full':
      return true;
    case 'causal':
      return key <= position;
    case 'slidingWindow': {
      const steps = (key - position) / node.dilation;
      return Number.isInteger(steps) && -node.left <= steps && steps <= node.right;
    }
    case 'strided':
      return mod(position - key, node.stride) === 0;
    case 'blockLocal':
      return Math.floor(position / node.size) === Math.floor(key / node.size);
    case 'globalTokens': {
      const isGlobal = (token: number) => (typeof node.tokens === 'number' ? token < node.tokens : node.tokens.includes(token));
      return isGlobal(key) || (isAmongKeys(position, shape) && isGlobal(position));
    }
    case 'prefix':
      return key < node.count;
    case 'documents':
      return isAmongKeys(position, shape) && documentOf(position, node.lengths) === documentOf(key, node.lengths);
    case 'mask':
      return ((node.words.at(query * Math.ceil(node.keyLength / 32) + Math.floor(key / 32)) >>> (key % 32)) & 1) === 1;
    case 'and':
      return attends(node.operands[0], query, key, shape) && attends(node.operands[1], query, key, shape);
    case 'or':
      return attends(node.operands[0], query, key, shape) || attends(node.operands[1], query, key, shape);
    case 'not':
      return !attends(node.operand, query, key, shape);
    case 'perHead':
      return attends(node.patterns[shape.head!]!, query, key, shape);
    case 'perBatch':
      return attends(node.patterns[shape.batch!]!, query, key, shape);
  }
}

const isAmongKeys = (position: number, shape: ResolvedShape) => 0 <= position && position < shape.keyLength;

/** The index of the document that holds the token at `position`. */
function documentOf(position: number, lengths: readonly number[]): number {
  let end = 0;
  return lengths.findIndex((length) => position < (end += length));
}
