import type {Counted} from './mask_counts.js';
import type {Asked} from './favoured.js';
import type {ModelRecord} from './model_record.js';

/** One line of the benchmark's JSON output. The keys are explained in docs/benchmarks.md. */
export type BenchRecord =
  | RunRecord
  | AttentionRecord
  | PlanningRecord
  | TierRecord
  | CallRecord
  | BackwardRecord
  | TrainingRecord
  | DecodeRecord
  | BytesRecord
  | MaskRecord
  | OpsRecord
  | ProductsRecord
  | ScoresRecord
  | ModelRecord;

/** The first line of a run: where and when. */
export interface RunRecord {
  readonly kind: 'run';
  readonly date: string;
  readonly device: string;
  readonly driver: string;
  readonly software: boolean;
  readonly clock: Clock;
  readonly host: string;
  readonly node: string;
  readonly tfjs: string;
  readonly maxStorageBufferBindingSize: number;
  /** Of the benchmark of the tiers alone: what its device has beyond the stock one, and what it was refused. */
  readonly granted?: string;
}

/** `gpu`: timestamps of the device, clock-calibrated. `wall`: differences of wall-clock times. */
export type Clock = 'gpu' | 'wall';

/** A norm or an activation of a tensor [rows, width], forward or with its gradients. */
export interface OpsRecord {
  readonly kind: 'ops';
  readonly op: string;
  readonly pass: 'forward' | 'training';
  readonly rows: number;
  readonly width: number;
  readonly system: 'tfjs-splat' | 'tfjs ops';
  readonly ms: number;
  readonly samples: number;
}

/** A product of matrices of which blocks are left out, forward or with its gradients, beside tf.matMul of the same tensors without masks. */
export interface ProductsRecord {
  readonly kind: 'products';
  readonly name: string;
  readonly pass: 'forward' | 'training';
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly batch: number;
  readonly block: string;
  readonly system: 'tfjs-splat' | 'tf.matMul';
  readonly ms: number;
  readonly samples: number;
  /** Of the plan of ours: 10⁹ operations that masks leave, what was chosen and predicted, and what planning took. */
  readonly usefulGflop: number;
  readonly choice: 'blocks' | 'dense';
  readonly predictedMs: number;
  readonly planningMs: number;
}

/** An op over packed scores of a pattern, [1, heads, n, dim]; of dense ones by TensorFlow.js, or all at once by sparseAttention. */
export interface ScoresRecord {
  readonly kind: 'scores';
  readonly name: string;
  readonly n: number;
  readonly heads: number;
  readonly dim: number;
  /** Pairs of a head. */
  readonly nnz: number;
  readonly op: string;
  readonly system: string;
  readonly ms: number;
  readonly samples: number;
  /** What the first sddmm of the pattern took of the CPU: reading the pattern, its lists, the text of a kernel. */
  readonly firstMs: number;
}

/** One system on one pattern and size. A peer leaves out what it does not know. */
export interface AttentionRecord {
  readonly kind: 'attention';
  readonly system: string;
  readonly implementation?: string;
  readonly dtype: 'float32' | 'float16';
  readonly pattern: string;
  readonly n: number;
  readonly heads: number;
  readonly headDim: number;
  /** Null when the system did not run; `error` says why. */
  readonly ms: number | null;
  readonly samples?: number;
  readonly clockRatio?: number;
  readonly tflops?: number;
  readonly density?: number;
  readonly tileDensity?: number;
  /** Time of TensorFlow.js dense attention in this run / ms. */
  readonly timesDense?: number;
  readonly planMs?: number;
  readonly firstMs?: number;
  readonly pipelines?: number;
  readonly extraBytes?: number;
  readonly extraOverOutput?: number;
  readonly maxError?: number;
  readonly error?: string;
}

/** One step of planning in plain JavaScript. */
export interface PlanningRecord {
  readonly kind: 'planning';
  readonly step: string;
  readonly pattern: string;
  readonly n: number;
  readonly ms: number;
  readonly targetMs: number;
  /** Memory of the process at its peak over what it had before its first plan of this size, garbage included. */
  readonly peakMiB?: number;
}

/** One tier of kernels on one pattern and size: raw dispatches, the conversion to float16 left out of `ms` and timed by itself. */
export interface TierRecord {
  readonly kind: 'tier';
  readonly system: string;
  readonly implementation?: string;
  readonly pattern: string;
  readonly n: number;
  readonly heads: number;
  readonly headDim: number;
  /** `growing`: adversarial keys. Absent: the usual ones. */
  readonly keys?: 'growing';
  /** The kernels, conversion left out. Null when the system did not run; `error` says why. */
  readonly ms: number | null;
  /** Tensor cores: the kernels without the repair. */
  readonly attendMs?: number;
  /** The conversion of query, key and value to float16. */
  readonly convertMs?: number;
  readonly samples?: number;
  readonly clockRatio?: number;
  readonly tflops?: number;
  /** rows×keys of the tile, invocations, unrolling; of the prototype its variant. */
  readonly tile?: string;
  /** What the tensor cores multiply. */
  readonly matrix?: string;
  readonly maxError?: number;
  /** Largest length of a sampled row's error over the length of the row. */
  readonly relativeError?: number;
  /** First call of a new structure, every pipeline cold: planning, text, compilation, upload, run. Absent where an earlier row had them. */
  readonly firstMs?: number;
  readonly pipelines?: number;
  readonly error?: string;
}

