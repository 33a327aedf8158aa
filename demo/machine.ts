import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-webgpu';
import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';

/** What the page has to know of the computer it runs on. */
export interface Machine {
  readonly backend: 'webgpu' | 'wasm' | 'cpu';
  /** A sentence for the reader. */
  readonly description: string;
  /** A CPU plays the GPU, or there is none: minutes where a GPU takes milliseconds. */
  readonly slow: boolean;
  /** Bytes of the largest buffer a shader can read; Infinity without WebGPU. */
  readonly maxBindingBytes: number;
  readonly lengths: readonly number[];
  readonly defaultLength: number;
  readonly lengthNote: string;
  /** Timed repetitions after the warm-up. */
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
  const maxBindingBytes = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  return {
    backend: 'webgpu',
    description: slow
      ? `WebGPU runs on ${name}: software, the processor plays the GPU. The times below compare the runs, they say nothing about a GPU.`
      : `WebGPU runs on ${name}.`,
    slow,
    maxBindingBytes,
    lengths: slow ? [256, 512, 1024, 2048, 4096] : [1024, 2048, 4096, 8192, 16384],
    defaultLength: slow ? 1024 : 4096,
    lengthNote: slow ? 'On a software adapter 1,024 tokens finish within two minutes; 4,096 and more are for a GPU.' : '',
    repetitions: slow ? 3 : 7,
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
    maxBindingBytes: Infinity,
    lengths: [128, 256, 512, 1024],
    defaultLength: 256,
    lengthNote: 'Small, because the processor computes everything.',
    repetitions: 3,
  };
}
