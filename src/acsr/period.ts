import type {PlainNode} from '../pattern/index.js';
import {gcd} from '../support/index.js';
import {chain} from './expression.js';

/** Longer periods than any number of queries. */
const NONE = Infinity;

/** Queries q and q + period attend to the same keys, whatever the lengths. Infinity where no such period is known. */
export function periodOf(node: PlainNode): number {
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

/** A pattern as those of its rows that recur, and of these the keys in one interval of each row. */
export interface Factors {
  readonly recurring: PlainNode;
  /** null: all keys. */
  readonly interval: PlainNode | null;
}

/** Null where the pattern is no such product. */
export function productOf(node: PlainNode): Factors | null {
  const parts = chain(node, 'and');
  const recurring = parts.filter((part) => periodOf(part) !== NONE);
  const intervals = parts.filter((part) => periodOf(part) === NONE);
  if (recurring.length === 0 || !intervals.every(isInterval)) return null;
  return {recurring: product(recurring), interval: intervals.length === 0 ? null : product(intervals)};
}

const product = (parts: readonly PlainNode[]): PlainNode => parts.reduce((a, b) => ({kind: 'and', operands: [a, b]}));

/** Whether the keys of every row are one interval. */
const isInterval = (node: PlainNode): boolean =>
  node.kind === 'causal' ||
  node.kind === 'blockLocal' ||
  node.kind === 'documents' ||
  (node.kind === 'slidingWindow' && node.dilation === 1);
