import * as tf from '@tensorflow/tfjs-core';
import {fromMask, planAttention, sparseAttention, strided} from '../../src/index.js';

describe('a dense plan whose rows of mask bits recur on WebGPU', () => {
  it('computes what one with all of its rows does, gradients too', async () => {
    await tf.setBackend('webgpu');
    // Past the 1,152 rows that are written, so that some tiles read rows of others.
    const [queryLength, keyLength, stride] = [1216, 6432, 96];
    const offset = keyLength - queryLength;
    const pairs = Uint8Array.from({length: queryLength * keyLength}, (_, at) =>
      Number((Math.floor(at / keyLength) + offset - (at % keyLength)) % stride !== 0),
    );
    const [recurring, written] = [strided({stride}).not(), fromMask(pairs, {queryLength, keyLength})];
    const shape = {queryLength, keyLength, headDim: 4};
    const plans = [recurring, written].map((pattern) => planAttention(pattern, {...shape, implementation: 'dense'}));
    expect(plans[0]!.schedule.length).toBeLessThan(plans[1]!.schedule.length - 60 * 200);
    tf.engine().startScope();
    const sizes = [
      [1, 1, queryLength, 4],
      [1, 1, keyLength, 4],
      [1, 1, keyLength, 4],
    ] as const;
    const inputs = sizes.map((each, i) => tf.randomNormal([...each], 0, 1, 'float32', i + 1));
    const [first, second] = [recurring, written].map((pattern) => {
      const call = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor =>
        sparseAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, pattern, {implementation: 'dense'});
      return [call(inputs[0]!, inputs[1]!, inputs[2]!), ...tf.grads(call as never)(inputs)];
    }) as [tf.Tensor[], tf.Tensor[]];
    for (const [i, tensor] of first.entries()) {
      const difference = await tf.max(tf.abs(tf.sub(tensor, second[i]!))).data();
      expect(difference[0]).withContext(`tensor ${i}`).toBeLessThan(1e-5);
    }
    tf.engine().endScope();
  });
});
