import type {PlainNode, ResolvedShape} from '../pattern/index.js';
import {intersectRows, subtractRows, uniteRows} from './row_sets.js';
import {leafRows, type Rows} from './rows.js';
import {RunList} from './runs.js';

/** The expression tree of `node`, ready to be asked for rows. */
export function rowsOf(node: PlainNode, shape: ResolvedShape): Rows {
  const {rows, negated} = signedRows(node, shape);
  if (!negated) return rows;
  const {keyLength} = shape;
  return {
    ...without(leafRows({kind: 'full'}, shape), rows),
    bits(query, words) {
      rows.bits(query, words);
      for (let w = 0; w < words.length; w++) words[w] = ~words[w]!;
      if (keyLength % 32 > 0) words[words.length - 1]! &= (1 << (keyLength % 32)) - 1;
    },
  };
}

/** Rows, or the rows they are the complement of. */
interface Signed {
  readonly rows: Rows;
  readonly negated: boolean;
}

/**
 * Complements have many runs, so none is taken on the way: `a and not b and not c` is a without the union of b and c. Only a complement
 * that is left over at the root is taken.
 */
function signedRows(node: PlainNode, shape: ResolvedShape): Signed {
  if (node.kind === 'not') {
    const {rows, negated} = signedRows(node.operand, shape);
    return {rows, negated: !negated};
  }
  if (!('operands' in node)) return {rows: leafRows(node, shape), negated: false};

  // By De Morgan, `or` is the complement of `and` of the complements; so let this be an `and`.
  const isOr = node.kind === 'or';
  const parts = chain(node, node.kind).map((operand) => signedRows(operand, shape));
  const kept = parts.filter(({negated}) => negated === isOr).map(({rows}) => rows);
  const taken = parts.filter(({negated}) => negated !== isOr).map(({rows}) => rows);
  if (kept.length === 0) return {rows: union(taken), negated: !isOr};
  if (taken.length === 0) return {rows: intersection(kept), negated: isOr};
  return {rows: without(intersection(kept), union(taken)), negated: isOr};
}

/** The operands of `a and b and c …`, however it is bracketed. */
export function chain(node: PlainNode, kind: 'and' | 'or'): PlainNode[] {
  return 'operands' in node && node.kind === kind ? node.operands.flatMap((operand) => chain(operand, kind)) : [node];
}

const union = (parts: readonly Rows[]) => intervalsFirst(parts).reduce((a, b) => combine(a, b, uniteRows, orWords));
const intersection = (parts: readonly Rows[]) => intervalsFirst(parts).reduce((a, b) => combine(a, b, intersectRows, andWords));
const without = (a: Rows, b: Rows) => combine(a, b, subtractRows, butWords);

/** Rows of intervals are combined in one sweep, so they go first, before rows with other strides join them. */
const intervalsFirst = (parts: readonly Rows[]) => [...parts].sort((a, b) => Number(b.intervals) - Number(a.intervals));

// Whole rows at a time: a call for each word took a third of compressing `not` of a stride and a window.
type WordSets = (words: Uint32Array, other: Uint32Array) => void;
const orWords: WordSets = (words, other) => {
  for (let w = 0; w < words.length; w++) words[w]! |= other[w]!;
};
const andWords: WordSets = (words, other) => {
  for (let w = 0; w < words.length; w++) words[w]! &= other[w]!;
};
const butWords: WordSets = (words, other) => {
  for (let w = 0; w < words.length; w++) words[w]! &= ~other[w]!;
};

function combine(a: Rows, b: Rows, sets: typeof uniteRows, ofWords: WordSets): Rows {
  const row = new RunList();
  let other: Uint32Array | undefined;
  return {
    intervals: a.intervals && b.intervals,
    runs(query) {
      sets(a.runs(query), b.runs(query), row);
      return row;
    },
    bits(query, words) {
      a.bits(query, words);
      b.bits(query, (other ??= new Uint32Array(words.length)));
      ofWords(words, other);
    },
  };
}
