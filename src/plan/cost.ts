import type {Counts} from './draft.js';
import type {TileShape} from './plan.js';
import type {Problem} from './problem.js';
import type {Gpu} from './reference.js';

/** Predicted milliseconds of tiles on a GPU: `counts` of all lines, and how many dispatches they take. */
export function predictMs(counts: Counts, dispatches: number, tile: TileShape, problem: Problem, gpu: Gpu): number {
  const flopsPerTile = 2 * tile.rows * tile.keys * (problem.headDim + problem.valueDim);
  const {wide, narrow, matrix} = gpu.flopsPerMs;
  const onMatrices = tile.queries === 'fragments';
  const rate = onMatrices ? matrix : tile.rows >= 64 ? wide : narrow;
  const {tiles, partial, bits, listed, items} = counts;
  const full = tiles - partial - bits - listed;
  const work = full + partial * gpu.partialTile + bits * gpu.bitTile + listed * (onMatrices ? gpu.matrixListTile : gpu.listTile);
  return (
    gpu.firstDispatchMs +
    // The repair follows each kernel on tensor cores.
    ((onMatrices ? 2 : 1) * dispatches - 1) * gpu.dispatchMs +
    (items * gpu.itemMs) / (4 * gpu.multiprocessors) +
    (work * flopsPerTile) / rate
  );
}
