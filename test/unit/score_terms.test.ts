import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import {CALL_TERMS} from '../../src/runtime/terms/terms.js';
import {SCORE_TERMS} from '../../src/wgsl/terms/terms.js';
import {expectExtraTerms, withExtraTerms} from '../support/terms/extra_terms.js';

describe('terms of scores', () => {
  it('are the same, in the same order, for kernels and for calls', () => {
    expect(CALL_TERMS.map(({name}) => name as string)).toEqual(SCORE_TERMS.map(({name}) => name));
    for (const [i, {roles}] of CALL_TERMS.entries())
      expect(roles as readonly string[]).toEqual((SCORE_TERMS[i]!.brings ?? []).map(({role}) => role));
  });
});

describe('a term that is added by a record in each list', () => {
  withExtraTerms();
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('has the numbers of the oracle in TensorFlow.js ops, alone and beside others, with gradients', async () => {
    await expectExtraTerms('auto', false);
    await expectExtraTerms('auto', true);
  });
});
