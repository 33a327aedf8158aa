import type {TileShape} from './plan.js';
import type {Device, Problem} from './problem.js';
import {Draft, type Tiling} from './fused.js';
import {IntList} from './schedule.js';

/** Every key tile of every row tile, each to be tested against packed mask bits: the schedule for masks without arithmetic. */
export function tileDense(problem: Problem, device: Device, tile: TileShape): Tiling {
  const {queryLength, keyLength} = problem;
  const spans = new IntList();
  const draft = new Draft(tile, {spans, intervals: new IntList()});
  draft.beginPass();
  for (let firstRow = 0; firstRow < queryLength; firstRow += tile.rows) {
    const span = spans.length / 8;
    if (keyLength > 0) spans.push(0, 1, 0, keyLength, 0, 0, 0, -1);
    draft.add({firstRow, rowStride: 1, rows: Math.min(tile.rows, queryLength - firstRow), residues: [0]}, span, spans.length / 8);
  }
  return draft.pack(problem, device);
}
