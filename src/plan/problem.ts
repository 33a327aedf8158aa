import type {ResolvedShape} from '../acsr/index.js';

/** The sizes of one call. Tensors are query [batch, heads, queryLength, headDim], value [batch, heads, keyLength, valueDim]. */
export interface Problem extends ResolvedShape {
  readonly batch: number;
  readonly heads: number;
  /** Features of a query and of a key, 1 to 256. */
  readonly headDim: number;
  /** Features of a value and of the output, 1 to 256. */
  readonly valueDim: number;
}

/** What a plan has to know of a device: plain data, so that a plan can be made, tested and shown anywhere. */
export interface Device {
  /** Bytes of workgroup memory one workgroup may use. */
  readonly maxWorkgroupBytes: number;
  readonly maxInvocations: number;
  readonly maxStorageBuffers: number;
  /** Bytes of one storage binding. */
  readonly maxBindingBytes: number;
  readonly maxWorkgroupsPerDimension: number;
  /** A CPU pretends to be the GPU (SwiftShader, llvmpipe): 4×8 register tiles would take minutes to compile. */
  readonly software: boolean;
}

/** The limits every WebGPU device guarantees. */
export const CORE_DEVICE: Device = Object.freeze({
  maxWorkgroupBytes: 16384,
  maxInvocations: 256,
  maxStorageBuffers: 8,
  maxBindingBytes: 134217728,
  maxWorkgroupsPerDimension: 65535,
  software: false,
});
