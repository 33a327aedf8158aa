import type {Device, Problem} from './problem.js';
import {Draft, type CountedTiling} from './fused.js';
import {IntList, SPAN, write} from './format.js';
import {REGULAR, type TileShape} from './plan.js';

/** The words of a span of the first keys, none of which is known to be attended by all. */
export const everyKey = (end: number) => ({
  firstKey: 0,
  keyStride: 1,
  begin: 0,
  end,
  fullBegin: 0,
  fullEnd: 0,
  mask: 0,
  bitStride: 0,
});

/** Every key tile of every row tile, each to be tested against packed mask bits: the schedule for masks without arithmetic. */
export function tileDense(problem: Problem, device: Device, tile: TileShape): CountedTiling {
  const {queryLength, keyLength} = problem;
  const spans = new IntList();
  const draft = new Draft(tile, {spans, intervals: new IntList()});
  draft.beginPass({...REGULAR, mask: 'tensor'});
  for (let firstRow = 0; firstRow < queryLength; firstRow += tile.rows) {
    const span = spans.length / SPAN.words;
    if (keyLength > 0) write(spans, SPAN, everyKey(keyLength));
    draft.add(
      {firstRow, rowStride: 1, rows: Math.min(tile.rows, queryLength - firstRow), residues: [0]},
      span,
      spans.length / SPAN.words,
    );
  }
  return draft.pack(problem, device);
}
