import type {PatternNode} from './node.js';
import {OPTIONS, type OptionKind, type SizeRule} from './sizes.js';

/** How tightly an operator binds; every other node is a call and never needs parentheses. */
const BINDING = {or: 1, and: 2, not: 3} as const;

/** The canonical text of a pattern: what a builder call looks like, options at their defaults left out. */
export function print(node: PatternNode): string {
  switch (node.kind) {
    case 'or':
    case 'and': {
      const [left, right] = node.operands;
      // `a or b or c` is (a or b) or c, so a right operand of the same kind keeps its parentheses.
      return `${printInside(left, BINDING[node.kind])} ${node.kind} ${printInside(right, BINDING[node.kind] + 1)}`;
    }
    case 'not':
      return `not ${printInside(node.operand, BINDING.not)}`;
    case 'perHead':
    case 'perBatch':
      return `${node.kind}(${node.patterns.map(print).join(', ')})`;
    case 'full':
    case 'causal':
      return `${node.kind}()`;
    case 'globalTokens':
      return `globalTokens(${typeof node.tokens === 'number' ? node.tokens : printList(node.tokens)})`;
    case 'prefix':
      return `prefix(${node.count})`;
    case 'documents':
      return `documents(${printList(node.lengths)})`;
    case 'mask':
      return `mask(queryLength: ${node.queryLength}, keyLength: ${node.keyLength}${node.words.length > 0 ? `, words: ${node.words}` : ''})`;
    case 'slidingWindow':
    case 'strided':
    case 'blockLocal':
      return `${node.kind}(${printOptions(node)})`;
  }
}

function printInside(node: PatternNode, binding: number): string {
  const text = print(node);
  const own = node.kind === 'or' || node.kind === 'and' || node.kind === 'not' ? BINDING[node.kind] : Infinity;
  return own < binding ? `(${text})` : text;
}

const printList = (numbers: readonly number[]) => `[${numbers.join(', ')}]`;

function printOptions(node: PatternNode & {readonly kind: OptionKind}): string {
  const sizes = node as unknown as Readonly<Record<string, number>>;
  return Object.entries<SizeRule>(OPTIONS[node.kind])
    .filter(([name, rule]) => sizes[name] !== rule.fallback)
    .map(([name]) => `${name}: ${sizes[name] === Infinity ? 'infinity' : sizes[name]}`)
    .join(', ');
}
