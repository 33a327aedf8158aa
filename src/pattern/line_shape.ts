import {listOf, refuse} from '../support/index.js';
import {lineOf, listsOf} from './lists.js';
import type {LineShape, PatternNode, PatternShape, ResolvedShape} from './node.js';
import {print} from './print.js';
import {checkSize} from './sizes.js';

/** How many heads and sequences a call has. */
export interface LineCounts {
  /** Of query. */
  readonly heads: number;
  /** Of key and value, for the message. Default heads. */
  readonly keyHeads?: number;
  readonly batch: number;
}

/** Throws unless the lists of a pattern are as long as a call has query heads and sequences. */
export function checkLists(node: PatternNode, {heads, keyHeads = heads, batch}: LineCounts): void {
  const lists = listsOf(node);
  if (lists.perHead !== undefined && lists.perHead !== heads) {
    const cure =
      lists.perHead === keyHeads
        ? `These are the heads of key: repeat each pattern ${heads / keyHeads} times, for the query heads that share it.`
        : 'Give one for each query head, or a pattern without perHead for all of them.';
    refuse('perHead', `${lists.perHead} patterns`, `${heads}, the heads of query`, cure);
  }
  if (lists.perBatch !== undefined && lists.perBatch !== batch) {
    const cure = 'Give one for each sequence, or a pattern without perBatch for all of them.';
    refuse('perBatch', `${lists.perBatch} patterns`, `${batch}, the sequences of the batch`, cure);
  }
}

/** The shape with the head and the sequence that it asks about, as far as the pattern has lists of them. */
export function lineShape(node: PatternNode, given: PatternShape, shape: ResolvedShape): LineShape {
  const lists = listsOf(node);
  const head = indexOf('head', given.head, lists.perHead);
  const batch = indexOf('batch', given.batch, lists.perBatch);
  const line = {...shape, head: head ?? 0, batch: batch ?? 0};
  const openHeads = head === undefined ? (lists.perHead ?? 1) : 1;
  const openBatch = batch === undefined ? (lists.perBatch ?? 1) : 1;
  if (openHeads * openBatch === 1) return line;
  const meant = new Set(
    listOf(openHeads * openBatch, (i) => lineOf(node, head ?? i % openHeads, batch ?? Math.floor(i / openHeads))),
  );
  if (meant.size > 1 && new Set([...meant].map(print)).size > 1) {
    const [name, what] = openHeads > 1 ? ['head', 'heads'] : ['batch', 'sequences'];
    refuse(
      `shape.${name}`,
      'nothing',
      `which of the ${what} is meant, for they differ`,
      `Say it: {queryLength, keyLength, ${name}: 0}.`,
    );
  }
  return line;
}

/** Undefined where the pattern has no such list, or nothing is said. */
function indexOf(name: 'head' | 'batch', given: number | null | undefined, count: number | undefined): number | undefined {
  if (count === undefined || given === undefined || given === null) return undefined;
  const index = checkSize(`shape.${name}`, given, {least: 0});
  if (index < count) return index;
  const list = name === 'head' ? 'perHead' : 'perBatch';
  return refuse(`shape.${name}`, String(index), `an index below ${count}, the patterns of ${list}`, 'Indices count from 0.');
}
