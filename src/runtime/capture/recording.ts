import type {DataId, DataType, Variable} from '@tensorflow/tfjs-core';
import type {CachedStep, PlannedStep} from '../host/cached_step.js';

/** Memory of a run, from when it was taken from the pool to its last use. */
export interface Value {
  readonly bytes: number;
  /** What was uploaded into it, where anything was. */
  contents: Float32Array | Int32Array | null;
}

/** Where a dispatch finds what it binds. */
export type BoundSource =
  | {readonly kind: 'value'; readonly value: Value}
  | {readonly kind: 'input'; readonly input: number}
  /** A tensor from outside of the function. */
  | {readonly kind: 'weight'; readonly id: DataId}
  /** What the runtime keeps on the device for a plan. */
  | {readonly kind: 'resident'; readonly buffer: GPUBuffer}
  | {readonly kind: 'uniform'; readonly contents: ArrayBuffer};

export interface Bound {
  readonly source: BoundSource;
  /** Bytes, as in the bind group of the run. */
  readonly offset: number;
  readonly size: number;
}

interface StepOfRun {
  /** The op that it belongs to. */
  readonly op: string;
  readonly bindings: readonly Bound[];
  /** Which of them are written. */
  readonly writes: readonly number[];
}

/** One dispatch. */
export interface RecordedDispatch extends StepOfRun {
  readonly pipeline: GPUComputePipeline;
  readonly grid: readonly [number, number, number];
  /** It ends long work, which is submitted alone. */
  endsTurn: boolean;
  readonly cached?: undefined;
}

/** A step of a cache: it binds tensors, in the order in which the step has them, and dispatches what a replay plans. */
export interface RecordedCacheStep extends StepOfRun {
  readonly cached: CachedStep;
  /** Of what it would have run in the recording. */
  readonly size: StepSize;
}

/** What the room for a step depends on. */
export type StepSize = Pick<PlannedStep, 'step' | 'launches'>;

export type RecordedStep = RecordedDispatch | RecordedCacheStep;

export interface Output {
  readonly shape: readonly number[];
  readonly dtype: DataType;
  /** The dtype of the elements in memory. */
  readonly stored: DataType;
  readonly source:
    Exclude<BoundSource, {readonly kind: 'resident' | 'uniform'}> | {readonly kind: 'numbers'; readonly numbers: ArrayLike<number>};
}

/** How the function came by a tensor from outside. */
export interface WeightUse {
  /** As these variables, whose numbers may change. */
  readonly variables: Set<Variable>;
  /** As a tensor, whose numbers may not. */
  asTensor: boolean;
}

/** All that a run of the function did. */
export interface Recording {
  readonly steps: readonly RecordedStep[];
  readonly outputs: readonly Output[];
  readonly weights: ReadonlyMap<DataId, WeightUse>;
}
