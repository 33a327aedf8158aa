import {checkFits, Pattern, refusePattern, resolveShape, type PatternNode, type PatternShape} from '../pattern/index.js';
import type {Acsr} from './acsr.js';
import {Irregular, Runs} from './collect.js';
import {rowsOf} from './expression.js';
import {periodOf} from './period.js';

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
 *   pattern they come from.
 *
 * A row that takes more than `MAX_RUNS` runs on the way is worked out as bits, and stays bits if it is not recognised from them.
 *
 * Throws `SplatError` when the shape is not one or the pattern was written for other lengths.
 */
export function compress(pattern: Pattern, shape: PatternShape): Acsr {
  const node = nodeOf(pattern);
  const resolved = resolveShape(shape);
  checkFits(node, resolved);
  const {queryLength, keyLength, queryOffset} = resolved;
  const rows = rowsOf(node, resolved);
  const rowRuns = new Int32Array(queryLength + 1);
  const runs = new Runs();
  const irregular = new Irregular(keyLength);
  const period = periodOf(node);
  let nnz = 0;
  let recurs = 2 * period <= queryLength;
  for (let query = 0; query < queryLength; query++) {
    if (query === period && recurs) break;
    let row = rows.runs(query);
    if (row.overflow) {
      // What bits turn out to be depends on the place of the query.
      recurs = false;
      row = irregular.settle(query, query + queryOffset, rows);
    }
    nnz += runs.add(row);
    rowRuns[query + 1] = runs.length;
  }
  if (recurs) {
    nnz = repeat(rowRuns, period, runs, nnz);
    return Object.freeze({
      queryLength,
      keyLength,
      nnz,
      rowRuns,
      ...runs.finish(rowRuns[queryLength]),
      ...irregular.finish(),
      period,
    });
  }
  nnz += irregular.nnz;
  return Object.freeze({queryLength, keyLength, nnz, rowRuns, ...runs.finish(), ...irregular.finish()});
}

/** Repeats the first `period` entries of rowRuns to its end; returns the keys of all rows, where those of one period are `keys`. */
function repeat(rowRuns: Int32Array, period: number, runs: Runs, keys: number): number {
  const queryLength = rowRuns.length - 1;
  for (let query = period; query < queryLength; query++) rowRuns[query + 1] = rowRuns[query + 1 - period]! + runs.length;
  const rest = queryLength % period;
  return Math.floor(queryLength / period) * keys + runs.keysBefore(rowRuns[rest]!);
}

/** What a pattern says. Its JSON looks alike and is unchecked, so it is refused. */
export const nodeOf = (pattern: Pattern): PatternNode =>
  pattern instanceof Pattern ? pattern.node : refusePattern('pattern', pattern);
