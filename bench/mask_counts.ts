import {predictMs, type TileSides} from '../src/plan/cost.js';
import type {CountsOf} from '../src/plan/counts.js';
import {draftRows} from '../src/plan/draft_rows.js';
import {gridLines, lineKinds} from '../src/plan/lines.js';
import {REGULAR, type Gpu} from '../src/plan/index.js';
import type {Compiled} from '../src/pure.js';
import {atOnce} from '../src/support/index.js';

/** What a plan counts, from which the time of its kernels is predicted. */
export interface Counted {
  readonly counts: readonly CountsOf<TileSides>[];
  /** Lines on the grid. */
  readonly lines: number;
  readonly dispatches: number;
  readonly sizes: {readonly headDim: number; readonly valueDim: number};
}

/** Plans keep the sum alone, so the tiles are found once more. */
export function countedOf({lines, plan}: Compiled): Counted {
  const {problem, device, implementation, tile, passes} = plan;
  const merges = passes.filter(({mergeBegin, mergeEnd}) => mergeEnd > mergeBegin).length;
  const {headDim, valueDim} = problem;
  return {
    counts: atOnce(draftRows(lines!, problem, device, implementation, tile))
      .draft.counts()
      .map(({tile: {rows, keys, queries}, ...counted}) => ({...counted, tile: {rows, keys, queries}})),
    lines: gridLines({...REGULAR, ...lineKinds(lines!)}, problem),
    dispatches: Math.max(1, passes.length + merges),
    sizes: {headDim, valueDim},
  };
}

export const predicted = ({counts, lines, dispatches, sizes}: Counted, gpu: Gpu): number =>
  predictMs(counts, lines, dispatches, sizes, gpu);
