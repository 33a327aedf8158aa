import {
  checkFits,
  isPlain,
  Pattern,
  refusePattern,
  resolveShape,
  type Lengths,
  type PatternNode,
  type PlainNode,
  type ResolvedShape,
} from '../pattern/index.js';
import {refuse} from '../support/index.js';
import type {Acsr} from './acsr.js';
import {Irregular, Runs} from './collect.js';
import {rowsOf} from './expression.js';
import {recurringRows} from './recurrence.js';
import {recurringBits} from './recurring_bits.js';
import {steadyRows} from './steady.js';

/**
 * The pattern as arithmetic: for every query the keys it attends to, as a few arithmetic progressions.
 *
 * The runs of a row are worked out in closed form and composed by set algebra; no pair is ever looked at, masks excepted, which are
 * recognised from their bits. Of the many ways to split a row into runs this is the one it picks:
 * - a pattern without operators gives its own progression, a mask what `Recogniser` finds;
 * - `and` intersects every run with every run; strides become least common multiples;
 * - `or` lets the run of smaller stride keep shared keys, whichever side it comes from;
 * - `not` of a run leaves the part before it, the part after it, and between its keys whichever is fewer: gaps or interleaved runs;
 * - runs that continue each other are joined, and so is a single key that continues a run. Other single keys keep the stride of the
 *   pattern they come from;
 * - of rows that recur an interval (`and` with causal, a window, blocks, documents) leaves the part of each run that lies inside.
 *
 * A row that takes more than `MAX_RUNS` runs on the way is worked out as bits, and stays bits if it is not recognised from them.
 *
 * Throws `SplatError` when the shape is not one, the pattern was written for other lengths or has several for heads or sequences.
 */
export function compress(pattern: Pattern, shape: Lengths): Acsr {
  const node = nodeOf(pattern);
  const resolved = resolveShape(shape);
  checkFits(node, resolved);
  if (isPlain(node)) return compressNode(node, resolved);
  return refuse('pattern', `a ${node.kind}`, 'one pattern for all heads and sequences', 'Give one of its patterns.');
}

/** The rows of a node that fits the shape. */
export function compressNode(node: PlainNode, resolved: ResolvedShape): Acsr {
  const {queryLength, keyLength, queryOffset} = resolved;
  const recurring = recurringRows(node, resolved) ?? recurringBits(node, resolved);
  if (recurring !== null) return recurring;
  const rows = rowsOf(node, resolved);
  const rowRuns = new Int32Array(queryLength + 1);
  const runs = new Runs();
  const irregular = new Irregular(keyLength, queryLength);
  const steady = steadyRows(node, resolved);
  let nnz = 0;
  let query = 0;
  const writeTo = (end: number): void => {
    for (; query < end; query++) {
      let row = rows.runs(query);
      if (row.overflow) row = irregular.settle(query, query + queryOffset, rows);
      nnz += runs.add(row);
      rowRuns[query + 1] = runs.length;
    }
  };
  if (steady !== null) {
    runs.reserve(queryLength * rows.runs(queryLength >> 1).length);
    for (const {from, to} of steady.stretches) {
      writeTo(from);
      const bits = irregular.rows;
      writeTo(from + 2 * steady.period);
      // Rows that stayed bits have no runs to go on with.
      if (irregular.rows > bits) continue;
      nnz += runs.goOn(rowRuns, query, to, steady.period);
      query = to + 1;
    }
  }
  writeTo(queryLength);
  nnz += irregular.nnz;
  return Object.freeze({queryLength, keyLength, nnz, rowRuns, ...runs.finish(), ...irregular.finish()});
}

/** What a pattern says. Its JSON looks alike and is unchecked, so it is refused. */
export const nodeOf = (pattern: Pattern): PatternNode =>
  pattern instanceof Pattern ? pattern.node : refusePattern('pattern', pattern);
