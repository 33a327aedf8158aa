import * as tf from '@tensorflow/tfjs-core';
import {createWebGPUBackend, type BackendReport, type WebGPUBackendOptions} from '../../src/index.js';
import {backend} from './attend.js';
import {listenToErrors} from './gpu_setup.js';

/**
 * Gives the specs of a suite a backend made by `createWebGPUBackend`, beside the stock one and once for all of them. Call it inside
 * `describe`; the report is there from the first spec on.
 */
export function onSecondBackend(options: WebGPUBackendOptions = {}): {readonly report: BackendReport} {
  const name = 'second';
  const made: {report?: BackendReport} = {};
  beforeAll(async () => {
    // What is not granted is warned of; the report says it, too.
    spyOn(console, 'warn');
    made.report = await createWebGPUBackend({...options, name});
    await tf.setBackend(name);
    listenToErrors(backend().device);
  });
  beforeEach(async () => {
    // gpu_setup.ts has activated the stock one.
    await tf.setBackend(name);
    tf.engine().startScope();
  });
  afterEach(() => tf.engine().endScope());
  afterAll(async () => {
    await tf.setBackend('webgpu');
    tf.removeBackend(name);
    for (const {kernelName} of tf.getKernelsForBackend(name)) tf.unregisterKernel(kernelName, name);
  });
  return {
    get report() {
      return made.report!;
    },
  };
}
