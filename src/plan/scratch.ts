import {ceilDiv} from '../support/index.js';
import {gridLines} from './lines.js';
import type {Work} from './plan.js';

/** Where the parts of the scratch buffer lie, in vec4<f32>. One call's scratch: all batches and heads. */
export interface ScratchLayout {
  /** One partial row: ⌈valueDim/4⌉ vec4 of output, then (maximum, sum) in one more: a log-sum-exp would lose the sum of low scores, −1e9 + 3 = −1e9. */
  readonly record: number;
  /** Where the tensor-core kernel flags rows that it left to the repair, one vec4 a subgroup. */
  readonly flags: number;
  readonly total: number;
}

export function scratchLayout({problem, passes, tile}: Pick<Work, 'problem' | 'passes' | 'tile'>): ScratchLayout {
  const {batch, heads} = problem;
  // Slots are those of a line on the grid.
  const rows = passes.map(({kinds, slots, tile: of}) => gridLines(kinds, problem) * slots * of.rows);
  const record = ceilDiv(problem.valueDim, 4) + 1;
  const flags = Math.max(0, ...rows) * record;
  // By the number of an item in the plan, so that dispatches over ranges of items share none.
  const items = tile.queries === 'fragments' ? Math.max(0, ...passes.map(({itemEnd}) => itemEnd)) : 0;
  return {record, flags, total: flags + batch * heads * items * tile.threadsY};
}
