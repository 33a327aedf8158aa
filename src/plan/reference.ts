/**
 * What plans assume of the GPU that runs them: rates to rank plans by, and what runs at once. The reference is an NVIDIA H200 through Dawn,
 * float32, 2026-11-20; a `Device` may say otherwise. On other devices the order of plans should hold, the milliseconds will not.
 */
export interface Gpu {
  readonly multiprocessors: number;
  /** Bytes that all workgroups on a multiprocessor share (measured with an atomic counter). */
  readonly workgroupMemory: number;
  /** Computed (not useful) floating-point operations a millisecond, in the inner loops of full tiles: 64×64 tiles, 32×32 tiles, 16×32 tiles; tensor cores with tiles of 128 rows, and of 64, which stand for short or scattered rows: blocks of 64 n = 4,096 .076 ms, Swin .056. */
  readonly flopsPerMs: {
    readonly wide: number;
    readonly narrow: number;
    readonly low: number;
    readonly matrix: number;
    readonly lowMatrix: number;
  };
  /** A tile with an interval test costs this much of a full one. */
  readonly partialTile: number;
  /** A tile with a bit test per pair: a random half of n = 4,096 takes 1.15 ms, full() 1.02; 1.03 at 16,384 (H200, 2026-11-20). */
  readonly bitTile: number;
  /** The same over listed keys: 8.8 ps a pair of 64 features in 64×64 tiles, 10.8 in 32×32 ones (lab, H200, 2026-11-29). */
  readonly listTile: number;
  /**
   * The same on tensor cores, whose tiles wait for the numbers of their keys: vertical-slash n = 1,024 took .048 ms in lists and .031 dense,
   * where both were predicted .022 to .024 (2026-11-30).
   */
  readonly matrixListTile: number;
  /** Too few workgroups of at most 32 rows for the multiprocessors: dense n = 1,024 in 32×32 tiles 1.24 of what pairs say (H200, 2026-11-30). */
  readonly unfilled: number;
  /** An empty compute pass, and each further dispatch. */
  readonly firstDispatchMs: number;
  readonly dispatchMs: number;
  /**
   * Row by row: a row, each of its pairs, and each key that the rows of a workgroup do not share, of 64 features. Measured in a lab (H200,
   * 2026-11-29): 52 ps a pair where rows share no keys, 35 where they share half.
   */
  readonly ownRowMs: number;
  readonly ownPairMs: number;
  readonly ownKeyMs: number;
  /** Rows in fours: a row, and each of its pairs, whether it attends or not. Vertical-slash n = 16,384 .290 ms (H200, subgroups, 2026-11-30). */
  readonly fourRowMs: number;
  readonly fourMs: number;
  /** Row-wise: a pair that a row lacks to the longest of its workgroup, which waits for that. */
  readonly idleMs: number;
  /** Prologue and epilogue of a work item, of which four run at once on a multiprocessor. */
  readonly itemMs: number;
}

export const REFERENCE: Gpu = Object.freeze({
  multiprocessors: 132,
  workgroupMemory: 49152,
  flopsPerMs: Object.freeze({wide: 33e9, narrow: 25.5e9, low: 17.5e9, matrix: 220e9, lowMatrix: 120e9}),
  partialTile: 1.05,
  bitTile: 1.1,
  listTile: 1.15,
  matrixListTile: 2,
  unfilled: 1.25,
  firstDispatchMs: 0.006,
  dispatchMs: 0.006,
  ownRowMs: 135e-9,
  ownPairMs: 16e-9,
  ownKeyMs: 40e-9,
  fourRowMs: 300e-9,
  fourMs: 20e-9,
  idleMs: 7e-9,
  itemMs: 0.004,
});

/** Two cores that play GPU: llvmpipe, 2026-11-30 (`bench:calibrate`, masks of 256 and 512 tokens). SwiftShader takes three times as long. */
export const SOFTWARE: Gpu = Object.freeze({
  multiprocessors: 1,
  workgroupMemory: 49152,
  flopsPerMs: Object.freeze({wide: 4e6, narrow: 4e6, low: 4.5e6, matrix: 4e6, lowMatrix: 4e6}),
  partialTile: 1.26,
  bitTile: 1.15,
  listTile: 1.17,
  matrixListTile: 2,
  unfilled: 1,
  firstDispatchMs: 1.3,
  dispatchMs: 1.2,
  ownRowMs: 0.17e-3,
  ownPairMs: 0.12e-3,
  ownKeyMs: 0.38e-3,
  fourRowMs: 0.4e-3,
  fourMs: 0.07e-3,
  idleMs: 0.016e-3,
  itemMs: 0.036,
});
