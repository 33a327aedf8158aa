import type {PatternNode} from './node.js';

/** A pattern as plain JSON data. */
export type PatternJSON = {readonly kind: PatternNode['kind']; readonly [field: string]: JSONField};
type JSONField = string | number | readonly number[] | PatternJSON | readonly PatternJSON[];

/** JSON has no infinity and no words: the first is spelled 'Infinity', the second as in the text form. */
export function nodeToJSON(node: PatternNode): PatternJSON {
  switch (node.kind) {
    case 'and':
    case 'or':
      return {kind: node.kind, operands: node.operands.map(nodeToJSON)};
    case 'not':
      return {kind: 'not', operand: nodeToJSON(node.operand)};
    case 'perHead':
    case 'perBatch':
      return {kind: node.kind, patterns: node.patterns.map(nodeToJSON)};
    case 'slidingWindow':
      return {...node, left: finite(node.left), right: finite(node.right)};
    case 'mask':
      return {kind: 'mask', queryLength: node.queryLength, keyLength: node.keyLength, words: node.words.toJSON()};
    default:
      return {...node};
  }
}

const finite = (size: number) => (size === Infinity ? 'Infinity' : size);
