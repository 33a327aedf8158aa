import * as tf from '@tensorflow/tfjs-core';
import type {DataId, KernelBackend, TensorInfo} from '@tensorflow/tfjs-core';
import type {AdapterWords} from './device.js';

/**
 * The inside of tfjs-backend-webgpu, checked against 4.22.0, which this room alone uses. Nothing imports the package, which is an optional
 * peer: we recognise the backend by what it can do, so copies of the package and backends registered under other names work as well.
 */
export interface WebGPUBackend extends KernelBackend {
  // Public.
  readonly device: GPUDevice & {readonly adapterInfo?: AdapterWords};
  readonly adapterInfo: AdapterWords;
  readonly tensorMap: {has(id: DataId): boolean; get(id: DataId): TensorData};
  readonly bufferManager: BufferManager;
  /** Removed from the engine. */
  readonly disposed?: boolean;
  makeTensorInfo(shape: number[], dtype: tf.DataType, values?: ArrayLike<number>): TensorInfo;
  uploadToGPU(id: DataId): void;
  createTensorFromGPUData(data: {buffer: GPUBuffer; zeroCopy: boolean}, shape: number[], dtype: tf.DataType): tf.Tensor;
  readToGPU(id: DataId): tf.GPUData;
  shouldExecuteOnCPU(inputs: TensorInfo[], threshold?: number): boolean;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  // Private in TypeScript, there at run time and not mangled. `canBatch` looks for each of them.
  readonly commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  readonly commandQueueOwnedIds: WeakSet<DataId>;
  dispatchCountInPass: number;
  readonly supportTimestampQuery: boolean;
  querySet: GPUQuerySet | null;
  readonly querySetCount: number;
  getQueryTime(): Promise<number>;
  readonly pipelineCache: Record<string, GPUComputePipeline | Promise<GPUComputePipeline>>;
  /** Set only while tf.time or tf.profile runs. */
  activeTimers?: {name: string; query: Promise<number>}[] | null;
  programTimersStack?: object | null;
  // See `canRemember`.
  recordAndSubmit(
    this: object,
    program: ProgramOfTfjs,
    output: TensorInfo,
    inputs: readonly TensorInfo[],
    uniforms?: readonly UniformField[] | null,
  ): void;
  makeUniforms(this: object, fields: readonly UniformField[]): unknown;
}

interface ProgramOfTfjs {
  readonly outputShape: number[];
  readonly dispatch: readonly number[];
  readonly pipeline: GPUComputePipeline | Promise<GPUComputePipeline>;
  readonly size?: boolean;
  readonly outputComponent?: number;
  /** Of those that read or draw pictures. */
  readonly pixelsOpType?: unknown;
}

export interface UniformField {
  readonly type: string;
  readonly data: readonly number[];
}

export interface TensorData {
  readonly dtype: tf.DataType;
  readonly shape: number[];
  readonly resource?: GPUBuffer | GPUTexture | null;
  /** A buffer of the user's. */
  readonly external?: boolean;
  /** On the CPU. */
  readonly values?: ArrayLike<number> | readonly Uint8Array[] | null;
  /** Of a complex tensor, which has neither. */
  readonly complexTensorInfos?: {readonly real: TensorInfo; readonly imag: TensorInfo} | null;
}

export interface BufferManager {
  readonly numBytesUsed: number;
  numBytesAllocated: number;
  // Private, see `canTrim`.
  numFreeBuffers: number;
  readonly freeBuffers: Map<string, GPUBuffer[]>;
  acquireBuffer(size: number, usage: GPUBufferUsageFlags, mappedAtCreation?: boolean, reuse?: boolean): GPUBuffer;
  releaseBuffer(buffer: GPUBuffer, reuse?: boolean): void;
}

/** By ability, not by class: bundlers may hold two copies of the package, and custom backends extend it. */
export function isWebGPU(backend: KernelBackend): backend is WebGPUBackend {
  return 'runWebGPUProgram' in backend && 'device' in backend && 'bufferManager' in backend;
}

export function canBatch(backend: WebGPUBackend): boolean {
  return (
    'commandEncoder' in backend &&
    'computePassEncoder' in backend &&
    backend.commandQueueOwnedIds instanceof WeakSet &&
    typeof backend.dispatchCountInPass === 'number' &&
    typeof backend.supportTimestampQuery === 'boolean' &&
    'querySet' in backend &&
    typeof backend.querySetCount === 'number' &&
    typeof backend.getQueryTime === 'function' &&
    typeof backend.pipelineCache === 'object'
  );
}

export function canTrim({freeBuffers, numFreeBuffers, numBytesAllocated, acquireBuffer, releaseBuffer}: BufferManager): boolean {
  return (
    freeBuffers instanceof Map &&
    typeof numFreeBuffers === 'number' &&
    typeof numBytesAllocated === 'number' &&
    typeof acquireBuffer === 'function' &&
    typeof releaseBuffer === 'function'
  );
}

/** A flag of the backend package, or undefined when no such flag is registered. */
export function flag(name: string): unknown {
  try {
    return tf.env().get(name);
  } catch {
    return undefined;
  }
}
