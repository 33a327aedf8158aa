import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';
import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {createWebGPUBackend, type BackendReport, type WebGPUBackendOptions} from '../src/index.js';

/** A TensorFlow.js WebGPU backend, active, and what the benchmark has to know of the device under it. */
export interface Gpu {
  readonly backend: WebGPUBackend;
  readonly device: GPUDevice;
  readonly name: string;
  readonly driver: string;
  /** A CPU pretends to be the GPU. */
  readonly software: boolean;
  /** WebGPU errors since the last call. TensorFlow.js itself listens to none. */
  takeErrors(): string[];
}

/** The stock backend. */
export const openGpu = (): Promise<Gpu> => activate('webgpu');

/** A backend of ours with all that the adapter grants, and what that is. */
export const openTiersGpu = (): Promise<{readonly gpu: Gpu; readonly report: BackendReport}> =>
  openGranted('tiers', {tensorCores: true});

/** A backend of ours, active, with what it is asked for. */
export async function openGranted(
  name: string,
  asked: WebGPUBackendOptions,
): Promise<{readonly gpu: Gpu; readonly report: BackendReport}> {
  const report = await createWebGPUBackend({...asked, name});
  return {gpu: await activate(report.name), report};
}

async function activate(name: string): Promise<Gpu> {
  if (!(await tf.setBackend(name))) throw new Error('TensorFlow.js found no WebGPU adapter.');
  const backend = tf.backend() as WebGPUBackend;
  const {device} = backend;
  const {vendor, architecture, description, device: product, isFallbackAdapter} = device.adapterInfo;
  const errors: string[] = [];
  device.addEventListener('uncapturederror', (event) => errors.push((event as GPUUncapturedErrorEvent).error.message));
  return {
    backend,
    device,
    name: [vendor, architecture, product].filter(Boolean).join(' '),
    driver: description,
    software: isFallbackAdapter,
    takeErrors: () => errors.splice(0),
  };
}

const FORGETFUL = 'forgetful';

/** The stock backend as it is without this package, which no call of ours has met, on the same device. Others are active again after `run`. */
export async function onForgetful<T>({device, backend}: Gpu, run: (backend: WebGPUBackend) => Promise<T>): Promise<T> {
  const before = tf.getBackend();
  if (tf.findBackendFactory(FORGETFUL) === null) {
    const stock = backend.constructor as typeof WebGPUBackend;
    tf.copyRegisteredKernels('webgpu', FORGETFUL);
    tf.registerBackend(FORGETFUL, () => new stock(device, device.adapterInfo));
  }
  await tf.setBackend(FORGETFUL);
  try {
    return await run(tf.backend() as WebGPUBackend);
  } finally {
    await tf.setBackend(before);
  }
}

/** Submits what TensorFlow.js has recorded so far, so that what is submitted next runs after it. */
export function flush(backend: WebGPUBackend): void {
  // submitQueue() needs an encoder, and every pass in it ended.
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
}

/** Resolves when the device has done everything that was asked of it. */
export async function finish({backend, device}: Gpu): Promise<void> {
  flush(backend);
  await device.queue.onSubmittedWorkDone();
}
