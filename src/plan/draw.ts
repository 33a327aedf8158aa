import {ceilDiv} from '../support/index.js';
import type {Plan} from './plan.js';
import {forEachRun} from './visit.js';

/** Most characters a drawing has a side. */
const MAX_CELLS = 48;

/**
 * The plan as a picture: a row of text per block of queries, a character per block of keys. `█` every pair attends, `▒` some, `·` none.
 * Blocks are tiles while those fit 48 to a side.
 */
export function draw(plan: Plan): string {
  const {queryLength, keyLength} = plan.problem;
  if (queryLength === 0 || keyLength === 0) return '';
  const cell = Math.max(plan.tile.keys, ceilDiv(Math.max(queryLength, keyLength), MAX_CELLS));
  const columns = ceilDiv(keyLength, cell);
  const rows = ceilDiv(queryLength, cell);
  const pairs = plan.maskWords === null ? countRuns(plan, cell, rows, columns) : countBits(plan, cell, rows, columns);
  const lines: string[] = [];
  for (let row = 0; row < rows; row++) {
    let line = '';
    for (let column = 0; column < columns; column++) {
      const area = Math.min(cell, queryLength - row * cell) * Math.min(cell, keyLength - column * cell);
      const found = pairs[row * columns + column]!;
      line += found === 0 ? '·' : found === area ? '█' : '▒';
    }
    lines.push(line);
  }
  return `${lines.join('\n')}\n█ full  ▒ partial  · none; a character is ${cell} queries × ${cell} keys`;
}

function countRuns(plan: Plan, cell: number, rows: number, columns: number): Float64Array {
  const pairs = new Float64Array(rows * columns);
  forEachRun(plan, (query, firstKey, keyStride, count) => {
    const at = Math.floor(query / cell) * columns;
    if (keyStride > 1) {
      for (let i = 0, key = firstKey; i < count; i++, key += keyStride) pairs[at + Math.floor(key / cell)]! += 1;
      return;
    }
    const end = firstKey + count;
    for (let column = Math.floor(firstKey / cell); column * cell < end; column++) {
      pairs[at + column]! += Math.min(end, (column + 1) * cell) - Math.max(firstKey, column * cell);
    }
  });
  return pairs;
}

function countBits({problem, maskWords}: Plan, cell: number, rows: number, columns: number): Float64Array {
  const pairs = new Float64Array(rows * columns);
  const wordsPerRow = ceilDiv(problem.keyLength, 32);
  for (let query = 0; query < problem.queryLength; query++) {
    for (let key = 0; key < problem.keyLength; key++) {
      const bit = (maskWords![query * wordsPerRow + (key >>> 5)]! >>> (key & 31)) & 1;
      pairs[Math.floor(query / cell) * columns + Math.floor(key / cell)]! += bit;
    }
  }
  return pairs;
}
