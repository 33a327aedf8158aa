import type {Implementation, TileShape} from './plan.js';
import type {Problem} from './problem.js';
import type {CountedTiling} from './fused.js';

/**
 * A model of one GPU, to rank plans by: NVIDIA H200 through Dawn, float32, 2026-11-20. On other devices the order should hold, the
 * milliseconds will not.
 */
const REFERENCE = {
  /** Computed (not useful) floating-point operations a millisecond, in the inner loops of full tiles: 64×64 tiles, 32×32 tiles, tensor cores. */
  flopsPerMs: {wide: 33e9, narrow: 26e9, matrix: 220e9},
  /** A tile with an interval test costs this much of a full one. */
  partialTile: 1.05,
  /**
   * A tile with a bit test per pair. An estimate, and a pessimistic one: full n = 16384 took 18.0 ms with bits and 17.4 without, 1.03. With
   * that number more patterns would go dense; it needs a comparison on irregular ones first.
   */
  bitTile: 1.25,
  /** An empty compute pass, and each further dispatch. */
  firstDispatchMs: 0.007,
  dispatchMs: 0.002,
  /** Prologue and epilogue of one work item, spread over the 132 · 4 items that run at once. */
  itemMs: 0.004 / (132 * 4),
};

/** Predicted milliseconds of a tiling on the reference device. */
export function predictMs(implementation: Implementation, tiling: CountedTiling, tile: TileShape, problem: Problem): number {
  const lines = problem.batch * problem.heads;
  const flopsPerTile = 2 * tile.rows * tile.keys * (problem.headDim + problem.valueDim);
  const {wide, narrow, matrix} = REFERENCE.flopsPerMs;
  const rate = tile.queries === 'fragments' ? matrix : tile.rows >= 64 ? wide : narrow;
  const fullTiles = tiling.keyTiles - tiling.partialTiles;
  const partial = implementation === 'dense' ? REFERENCE.bitTile : REFERENCE.partialTile;
  const tiles = (fullTiles + tiling.partialTiles * partial) * lines;
  const dispatches = tiling.passes.length + tiling.passes.filter(({mergeBegin, mergeEnd}) => mergeEnd > mergeBegin).length;
  return (
    REFERENCE.firstDispatchMs +
    (dispatches - 1) * REFERENCE.dispatchMs +
    tiling.weights.length * lines * REFERENCE.itemMs +
    (tiles * flopsPerTile) / rate
  );
}
