import type {PatternNode} from './node.js';

/** Masks of more words are not printed to be told apart: the text of 16,384 × 16,384 random pairs takes 3 s and 90 MB (Node 20, 2026-11-20). */
const LONG_MASK = 2 ** 12;

/** Whether the text of a pattern is too long to name it. */
export function holdsLongMask(node: PatternNode): boolean {
  if (node.kind === 'mask') return node.words.length > LONG_MASK;
  if (node.kind === 'not') return holdsLongMask(node.operand);
  if ('operands' in node) return node.operands.some(holdsLongMask);
  return 'patterns' in node && node.patterns.some(holdsLongMask);
}
