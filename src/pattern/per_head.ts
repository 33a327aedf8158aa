import {isList, listOf, refuse} from '../support/index.js';
import {isPlain, lineOf, listNode, listsOf} from './lists.js';
import type {BatchNode, HeadsNode, PatternNode, PlainNode} from './node.js';
import {Pattern} from './pattern.js';
import {spell} from './sizes.js';
import {refusePattern} from './wrong_pattern.js';

/**
 * A pattern for each query head: head h attends by `patterns[h]`. The list is as long as a call has query heads, also where several of
 * them share a key head. Heads of equal patterns share their plan. `and`, `or` and `not` go to every entry, entry by entry where both
 * sides are lists.
 *
 * Throws `SplatError` for an empty list, entries that are no patterns, and a `perHead` inside a `perHead`. A `perBatch` inside has a
 * list of the same length everywhere.
 *
 * @example
 * perHead([causal(), slidingWindow({left: 4})]).toString(); // 'perHead(causal(), slidingWindow(left: 4))'
 * perHead([causal(), full()]).attends(0, 1, {queryLength: 4, keyLength: 4, head: 1}); // true
 */
export function perHead(patterns: readonly Pattern[]): Pattern {
  return makeList('perHead', patterns);
}

/**
 * A pattern for each sequence of the batch: sequence b attends by `patterns[b]`, which may be a `perHead`. The list is as long as a call
 * has sequences.
 *
 * Throws `SplatError` as `perHead` does.
 *
 * @example
 * perBatch([causal(), full()]).attends(0, 1, {queryLength: 4, keyLength: 4, batch: 0}); // false
 * perHead([perBatch([causal(), full()]), prefix(1)]).toString(); // 'perBatch(perHead(causal(), prefix(1)), perHead(full(), prefix(1)))'
 */
export function perBatch(patterns: readonly Pattern[]): Pattern {
  return makeList('perBatch', patterns);
}

const UNITS = {perHead: 'query head', perBatch: 'sequence of the batch'} as const;

function makeList(kind: 'perHead' | 'perBatch', given: readonly Pattern[]): Pattern {
  const unit = UNITS[kind];
  if (!isList(given) || given.length === 0) {
    const found = isList(given) ? 'an empty array' : (given as unknown) instanceof Pattern ? 'a pattern' : spell(given);
    return refuse(kind, found, `an array of patterns, one for each ${unit}`, `Write ${kind}([first, second]).`);
  }
  // Not map: it skips holes.
  const patterns = Array.from(given, (pattern, i) =>
    pattern instanceof Pattern ? pattern : refusePattern(`${kind}[${i}]`, pattern),
  );
  const nodes = patterns.map(({node}) => node);
  const inner = kind === 'perHead' ? 'perBatch' : 'perHead';
  let length: number | undefined;
  nodes.forEach((node, i) => {
    const lists = listsOf(node);
    if (lists[kind] !== undefined) {
      refuse(`${kind}[${i}]`, `a ${kind} inside a ${kind}`, `a pattern for each ${unit}`, 'Put its patterns into the list.');
    }
    length ??= lists[inner];
    if (lists[inner] === undefined || lists[inner] === length) return;
    const cure = `Give each list one pattern for each ${UNITS[inner]}.`;
    refuse(`${kind}[${i}]`, `a ${inner} of ${lists[inner]} patterns`, `${length}, as the first ${inner} of the list has`, cure);
  });
  return new Pattern(kind === 'perHead' ? heads(nodes, length) : batch(nodes), patterns);
}

/** Sequences stand outside: a list of heads that holds lists of sequences is turned round. */
function heads(nodes: readonly PatternNode[], sequences: number | undefined): HeadsNode | BatchNode {
  const ofSequence = (sequence: number): HeadsNode =>
    listNode(
      'perHead',
      nodes.map((node) => lineOf(node, 0, sequence)),
    );
  return sequences === undefined ? ofSequence(0) : listNode('perBatch', listOf(sequences, ofSequence));
}

const batch = (nodes: readonly PatternNode[]): BatchNode =>
  listNode(
    'perBatch',
    nodes.filter((node): node is PlainNode | HeadsNode => isPlain(node) || node.kind === 'perHead'),
  );
