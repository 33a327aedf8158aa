import type {TensorInfo} from '@tensorflow/tfjs-core';
import type {BindingRole, CallParams, DecodeStep, Launch} from '../../pure.js';

/** A step of a cache in a function that is watched: it is not run, and what it runs in a replay is planned then, for the tokens held by then. */
export interface CachedStep {
  readonly cache: object;
  /** All that it binds of tensors; `output` is written. */
  readonly tensors: ReadonlyMap<BindingRole, TensorInfo>;
  /** What is the same in every replay beside them. */
  readonly same: object;
  /**
   * Plans the step. The cache counts its tokens from here on, so that the next step is planned after them.
   *
   * @throws SplatError, with the cache as it was, when it cannot take them.
   */
  plan(): PlannedStep;
}

/** What a step of a cache runs for the tokens held so far. */
export interface PlannedStep {
  readonly step: DecodeStep;
  /** Those of the step, the long ones cut. */
  readonly launches: readonly Launch[];
  readonly call: CallParams;
  /** What throws from the next plan on once the device refused this one. */
  readonly owner: object;
  /** The programs that its owner has run inside an error scope. */
  readonly tried: Set<string>;
  /** Puts the cache back. Of several plans the last one goes first. */
  undo(): void;
  /** The memory of the cache, made now where the step needs one of its own. No undo from here on. */
  memory(): readonly (readonly [BindingRole, GPUBuffer])[];
}
