import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {causal, sddmm, slidingWindow, spmm} from '../../src/index.js';
import {PLAIN, type DenseCase} from '../support/dense_cases.js';
import {expectChainGradients, expectOwnGradients, expectScores} from '../support/score_cases.js';

/** Which kernels run, without those that TensorFlow.js has for shapes. */
async function kernelsOf(body: () => tf.Tensor | tf.Tensor[]): Promise<string[]> {
  const {kernels} = await tf.profile(() => tf.tidy(body));
  return kernels.map(({name}) => name).filter((name) => name.startsWith('Splat'));
}

const TILES = 'SplatPackedTiles';

describe('packed scores of dense tiles:', () => {
  const long = {queryLength: 70, keyLength: 75, queryOffset: 5, pattern: 'causal()', headDim: 33};

  async function expectOverTiles(given: DenseCase, limit: number, expected = expectScores): Promise<void> {
    const {kernels} = await tf.profile(async () => {
      await expected(given, limit);
      return [];
    });
    expect(kernels.map(({name}) => name)).toContain(TILES);
  }

  it('take every option that makes scores', () =>
    expectOverTiles(
      {
        ...{...PLAIN, ...long, softcap: 0.7, alibi: true, bias: [true, true, true, true], relative: 'heads'},
        ...{lengths: true, segments: true, layout: 'blhd'},
      },
      8e-6,
    ));

  it('count as they are where a softcap is all that is added', () =>
    expectOverTiles({...PLAIN, ...long, softcap: 2, batch: 1, keyHeads: 1}, 4e-6));

  it('have gradients over tiles, in a layout with lengths before heads', () =>
    expectOverTiles({...PLAIN, ...long, valueDim: 33, layout: 'blhd'}, 4e-6, expectOwnGradients));

  it('pass nothing on to pairs that are hidden', () =>
    expectOverTiles({...PLAIN, ...long, valueDim: 33, lengths: true, segments: true}, 16e-6, expectChainGradients));

  it('one kernel each, and gradients one for each operand', async () => {
    const [query, key] = [tf.ones<tf.Rank.R4>([1, 2, 70, 32]), tf.ones<tf.Rank.R4>([1, 2, 70, 32])];
    expect(await kernelsOf(() => sddmm(query, key, causal()).values)).toEqual([TILES]);
    const weights = sddmm(query, key, causal());
    expect(await kernelsOf(() => spmm(weights, key))).toEqual([TILES]);
    expect(await kernelsOf(() => spmm(weights.transpose(), query))).toEqual([TILES]);
    const gradients = tf.grads((q: tf.Tensor, k: tf.Tensor) => sddmm(q as tf.Tensor4D, k as tf.Tensor4D, causal()).values);
    expect(await kernelsOf(() => gradients([query, key]))).toEqual([TILES, TILES, TILES]);
    tf.dispose([query, key, weights.values]);
  });

  it('are left to kernels that go row by row where tiles would be nearly empty', async () => {
    const x = tf.ones<tf.Rank.R4>([1, 2, 70, 8]);
    expect(await kernelsOf(() => sddmm(x, x, slidingWindow({left: 1})).values)).toEqual(['SplatSddmm']);
    x.dispose();
  });
});
