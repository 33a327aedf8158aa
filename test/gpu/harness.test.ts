import * as tf from '@tensorflow/tfjs-core';
import {takeUncapturedErrors} from '../support/gpu_setup.js';

describe('the test harness', () => {
  it('computes on the WebGPU backend', async () => {
    const product = tf.matMul(tf.ones([4, 8]), tf.ones([8, 3]));
    expect(tf.getBackend()).toBe('webgpu');
    expect(Array.from(await product.data())).toEqual(new Array(12).fill(8));
    product.dispose();
  });

  it('hears a WebGPU error that nobody handled', async () => {
    const {device} = tf.backend() as unknown as {device: GPUDevice};
    device.createBuffer({size: 16, usage: 0});
    await device.queue.onSubmittedWorkDone();
    expect(takeUncapturedErrors()).toHaveSize(1);
  });
});
