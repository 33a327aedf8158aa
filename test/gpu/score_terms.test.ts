import * as tf from '@tensorflow/tfjs-core';
import {expectExtraTerms, withExtraTerms} from '../support/terms/extra_terms.js';

describe('on WebGPU, a term that is added by a record in each list', () => {
  withExtraTerms();
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('has the numbers of the oracle in our kernels, beside others, with gradients', () => expectExtraTerms('fused', true));

  it('has them alone where every pair is visited', () => expectExtraTerms('dense', false));
});
