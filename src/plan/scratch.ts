import {ceilDiv} from '../support/index.js';
import type {Plan} from './plan.js';

/** Where the parts of the scratch buffer lie, in vec4<f32>. One call's scratch: all batches and heads. */
export interface ScratchLayout {
  /** Log-sum-exp of every row, one vec4 each, kept from pass to pass; 0 when there is one pass. */
  readonly rows: number;
  /** One partial row: ⌈valueDim/4⌉ vec4 of output, then its log-sum-exp in the x of one more. */
  readonly record: number;
  readonly total: number;
}

export function scratchLayout({problem, passes, slots, tile}: Pick<Plan, 'problem' | 'passes' | 'slots' | 'tile'>): ScratchLayout {
  const lines = problem.batch * problem.heads;
  const rows = passes.length > 1 ? lines * problem.queryLength : 0;
  const record = ceilDiv(problem.valueDim, 4) + 1;
  return {rows, record, total: rows + lines * slots * tile.rows * record};
}
