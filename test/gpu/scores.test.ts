import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {full, sddmm, SplatError} from '../../src/index.js';
import {specifyScores} from '../support/score_cases.js';

// By TensorFlow.js ops, as on other backends, which run all cases.
describe('packed scores on WebGPU:', () => {
  specifyScores(4e-6, 0, ['grouped heads', 'lengths and segments', 'rows without pairs', 'a pattern for each head']);

  it('refuse more than a binding holds, before anything runs', () => {
    tf.engine().startScope();
    const x = tf.zeros<tf.Rank.R4>([1, 1, 2 ** 16, 1]);
    expect(() => sddmm(x, x, full())).toThrowError(
      SplatError,
      /^bytes of scores: found 17179869184, expected at most \d+, a binding .*Split/,
    );
    tf.engine().endScope();
  });
});
