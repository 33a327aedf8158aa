import * as tf from '@tensorflow/tfjs-core';

describe('the test harness', () => {
  it('computes on the WebGPU backend', async () => {
    const product = tf.matMul(tf.ones([4, 8]), tf.ones([8, 3]));
    expect(tf.getBackend()).toBe('webgpu');
    expect(Array.from(await product.data())).toEqual(new Array(12).fill(8));
  });
});
