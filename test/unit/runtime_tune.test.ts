import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import {applyTuning, causal, tune} from '../../src/index.js';

describe('tune without WebGPU', () => {
  beforeAll(() => tf.setBackend('cpu'));

  const shape = {queryLength: 8, keyLength: 8, headDim: 4};

  it('says that there is nothing to tune', async () => {
    await expectAsync(tune(causal(), shape)).toBeRejectedWithError(/tune: found the backend 'cpu', expected a WebGPU backend/);
    expect(() => applyTuning({version: 'a', device: 'b', choices: {}})).toThrowError(/applyTuning: found the backend 'cpu'/);
  });

  it('refuses a wrong shape first', async () => {
    await expectAsync(tune(causal(), {...shape, headDim: 0})).toBeRejectedWithError(/headDim/);
    await expectAsync(tune('causal()' as never, shape)).toBeRejectedWithError(/pattern/);
  });
});
