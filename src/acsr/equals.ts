import {
  checkFits,
  jointLists,
  lineOf,
  resolveShape,
  type Lengths,
  type Pattern,
  type PlainNode,
  type ResolvedShape,
} from '../pattern/index.js';
import {ceilDiv} from '../support/index.js';
import {nodeOf} from './compress.js';
import {rowsOf} from './expression.js';

/** What `equals` finds: that two patterns let the same pairs attend, or a pair that only one of them does. */
export type Equality =
  | {readonly equal: true; readonly counterexample?: undefined}
  | {
      readonly equal: false;
      /** `head` and `batch` where the patterns have some for each. */
      readonly counterexample: {
        readonly query: number;
        readonly key: number;
        readonly head?: number | undefined;
        readonly batch?: number | undefined;
      };
    };

/**
 * Whether two patterns hold the same pairs at these lengths, with the first pair that only one of them holds when they do not: they are
 * the same when neither has a key that the other lacks, in any row. No dense mask is made.
 *
 * Throws `SplatError` when one of them is no pattern, the shape is not one or a pattern was written for other lengths, and for lists of
 * other lengths: no call suits both.
 *
 * @example
 * equals(prefix(2), globalTokens(2), {queryLength: 4, keyLength: 4}); // {equal: false, counterexample: {query: 0, key: 2}}
 */
export function equals(a: Pattern, b: Pattern, shape: Lengths): Equality {
  const resolved = resolveShape(shape);
  const [left, right] = [nodeOf(a), nodeOf(b)];
  checkFits(left, resolved);
  checkFits(right, resolved);
  const {perHead, perBatch} = jointLists([left, right]);
  const compared = new Map<PlainNode, Set<PlainNode>>();
  for (let batch = 0; batch < (perBatch ?? 1); batch++) {
    for (let head = 0; head < (perHead ?? 1); head++) {
      const [x, y] = [lineOf(left, head, batch), lineOf(right, head, batch)];
      const others = compared.get(x) ?? new Set();
      if (others.has(y)) continue;
      compared.set(x, others.add(y));
      const pair = firstDifference(x, y, resolved);
      if (pair === undefined) continue;
      const line = {...(perHead !== undefined && {head}), ...(perBatch !== undefined && {batch})};
      return {equal: false, counterexample: {...pair, ...line}};
    }
  }
  return {equal: true};
}

/** The first pair that only one of two patterns holds. */
function firstDifference(a: PlainNode, b: PlainNode, shape: ResolvedShape): {query: number; key: number} | undefined {
  const onlyLeft = firstKeys(a, b, shape);
  const onlyRight = firstKeys(b, a, shape);
  for (let query = 0; query < shape.queryLength; query++) {
    const key = Math.min(onlyLeft(query), onlyRight(query));
    if (key < Infinity) return {query, key};
  }
  return undefined;
}

/** The first key of a query that is in `a` and not in `b`, or Infinity. */
function firstKeys(a: PlainNode, b: PlainNode, shape: ResolvedShape): (query: number) => number {
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
