import type {PatternNode} from '../pattern/index.js';
import {gcd} from '../support/index.js';

/** Longer periods than any number of queries. */
const NONE = Infinity;

/** Queries q and q + period attend to the same keys, whatever the lengths. Infinity where no such period is known. */
export function periodOf(node: PatternNode): number {
  switch (node.kind) {
    case 'full':
    case 'prefix':
      return 1;
    case 'strided':
      return node.stride;
    case 'slidingWindow':
      return node.left === Infinity && node.right === Infinity ? node.dilation : NONE;
    case 'not':
      return periodOf(node.operand);
    case 'and':
    case 'or': {
      const [a, b] = node.operands.map(periodOf) as [number, number];
      return a === NONE || b === NONE ? NONE : (a / gcd(a, b)) * b;
    }
    default:
      return NONE;
  }
}
