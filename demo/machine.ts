import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-webgpu';
import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import type {Device} from '../src/index.js';

/** What the page has to know of the computer it runs on. */
export interface Machine {
  readonly backend: 'webgpu' | 'wasm' | 'cpu';
  /** A sentence for the reader. */
  readonly description: string;
  /** A CPU plays the GPU, or there is none: minutes where a GPU takes milliseconds. */
  readonly slow: boolean;
  /** For the planner; undefined without WebGPU. */
  readonly device?: Device;
  readonly lengths: readonly number[];
  /** `auto`: as many tokens as two minutes allow, found by a trial run. */
  readonly defaultLength: number | 'auto';
  readonly lengthNote: string;
  /** Runs between the first one, which compiles, and the timed ones. */
  readonly warmUps: number;
  /** Timed runs. */
  readonly repetitions: number;
}

export async function findMachine(): Promise<Machine> {
  const adapter = await findAdapter();
  if (adapter === null || !(await tf.setBackend('webgpu'))) return withoutWebGPU();
  await tf.ready();
  const {limits} = webgpuBackend().device;
  const {description, vendor, architecture} = adapter.info;
  const name = description || [vendor, architecture].filter(Boolean).join(' ') || 'a GPU';
  const slow = isSoftware(adapter.info);
  const device: Device = {
    maxWorkgroupBytes: limits.maxComputeWorkgroupStorageSize,
    maxInvocations: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
    maxStorageBuffers: limits.maxStorageBuffersPerShaderStage,
    maxBindingBytes: Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize),
    maxWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
    subgroups: null,
    float16: false,
    matrices: [],
    vendor,
    tuned: {},
    software: slow,
  };
  return {
    backend: 'webgpu',
    description: slow
      ? `WebGPU runs on ${name}: software, the processor plays the GPU. The times below compare the runs, they say nothing about a GPU.`
      : `WebGPU runs on ${name}.`,
    slow,
    device,
    lengths: slow ? [256, 512, 1024, 2048, 4096] : [1024, 2048, 4096, 8192, 16384],
    defaultLength: slow ? 'auto' : 4096,
    lengthNote: slow
      ? 'On a software adapter the page picks a length that finishes within two minutes. A GPU runs 4,096 and more.'
      : '',
    warmUps: slow ? 0 : 2,
    repetitions: slow ? 1 : 7,
  };
}

/** The stock backend. Its device, limits and buffer pool are public. */
export function webgpuBackend(): WebGPUBackend {
  return tf.backend() as WebGPUBackend;
}

async function findAdapter(): Promise<GPUAdapter | null> {
  // navigator.gpu is missing where WebGPU is unknown, switched off, or the page is not served from localhost or over https.
  if (!('gpu' in navigator)) return null;
  return navigator.gpu.requestAdapter().catch(() => null);
}

function isSoftware({isFallbackAdapter, architecture, description, device}: GPUAdapterInfo): boolean {
  return isFallbackAdapter || /swiftshader|llvmpipe|basic render/i.test(`${architecture} ${description} ${device}`);
}

async function withoutWebGPU(): Promise<Machine> {
  const {setWasmPaths} = await import('@tensorflow/tfjs-backend-wasm');
  setWasmPaths('wasm/');
  const backend = (await tf.setBackend('wasm').catch(() => false)) ? 'wasm' : 'cpu';
  if (backend === 'cpu') await tf.setBackend('cpu');
  await tf.ready();
  const missing = 'gpu' in navigator ? 'The browser offers no WebGPU adapter' : 'This browser, or this page, has no WebGPU';
  return {
    backend,
    description:
      `${missing}, so the fused kernel cannot run. Use a recent Chrome, Edge, Firefox or Safari over https or localhost. ` +
      `Until then the page runs the same model with the dense path on TensorFlow.js's ${backend} backend, at a small size.`,
    slow: true,
    lengths: [256, 512, 1024, 2048],
    defaultLength: 'auto',
    lengthNote: 'Without a GPU the page picks a length that finishes within two minutes.',
    warmUps: 0,
    repetitions: 1,
  };
}
