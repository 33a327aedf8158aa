import type {PatternNode, ResolvedShape} from '../pattern/index.js';
import {intersectRows, subtractRows, uniteRows} from './row_sets.js';
import {leafRows, type Rows} from './rows.js';
import {RunList} from './runs.js';

/** The expression tree of `node`, ready to be asked for rows. */
export function rowsOf(node: PatternNode, shape: ResolvedShape): Rows {
  const {rows, negated} = signedRows(node, shape);
  if (!negated) return rows;
  return combine(leafRows({kind: 'full'}, shape), rows, subtractRows, (x, y) => x & ~y);
}

/** Rows, or the rows they are the complement of. */
interface Signed {
  readonly rows: Rows;
  readonly negated: boolean;
}

/**
 * Complements have many runs, so none is taken on the way: `a and not b` is a difference, `not a or not b` the complement of an
 * intersection, and what is left to negate is negated once, at the root.
 */
function signedRows(node: PatternNode, shape: ResolvedShape): Signed {
  if (node.kind === 'not') {
    const {rows, negated} = signedRows(node.operand, shape);
    return {rows, negated: !negated};
  }
  if (!('operands' in node)) return {rows: leafRows(node, shape), negated: false};

  const a = signedRows(node.operands[0], shape);
  const b = signedRows(node.operands[1], shape);
  // By De Morgan, `or` of a and b is the complement of `and` of their complements.
  const isOr = node.kind === 'or';
  const aNegated = a.negated !== isOr;
  const bNegated = b.negated !== isOr;
  if (aNegated && bNegated) return {rows: combine(a.rows, b.rows, uniteRows, (x, y) => x | y), negated: !isOr};
  if (aNegated) return {rows: combine(b.rows, a.rows, subtractRows, (x, y) => x & ~y), negated: isOr};
  if (bNegated) return {rows: combine(a.rows, b.rows, subtractRows, (x, y) => x & ~y), negated: isOr};
  return {rows: combine(a.rows, b.rows, intersectRows, (x, y) => x & y), negated: isOr};
}

function combine(a: Rows, b: Rows, sets: typeof uniteRows, bits: (x: number, y: number) => number): Rows {
  const row = new RunList();
  let other: Uint32Array | undefined;
  return {
    runs(query) {
      sets(a.runs(query), b.runs(query), row);
      return row;
    },
    bits(query, words) {
      a.bits(query, words);
      b.bits(query, (other ??= new Uint32Array(words.length)));
      for (let w = 0; w < words.length; w++) words[w] = bits(words[w]!, other[w]!);
    },
  };
}
