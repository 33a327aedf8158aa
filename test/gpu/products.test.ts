import '@tensorflow/tfjs';
import fc from 'fast-check';
import {anyProduct, expectProduct} from '../support/product_cases.js';

describe('products of blocks on WebGPU:', () => {
  it('are those of the oracle, with their gradients', () =>
    fc.assert(
      fc.asyncProperty(anyProduct(200), (given) => expectProduct(given, 4e-6)),
      {numRuns: 4},
    ));
});
