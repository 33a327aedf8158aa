import type {Packed} from './format.js';
import type {Formats} from './formats.js';
import type {Device, MatrixConfig, Problem} from './problem.js';

/** Which kernel computes: `fused` the tiles that arithmetic or lists make of a pattern, `dense` those that its mask bits hold. */
export type Implementation = 'fused' | 'dense';

/** What one workgroup holds: `rows` queries against `keys` keys at a time, on a grid of threadsX × threadsY invocations. */
export interface TileShape {
  readonly rows: number;
  readonly keys: number;
  /** Invocations that share a row. */
  readonly threadsX: number;
  /** Invocations that share a column of keys. */
  readonly threadsY: number;
  /** Features of the score loop, and keys of the value loop, written out per trip. */
  readonly unroll: {readonly scores: number; readonly values: number};
  /** Where the score loop has queries: in storage, which a cache serves, in workgroup memory, or in the fragments of tensor cores. */
  readonly queries: 'storage' | 'workgroup' | 'fragments';
  /** The most workgroup memory it takes. Less means more workgroups at once: 26.6 → 16 KB, 19.4 → 28.9 TFLOPS (H200, 2026-11-20). */
  readonly workgroupBytes: number;
}

/**
 * How the items of a pass name rows, keys and pairs; kernels are written for one of each. A pass of other kinds is another pass.
 *
 * - `rows`, `keys`: an affine sequence, or a list of numbers.
 * - `mask`: an interval of keys for each row; a bit for each pair, in the schedule; bits that come with the call, as a mask tensor; or, row-wise, spans
 *   of few rows: `own`, row x of an item has span number x of it for its own and attends to all of its keys, or `fours`, rows 4x to 4x + 3 share it,
 *   and bits 24 to 27 of the number of a key say which of them attend.
 * - `heads`, `batch`: every item serves all of them, which are then on the grid of the dispatch, or the one that it names.
 */
export interface Kinds {
  readonly rows: 'affine' | 'list';
  readonly keys: 'affine' | 'list';
  readonly mask: 'interval' | 'bits' | 'tensor' | 'own' | 'fours';
  readonly heads: 'grid' | 'item';
  readonly batch: 'grid' | 'item';
}

/** What regular patterns need, alike in all heads. */
export const REGULAR: Kinds = Object.freeze({rows: 'affine', keys: 'affine', mask: 'interval', heads: 'grid', batch: 'grid'});

/** Work items `itemBegin ≤ i < itemEnd` of the same kinds, longest first. A pass that continues goes on from the rows it finds. */
export interface Pass {
  readonly kinds: Kinds;
  /** Of its items. */
  readonly tile: TileShape;
  readonly itemBegin: number;
  readonly itemEnd: number;
  /** The rows of this pass already hold an output, a maximum and a sum from earlier passes. */
  readonly continues: boolean;
  /** Rows cut into parts: merges `mergeBegin ≤ m < mergeEnd` join them after the items of this pass. */
  readonly mergeBegin: number;
  readonly mergeEnd: number;
  /** Row tiles of partial results of each line on the grid, which passes use one after another. */
  readonly slots: number;
}

/** Which tiles are computed: what the runtime uploads once, and one launch of a kernel for each pass. */
export interface Tiling extends Packed {
  readonly passes: readonly Pass[];
  /** Tiles that each item visits. */
  readonly weights: Int32Array;
  /** The most that a pass has. */
  readonly slots: number;
}

/** With which kernel. */
export interface Kernel {
  /** Of passes over regular runs; others may have smaller ones. */
  readonly tile: TileShape;
  /** How the kernel reads query, key and value. */
  readonly formats: Formats;
  /** What the tensor cores multiply; null where the kernel does without them. */
  readonly matrix: MatrixConfig | null;
}

/** A way to compute a pattern that a planner looked at. */
export interface PlanCandidate {
  /** Its tiles, and the order of rows where that is not the given one. */
  readonly name: string;
  /** Of the pairs computed, the share that attends. */
  readonly tileDensity: number;
  /** Predicted milliseconds, as `Report.costMs`. */
  readonly costMs: number;
}

/** What a plan amounts to, for people. */
export interface Report {
  /** `fused`: only the tiles the pattern touches. `dense`: the pattern as mask bits, all tiles of keys in order that hold any. */
  readonly implementation: Implementation;
  /** Why this implementation, in a sentence. */
  readonly reason: string;
  /** Pairs (query, key) that attend, of one head; their mean where heads differ. */
  readonly nnz: number;
  /** nnz / (queryLength · keyLength). */
  readonly density: number;
  /** nnz / pairs computed: 1 would be a kernel that computes no masked pair. */
  readonly tileDensity: number;
  /** Predicted GPU time in milliseconds on the GPU of reference.ts, or what the device says of its own; good for comparing plans, not for promises. */
  readonly costMs: number;
  /** What was compared, the fastest first; of the first pattern where heads differ. A plan may mix several. Empty where an implementation was asked for. */
  readonly candidates: readonly PlanCandidate[];
  /** Orders of rows that would have taken too long to find, in a sentence each; rows then keep the order that they have. */
  readonly untried: readonly string[];
  /** Device memory beyond query, key, value and output, in bytes: schedule, mask bits and scratch. */
  readonly bytes: number;
}

/** What kernels are written and launched from. */
export interface Work extends Tiling, Kernel {
  readonly problem: Problem;
  readonly device: Device;
}

/** The same pairs as the ACSR, as tiles on a device. A frozen record. */
export interface Plan extends Work, Report {}
