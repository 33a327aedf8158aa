/** A converted graph model, or the attention of one of its layers, as it is or with its attention swapped. */
export interface ModelRecord {
  readonly kind: 'model';
  /** `matMul`: as Hugging Face writes it. `Einsum`: as Keras 2 does. */
  readonly graph: 'matMul' | 'Einsum';
  readonly part: 'model' | 'attention';
  /**
   * `original`: on the stock backend as it is; `remembered`: the same graph on one that remembers; `tfjs-splat`: swapped, on that as well;
   * `captured`: the replay of one of these, of whole models alone. `swapped, remembered`: with full(), and nothing else of the graph folded.
   */
  readonly system:
    'original' | 'remembered' | 'remembered, captured' | 'swapped, remembered' | 'tfjs-splat' | 'tfjs-splat, captured';
  readonly n: number;
  /** What it was swapped with; the original always sees every key. */
  readonly pattern: string;
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  readonly ffn: number;
  /** Wall clock of a run, four of them issued back to back: the median of the rounds. Null when the system cannot; `error` says why. */
  readonly ms: number | null;
  readonly samples?: number;
  /** Of calls one behind the other. Absent on a wall clock. */
  readonly gpuMs?: number;
  /** Time / that of the original in this run: by `ms` for a model, by `gpuMs`, where there is one, for its attention. */
  readonly share?: number;
  /** Most device memory in use during a call beyond weights and inputs, in bytes. */
  readonly peakBytes?: number;
  /** Largest difference of an output swapped with full() from the original, as a share of the largest output. */
  readonly difference?: number;
  /** Of a captured system. */
  readonly replay?: ReplayCost;
  readonly error?: string;
}

/** What a capture and its replays cost. */
export interface ReplayCost {
  /** From the call of `capture` to its replay. */
  readonly captureMs: number;
  readonly dispatches: number;
  /** CPU time of a replay, until the last submit, over its dispatches: the median of the rounds. */
  readonly dispatchUs: number;
}
