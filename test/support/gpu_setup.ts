import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';

/**
 * What every file of test/gpu finds: the stock WebGPU backend, active, and no spec may leave a WebGPU error that nobody heard.
 *
 * It runs before the specs, in Node as a jasmine helper and in the browser as the first import of the bundle.
 */

// A software adapter compiles a pipeline in one to four seconds, on a busy machine in more.
jasmine.DEFAULT_TIMEOUT_INTERVAL = 120_000;

const unheard: {readonly device: GPUDevice; readonly message: string}[] = [];
const lost = new WeakSet<GPUDevice>();

/**
 * The WebGPU errors since the last call. A spec that provokes errors on purpose takes them before it ends. Firefox complains of what a lost
 * device was asked for, some of it during the next spec: such errors do not count.
 */
export function takeUncapturedErrors(): string[] {
  return unheard
    .splice(0)
    .filter(({device}) => !lost.has(device))
    .map(({message}) => message);
}

/** Listens to the errors of a device that a spec made itself. */
export function listenToErrors(device: GPUDevice): void {
  // `lost` never rejects, and most devices are never lost.
  void device.lost.then(() => lost.add(device));
  device.addEventListener('uncapturederror', (event) =>
    unheard.push({device, message: (event as GPUUncapturedErrorEvent).error.message}),
  );
}

beforeAll(async () => {
  if (!(await tf.setBackend('webgpu'))) throw new Error('TensorFlow.js found no WebGPU adapter here.');
  const {device, adapterInfo} = tf.backend() as unknown as {device: GPUDevice; adapterInfo: {vendor: string; architecture: string}};
  console.log(`WebGPU adapter: ${adapterInfo.vendor} ${adapterInfo.architecture}`);
  listenToErrors(device);
});

beforeEach(async () => {
  // A spec that lost the backend or changed it must not fail its neighbours.
  if (tf.getBackend() !== 'webgpu') await tf.setBackend('webgpu');
});

afterEach(() => {
  expect(takeUncapturedErrors()).toEqual([]);
});

/** A software adapter that is still at work when the process ends takes it down. */
afterAll(async () => {
  await tf.setBackend('webgpu');
  await (tf.backend() as unknown as {device: GPUDevice}).device.queue.onSubmittedWorkDone();
});
