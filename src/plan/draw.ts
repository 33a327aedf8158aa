import {ceilDiv} from '../support/index.js';
import type {Plan} from './plan.js';
import {isWide} from './problem.js';
import {forEachRun} from './visit.js';

/** Most characters a line of a drawing has. */
const MAX_COLUMNS = 48;

/** What one character of a drawing stands for. */
interface Cell {
  readonly queries: number;
  readonly keys: number;
  readonly columns: number;
  readonly rows: number;
}

/**
 * The pairs a plan computes as a picture: queries down, keys across, `█` where every pair attends, `▒` some, `·` none. Characters are
 * twice as high as wide, so one stands for twice as many queries as keys; both are powers of two, as the sides of tiles are.
 */
export function draw(plan: Plan): string {
  const {queryLength, keyLength} = plan.problem;
  // A mask tensor comes with the call. Wide features have the tiles of a pattern, unless that has none and too many bits.
  const unknown = plan.maskWords === null && (isWide(plan.problem) ? plan.passes.length === 0 : plan.implementation === 'dense');
  if (unknown || queryLength === 0 || keyLength === 0) return '';
  const keys = 2 ** Math.ceil(Math.log2(Math.max(1, Math.max(queryLength, keyLength) / MAX_COLUMNS)));
  const queries = 2 * keys;
  const cell = {queries, keys, columns: ceilDiv(keyLength, keys), rows: ceilDiv(queryLength, queries)};
  const pairs = plan.maskWords === null ? countRuns(plan, cell) : countBits(plan, cell);
  const lines: string[] = [];
  for (let row = 0; row < cell.rows; row++) {
    let line = '';
    for (let column = 0; column < cell.columns; column++) {
      const area = Math.min(queries, queryLength - row * queries) * Math.min(keys, keyLength - column * keys);
      const found = pairs[row * cell.columns + column]!;
      line += found === 0 ? '·' : found === area ? '█' : '▒';
    }
    lines.push(line);
  }
  return `${lines.join('\n')}\n█ full  ▒ partial  · none; a character is ${queries} queries × ${keys} ${keys === 1 ? 'key' : 'keys'}`;
}

function countRuns(plan: Plan, {queries, keys, columns, rows}: Cell): Float64Array {
  const pairs = new Float64Array(rows * columns);
  forEachRun(plan, (query, firstKey, keyStride, count) => {
    const at = Math.floor(query / queries) * columns;
    if (keyStride > 1) {
      for (let i = 0, key = firstKey; i < count; i++, key += keyStride) pairs[at + Math.floor(key / keys)]! += 1;
      return;
    }
    const end = firstKey + count;
    for (let column = Math.floor(firstKey / keys); column * keys < end; column++) {
      pairs[at + column]! += Math.min(end, (column + 1) * keys) - Math.max(firstKey, column * keys);
    }
  });
  return pairs;
}

function countBits({problem, maskWords}: Plan, {queries, keys, columns, rows}: Cell): Float64Array {
  const pairs = new Float64Array(rows * columns);
  const wordsPerRow = ceilDiv(problem.keyLength, 32);
  for (let query = 0; query < problem.queryLength; query++) {
    for (let key = 0; key < problem.keyLength; key++) {
      const bit = (maskWords![query * wordsPerRow + (key >>> 5)]! >>> (key & 31)) & 1;
      pairs[Math.floor(query / queries) * columns + Math.floor(key / keys)]! += bit;
    }
  }
  return pairs;
}
