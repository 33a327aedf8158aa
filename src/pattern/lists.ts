import {listOf, refuse} from '../support/index.js';
import type {BatchNode, HeadsNode, PatternNode, PlainNode} from './node.js';

/** How many entries the lists of a pattern have; undefined where it has no such list. */
export interface Lists {
  readonly perHead: number | undefined;
  readonly perBatch: number | undefined;
}

/** Whether a pattern is the same for all heads of all sequences. */
export const isPlain = (node: PatternNode): node is PlainNode => node.kind !== 'perHead' && node.kind !== 'perBatch';

export function listsOf(node: PatternNode): Lists {
  if (node.kind === 'perHead') return {perHead: node.patterns.length, perBatch: undefined};
  if (node.kind !== 'perBatch') return {perHead: undefined, perBatch: undefined};
  const withHeads = node.patterns.find((pattern) => pattern.kind === 'perHead');
  return {perHead: withHeads?.patterns.length, perBatch: node.patterns.length};
}

/** The pattern of one head of one sequence, both inside the lists where there are any. */
export function lineOf(node: PatternNode, head: number, batch: number): PlainNode {
  const ofSequence = node.kind === 'perBatch' ? node.patterns[batch]! : node;
  return ofSequence.kind === 'perHead' ? ofSequence.patterns[head]! : ofSequence;
}

/** The lists of several patterns that are used together: those of a kind have one length. */
export function jointLists(nodes: readonly PatternNode[]): Lists {
  const lists = nodes.map(listsOf);
  const lengthOf = (kind: keyof Lists): number | undefined => {
    const lengths = lists.flatMap((list) => list[kind] ?? []);
    const other = lengths.find((length) => length !== lengths[0]);
    if (other === undefined) return lengths[0];
    const unit = kind === 'perHead' ? 'query head' : 'sequence';
    return refuse(
      kind,
      `${lengths[0]} patterns beside ${other}`,
      'lists of the same length',
      `Give each list one for each ${unit}.`,
    );
  };
  return {perHead: lengthOf('perHead'), perBatch: lengthOf('perBatch')};
}

/**
 * The pattern whose lines are `make` of the lines of `nodes`, which lists of the same kind have as many of. What is made of the same
 * lines is one node, so that it is compressed once.
 */
export function combineLines(nodes: readonly PatternNode[], make: (lines: readonly PlainNode[]) => PlainNode): PatternNode {
  if (nodes.every(isPlain)) return make(nodes);
  const {perHead: heads, perBatch: batch} = jointLists(nodes);
  const made = new Map<string, PlainNode>();
  const numbers = new Map<PlainNode, number>();
  const numberOf = (node: PlainNode): number => {
    if (!numbers.has(node)) numbers.set(node, numbers.size);
    return numbers.get(node)!;
  };
  const line = (head: number, sequence: number): PlainNode => {
    const lines = nodes.map((node) => lineOf(node, head, sequence));
    const key = lines.map(numberOf).join();
    const known = made.get(key) ?? Object.freeze(make(lines));
    made.set(key, known);
    return known;
  };
  const ofSequence = (sequence: number): PlainNode | HeadsNode => {
    // Of a sequence whose heads are all alike a list would say more than was said.
    const isList =
      heads !== undefined && nodes.some((node) => !isPlain(node.kind === 'perBatch' ? node.patterns[sequence]! : node));
    return isList
      ? listNode(
          'perHead',
          listOf(heads, (head) => line(head, sequence)),
        )
      : line(0, sequence);
  };
  return batch === undefined ? ofSequence(0) : listNode('perBatch', listOf(batch, ofSequence));
}

export function listNode(kind: 'perHead', patterns: PlainNode[]): HeadsNode;
export function listNode(kind: 'perBatch', patterns: (PlainNode | HeadsNode)[]): BatchNode;
export function listNode(kind: 'perHead' | 'perBatch', patterns: (PlainNode | HeadsNode)[]): HeadsNode | BatchNode {
  return Object.freeze({kind, patterns: Object.freeze(patterns)}) as HeadsNode | BatchNode;
}
