import type {DataId, Tensor, TensorInfo} from '@tensorflow/tfjs-core';
import type {CachedStep} from './cached_step.js';
import type {Dispatch} from './dispatch.js';

/** What a function can do that a list of dispatches does not repeat. */
export type Unrepeatable =
  | 'read'
  | 'random'
  | 'timed'
  | 'unseen'
  | 'written'
  | 'assigned'
  | 'lent'
  | 'prompt'
  | 'growing'
  | 'managed'
  | 'counted'
  | 'wide'
  | 'replayed'
  | 'captured';

/** Hears of everything that a backend does while a function runs. */
export interface Watcher {
  /** An op begins, with these tensors. Returns what is to be called at its end. */
  began(kernel: string, inputs: readonly Tensor[]): () => void;
  /** Data that are new. */
  made(id: DataId): void;
  /** The buffer begins anew: what it held is nobody's any more. */
  acquired(buffer: GPUBuffer): void;
  /** Data have a buffer now, with these contents, or with none yet. */
  placed(id: DataId, buffer: GPUBuffer, contents: Float32Array | Int32Array | null): void;
  /** `touched` are the tensors that it uses. */
  dispatched(dispatch: Dispatch, touched: readonly TensorInfo[]): void;
  /** A step of a cache, which is not run. */
  stepped(step: CachedStep): void;
  /** Long work ends, which is submitted alone. */
  turn(): void;
  /** Whether an op on the CPU may take these numbers for ones that never change. */
  isConstant(id: DataId): boolean;
  note(what: Unrepeatable, detail?: string): void;
  refuse(what: Unrepeatable, detail?: string): never;
}
