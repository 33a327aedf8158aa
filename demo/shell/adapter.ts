import {CORE_DEVICE, type Device} from '../../src/pure.js';

/** The GPU behind this page, asked without TensorFlow.js. */
export interface Adapter {
  readonly name: string;
  /** The name as a sentence goes on with it: "WebGPU runs on …". */
  readonly where: string;
  /** The processor plays the GPU: minutes where a GPU takes milliseconds. */
  readonly software: boolean;
  /** With the limits that a page gets which asks for all of them, as TensorFlow.js does. */
  readonly device: Device;
}

/** Null where WebGPU is unknown, switched off, without a GPU, or the page came neither from localhost nor over https. */
export async function findAdapter(): Promise<Adapter | null> {
  if (!('gpu' in navigator)) return null;
  const adapter = await navigator.gpu.requestAdapter({powerPreference: 'high-performance'}).catch(() => null);
  return adapter === null ? null : describe(adapter.info, adapter.limits);
}

export function describe(info: GPUAdapterInfo, limits: GPUSupportedLimits): Adapter {
  const {description = '', vendor = '', architecture = ''} = info;
  const software = isSoftware(info);
  // Firefox names no GPU.
  const known = [description, `${vendor} ${architecture}`].map((words) => words.replace(/\bunknown\b/gi, '').trim()).find(Boolean);
  const unnamed = software ? 'a processor that plays the GPU' : 'a GPU that this browser does not name';
  return {
    name: known ?? unnamed,
    where: known !== undefined && software ? `${known}: software, the processor plays the GPU` : (known ?? unnamed),
    software,
    device: {
      ...CORE_DEVICE,
      maxWorkgroupBytes: limits.maxComputeWorkgroupStorageSize,
      maxInvocations: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
      maxStorageBuffers: limits.maxStorageBuffersPerShaderStage,
      maxBindingBytes: Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize),
      maxWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
      vendor,
      software,
    },
  };
}

function isSoftware({isFallbackAdapter, architecture, description, device}: GPUAdapterInfo): boolean {
  return isFallbackAdapter || /swiftshader|llvmpipe|basic render/i.test(`${architecture} ${description} ${device}`);
}

/** What a page cannot do here, and what the reader can do about it. */
export const NO_WEBGPU =
  'This browser offers no WebGPU, so the fused kernel cannot run. Use a recent Chrome, Edge, Firefox or Safari, over https or localhost.';
