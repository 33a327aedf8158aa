/** One line of the benchmark's JSON output. The keys are explained in docs/benchmarks.md. */
export type BenchRecord = RunRecord | AttentionRecord | PlanningRecord;

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
}

/** `gpu`: timestamps of the device, clock-calibrated. `wall`: differences of wall-clock times. */
export type Clock = 'gpu' | 'wall';

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
}
