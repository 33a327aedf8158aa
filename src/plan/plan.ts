import type {Device, MatrixConfig, Problem} from './problem.js';

/** Which kernel computes: `fused` the tiles that the pattern touches, `dense` all of them. */
export type Implementation = 'fused' | 'dense';

/** How query, key and value are stored while the kernel reads them. Scores, softmax and sums are float32 in either case. */
export type Storage = 'float32' | 'float16';

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

/** Work items `itemBegin ≤ i < itemEnd` of one stride class, longest first. A pass after the first continues from the rows it finds. */
export interface Pass {
  readonly itemBegin: number;
  readonly itemEnd: number;
  /** The rows of this pass already hold an output, a maximum and a sum from earlier passes. */
  readonly continues: boolean;
  /** Rows cut into parts: merges `mergeBegin ≤ m < mergeEnd` join them after the items of this pass. */
  readonly mergeBegin: number;
  readonly mergeEnd: number;
}

/**
 * The same pairs as the ACSR, as tiles on a device. A frozen record: the runtime uploads `schedule` once and launches one kernel per pass.
 *
 * `schedule` is one packed buffer of int32 pairs (`vec2i` in WGSL); see schedule.ts for its layout.
 */
export interface Plan {
  readonly problem: Problem;
  readonly device: Device;
  /** `fused`: only the tiles the pattern touches. `dense`: every tile, the pattern as packed mask bits. */
  readonly implementation: Implementation;
  /** Why this implementation, in a sentence. */
  readonly reason: string;
  /** Pairs (query, key) that attend, of one head. */
  readonly nnz: number;
  /** nnz / (queryLength · keyLength). */
  readonly density: number;
  /** nnz / pairs computed: 1 would be a kernel that computes no masked pair. */
  readonly tileDensity: number;
  /** Predicted GPU time in milliseconds on the reference device of cost.ts; good for comparing plans, not for promises. */
  readonly costMs: number;
  /** Device memory beyond query, key, value and output, in bytes: schedule, mask bits and scratch. */
  readonly bytes: number;
  readonly tile: TileShape;
  readonly storage: Storage;
  /** What the tensor cores multiply; null where the kernel does without them. */
  readonly matrix: MatrixConfig | null;
  readonly passes: readonly Pass[];
  readonly schedule: Int32Array;
  /** Pair offsets (units of two int32) of the sections of `schedule`. */
  readonly offsets: {readonly items: number; readonly spans: number; readonly intervals: number; readonly merges: number};
  /** Row tiles of partial results per head and batch, [slots · tile.rows] rows. */
  readonly slots: number;
  /** Dense only: the pattern's mask bits [queryLength · ⌈keyLength/32⌉], or null when a mask tensor brings them at run time. */
  readonly maskWords: Uint32Array | null;
}
