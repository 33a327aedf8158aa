import type {MatrixConfig} from '../../pure.js';

/** What a device offers beyond core WebGPU, as far as our kernels may use it. */
export interface GrantedFeatures {
  /** WGSL may say `enable f16`. */
  readonly float16: boolean;
  /** WGSL may say `enable subgroups`, and lanes are where `probe_lanes.ts` saw them; the sizes that subgroups may have. */
  readonly subgroups: {readonly min: number; readonly max: number} | null;
  /** WGSL may say `enable chromium_experimental_subgroup_matrix`, for these shapes. Empty without tensor cores. */
  readonly matrixConfigs: readonly MatrixConfig[];
}

const NONE: GrantedFeatures = Object.freeze({float16: false, subgroups: null, matrixConfigs: Object.freeze([])});

// A device does not tell all of this itself: matrix shapes are known to its adapter alone, and lanes have to be probed.
const granted = new WeakMap<GPUDevice, GrantedFeatures>();

export function grant(device: GPUDevice, features: GrantedFeatures): void {
  granted.set(device, features);
}

/** None for a device that `createWebGPUBackend` did not make. */
export function grantedFeatures(device: GPUDevice): GrantedFeatures {
  return granted.get(device) ?? NONE;
}