/** One mask on one system, laid out in one way. */
export interface MaskRecord {
  readonly kind: 'mask';
  readonly mask: string;
  readonly system: string;
  readonly n: number;
  readonly heads: number;
  readonly headDim: number;
  /** The implementation or the way that was asked for, and what it came to. */
  readonly asked: Asked;
  readonly implementation?: string;
  /** Pairs that attend, of a head; the mean where heads differ. */
  readonly pairs?: number;
  readonly density?: number;
  readonly tileDensity?: number;
  /** What the plan predicts. */
  readonly predictedMs?: number;
  /** What the prediction is made from, for `bench:calibrate`. */
  readonly counted?: Counted;
  /** Planning and writing kernels, in plain JavaScript: the least of up to three times. */
  readonly planMs?: number;
  /** Bytes of schedule, mask bits and scratch. */
  readonly bytes?: number;
  readonly tile?: string;
  /** The kernels, conversion left out. Null when the system did not run; `error` says why. */
  readonly ms: number | null;
  readonly samples?: number;
  readonly clockRatio?: number;
  readonly maxError?: number;
  readonly error?: string;
}

/** CPU time of a call, issued back to back. */
export interface CallRecord {
  readonly kind: 'call';
  readonly what: string;
  readonly calls: number;
  /** Median microseconds. */
  readonly us: number;
  /** Above that of tf.matMul in this run, and as a multiple of it. */
  readonly overMatMulUs?: number;
  readonly timesMatMul?: number;
  /** As a multiple of tf.matMul on a backend that remembers nothing. */
  readonly timesStock?: number;
}

/** Gradients of query, key and value. */
export interface BackwardRecord {
  readonly kind: 'backward';
  readonly system: string;
  readonly pattern: string;
  /** Sequences, where there are several. */
  readonly batch?: number;
  readonly n: number;
  readonly heads: number;
  readonly headDim: number;
  readonly forwardMs: number | null;
  /** Forward and backward pass, less the forward pass. */
  readonly backwardMs: number | null;
  readonly overForward?: number;
  /** Both passes of TensorFlow.js dense attention in this run / both of this row. */
  readonly timesDense?: number;
  readonly clockRatio?: number;
  /** Of the gradients of sampled queries, against float64. */
  readonly maxError?: number;
  readonly error?: string;
}

/** Training of a small transformer. */
export interface TrainingRecord {
  readonly kind: 'training';
  readonly system: string;
  readonly pattern: string;
  readonly n: number;
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  readonly steps: number;
  /** Wall clock, the loss read back. Null when the system cannot. */
  readonly stepMs: number | null;
  readonly firstLoss?: number;
  readonly lastLoss?: number;
  /** The largest difference of a loss from that of dense attention at the same step, as a share of it. */
  readonly lossDifference?: number;
  readonly error?: string;
}

/** One step of decoding: one new token, attention of its queries over what is held. */
export interface DecodeRecord {
  readonly kind: 'decode';
  readonly system: string;
  readonly pattern: string;
  readonly dtype: 'float32' | 'float16';
  /** Tokens before the step. */
  readonly tokens: number;
  readonly heads: number;
  readonly headDim: number;
  /** Null when the system did not run; `error` says why. */
  readonly ms: number | null;
  readonly samples?: number;
  readonly clockRatio?: number;
  /** Median CPU time of a step, issued back to back. */
  readonly cpuUs?: number;
  /** Device memory of keys and values. */
  readonly bytes?: number;
  /** Time of TensorFlow.js dense attention in this run / ms. */
  readonly timesDense?: number;
  readonly maxError?: number;
  readonly error?: string;
}

/** A byte-level language model that goes on with a text. */
export interface BytesRecord {
  readonly kind: 'bytes';
  /** `tfjs-splat`: sparse layers, KvCache; `tfjs-splat, captured`: the same as replays of whole steps. `tfjs dense`: every layer attends to all bytes, by TensorFlow.js ops. */
  readonly system: string;
  /** Bytes that the model has read. */
  readonly context: number;
  /** Median wall-clock time of a byte: sampled, and the logits after it read. */
  readonly msPerByte: number;
  /** Reading the context and writing the first byte, pipelines warm, capturing included. */
  readonly firstMs: number;
  /** Of keys and values. */
  readonly cacheBytes: number;
}
