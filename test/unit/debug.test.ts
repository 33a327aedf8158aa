import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import {causal, currentDevice, planAttention, sparseAttention} from '../../src/index.js';
import {CORE_DEVICE} from '../../src/pure.js';

describe('SPLAT_DEBUG on another backend', () => {
  beforeAll(() => tf.setBackend('cpu'));
  afterEach(() => tf.env().set('SPLAT_DEBUG', 0));

  /** What a call prints at a level, a text for each room. */
  function printed(level: number, mask?: tf.Tensor): string[] {
    const log = spyOn(console, 'log');
    tf.env().set('SPLAT_DEBUG', level);
    const x = tf.ones([1, 2, 4, 8]);
    sparseAttention(x, x, x, mask ?? causal());
    return log.calls.allArgs().map(([text]) => String(text));
  }

  it('is silent at 0', () => expect(printed(0)).toEqual([]));

  it('prints the pattern, then rows, then who computes, then the time', () => {
    const rooms = printed(5);
    expect(rooms).toEqual([
      jasmine.stringMatching(/^sparseAttention: query \[1, 2, 4, 8\], .*'cpu'\npattern {2}causal\(\)$/),
      jasmine.stringMatching(/^acsr {5}4 × 4, nnz 10, 4 runs/),
      jasmine.stringMatching(/^plan {5}TensorFlow.js ops .*'cpu'$/),
      jasmine.stringMatching(/^time {5}SparseAttention: [\d.]+ ms$/),
    ]);
  });

  it('prints each room from its level on', () => {
    expect(printed(1).length).toBe(1);
  });

  it('has no rows for a mask tensor', () => {
    expect(printed(2, tf.ones([4, 4], 'bool'))).toEqual([jasmine.stringMatching(/pattern {2}a mask tensor$/)]);
  });

  it('refuses another level', () => {
    for (const level of [-1, 6, 1.5, NaN]) expect(() => tf.env().set('SPLAT_DEBUG', level)).toThrowError(/flag SPLAT_DEBUG: found/);
  });
});

describe('the device of a plan', () => {
  beforeAll(() => tf.setBackend('cpu'));
  const shape = {queryLength: 64, keyLength: 64, headDim: 16};

  it('is named in the text of the plan', () => {
    expect(planAttention(causal(), shape).toString()).toContain('planned for the limits that every WebGPU device guarantees');
    const device = {...CORE_DEVICE, vendor: 'nvidia', subgroups: {min: 32, max: 32}, float16: true, tuned: {a: 'wide'}};
    expect(planAttention(causal(), {...shape, device}).toString()).toContain(
      'planned for a device of nvidia, 16384 bytes shared, 134217728 a binding, subgroups of 32, float16, tuned',
    );
    const software = {...CORE_DEVICE, software: true, subgroups: {min: 4, max: 8}};
    expect(planAttention(causal(), {...shape, device: software}).toString()).toContain(
      'planned for a device played by the CPU, 16384 bytes shared, 134217728 a binding, subgroups of 4 to 8',
    );
  });

  it('is null where the backend does not run on WebGPU', () => expect(currentDevice()).toBeNull());
});
