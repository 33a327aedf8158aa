import {checkFits, resolveShape, type Pattern, type PatternNode, type PatternShape, type ResolvedShape} from '../pattern/index.js';
import {ceilDiv} from '../support/index.js';
import {nodeOf} from './compress.js';
import {rowsOf} from './expression.js';

/** What `equals` finds: that two patterns let the same pairs attend, or a pair that only one of them does. */
export type Equality =
  | {readonly equal: true; readonly counterexample?: undefined}
  | {readonly equal: false; readonly counterexample: {readonly query: number; readonly key: number}};

/**
 * Whether two patterns hold the same pairs at these lengths, with the first pair that only one of them holds when they do not: they are
 * the same when neither has a key that the other lacks, in any row. No dense mask is made.
 *
 * Throws `SplatError` when one of them is no pattern, the shape is not one or a pattern was written for other lengths.
 *
 * @example
 * equals(prefix(2), globalTokens(2), {queryLength: 4, keyLength: 4}); // {equal: false, counterexample: {query: 0, key: 2}}
 */
export function equals(a: Pattern, b: Pattern, shape: PatternShape): Equality {
  const resolved = resolveShape(shape);
  const [left, right] = [nodeOf(a), nodeOf(b)];
  checkFits(left, resolved);
  checkFits(right, resolved);
  const onlyLeft = firstKeys(left, right, resolved);
  const onlyRight = firstKeys(right, left, resolved);
  for (let query = 0; query < resolved.queryLength; query++) {
    const key = Math.min(onlyLeft(query), onlyRight(query));
    if (key < Infinity) return {equal: false, counterexample: {query, key}};
  }
  return {equal: true};
}

/** The first key of a query that is in `a` and not in `b`, or Infinity. */
function firstKeys(a: PatternNode, b: PatternNode, shape: ResolvedShape): (query: number) => number {
  const rows = rowsOf({kind: 'and', operands: [a, {kind: 'not', operand: b}]}, shape);
  const words = new Uint32Array(ceilDiv(shape.keyLength, 32));
  return (query) => {
    const row = rows.runs(query);
    if (!row.overflow) return row.length === 0 ? Infinity : row.start[0]!;
    rows.bits(query, words);
    const word = words.findIndex((bits) => bits !== 0);
    return word < 0 ? Infinity : word * 32 + 31 - Math.clz32(words[word]! & -words[word]!);
  };
}
