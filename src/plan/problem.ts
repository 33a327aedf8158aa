import type {ResolvedShape} from '../acsr/index.js';
import type {Gpu} from './reference.js';

/** The sizes of one call. Tensors are query [batch, heads, queryLength, headDim], value [batch, keyHeads, keyLength, valueDim]. */
export interface Problem extends ResolvedShape {
  readonly batch: number;
  readonly heads: number;
  /** Heads of key and value, a divisor of `heads`: query head h reads key head ⌊h · keyHeads / heads⌋. */
  readonly keyHeads: number;
  /** Query heads whose rows follow one another in a head of this problem, for few queries of grouped heads; else 1. */
  readonly packedHeads: number;
  /** Features of a query and of a key. */
  readonly headDim: number;
  /** Features of a value and of the output. */
  readonly valueDim: number;
}

/**
 * The most features of a head that our kernels take: an invocation holds its share of the output, and a backward pass that of the gradients
 * of keys and values, in registers.
 */
export const MOST_FEATURES = 256;

/** Calls with more features than our kernels take are computed by TensorFlow.js ops, on WebGPU too. */
export const isWide = ({headDim, valueDim}: Pick<Problem, 'headDim' | 'valueDim'>): boolean =>
  Math.max(headDim, valueDim) > MOST_FEATURES;

/** Pairs of queries and keys, over all batches and heads, whose scores are alive at a time where TensorFlow.js ops compute: 16 MiB a tensor. */
export const CHUNK_PAIRS = 2 ** 22;

/** One shape of matrices that the tensor cores of a device multiply: [M, K] · [K, N], summed in `resultComponentType`. */
export interface MatrixConfig {
  /** `f16`, `f32`, `u8` or `i8`. */
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
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
  /** Lanes of a subgroup, whichever size the device chooses from these bounds; null without the feature. */
  readonly subgroups: {readonly min: number; readonly max: number} | null;
  /** The device computes with halves (`shader-f16`). Packed halves can be read without it. */
  readonly float16: boolean;
  /** The matrices of `chromium-experimental-subgroup-matrix`; none without the feature. */
  readonly matrices: readonly MatrixConfig[];
  /** As the adapter spells it, `nvidia`; empty when it does not say. Configurations were measured by vendor. */
  readonly vendor: string;
  /** Tile shapes that `tune` found fastest here, by `tuningKey`. */
  readonly tuned: Readonly<Record<string, string>>;
  /** What plans assume of this GPU where it differs from the reference, an NVIDIA H200. */
  readonly gpu?: Partial<Gpu> | undefined;
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
  subgroups: null,
  float16: false,
  matrices: Object.freeze([]),
  vendor: '',
  tuned: Object.freeze({}),
  software: false,
});
