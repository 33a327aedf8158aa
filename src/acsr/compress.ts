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
import {atOnce, refuse, type Sliced} from '../support/index.js';
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

/** Work on rows between two yields: a run that a row has is one, a word that is looked through nearly one, a row that overflows many. */
const ROW_WORK = 2 ** 15;
const OVERFLOW_WORK = 2 ** 8;

/** The rows of a node that fits the shape. */
export const compressNode = (node: PlainNode, resolved: ResolvedShape): Acsr => atOnce(compressing(node, resolved));

/** The same, in slices. */
export function* compressing(node: PlainNode, resolved: ResolvedShape): Sliced<Acsr> {
  const {queryLength, keyLength, queryOffset} = resolved;
  const recurring = recurringRows(node, resolved) ?? recurringBits(node, resolved);
  if (recurring !== null) return recurring;
  const rows = rowsOf(node, resolved);
  const rowRuns = new Int32Array(queryLength + 1);
  const runs = new Runs();
  const irregular = new Irregular(keyLength, queryLength);
  const steady = steadyRows(node, resolved);
  const perRow = 4 + (holdsMask(node) ? keyLength >>> 5 : 0);
  let nnz = 0;
  let query = 0;
  const writeSome = (end: number): void => {
    for (let work = 0; query < end && work < ROW_WORK; query++) {
      let row = rows.runs(query);
      work += perRow + row.length;
      if (row.overflow) {
        row = irregular.settle(query, query + queryOffset, rows);
        work += OVERFLOW_WORK;
      }
      nnz += runs.add(row);
      rowRuns[query + 1] = runs.length;
    }
  };
  function* writeTo(end: number): Sliced<void> {
    for (; query < end; yield) writeSome(end);
  }
  if (steady !== null) {
    runs.reserve(queryLength * rows.runs(queryLength >> 1).length);
    for (const {from, to} of steady.stretches) {
      yield* writeTo(from);
      const bits = irregular.rows;
      yield* writeTo(from + 2 * steady.period);
      // Rows that stayed bits have no runs to go on with.
      if (irregular.rows > bits) continue;
      for (; query <= to; yield) {
        const end = Math.min(to, query + ROW_WORK);
        nnz += runs.goOn(rowRuns, query, end, steady.period);
        query = end + 1;
      }
    }
  }
  yield* writeTo(queryLength);
  nnz += irregular.nnz;
  return Object.freeze({queryLength, keyLength, nnz, rowRuns, ...runs.finish(), ...irregular.finish()});
}

/** What a pattern says. Its JSON looks alike and is unchecked, so it is refused. */
export const nodeOf = (pattern: Pattern): PatternNode =>
  pattern instanceof Pattern ? pattern.node : refusePattern('pattern', pattern);

const holdsMask = (node: PlainNode): boolean =>
  node.kind === 'mask' || (node.kind === 'not' ? holdsMask(node.operand) : 'operands' in node && node.operands.some(holdsMask));
