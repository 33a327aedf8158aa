import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {expectGradients} from '../../support/gradient_cases.js';
import {BASE, type OptionCase} from '../../support/option_cases.js';

/** Full and partial tiles on either side of several tiles, fewer key heads. */
const CASE: OptionCase = {
  ...{...BASE, batch: 1, keyHeads: 1, queryLength: 70, keyLength: 150, queryOffset: 60},
  pattern: 'slidingWindow(left: 90, right: 20) or globalTokens(2)',
};

describe('gradients on WebGPU are right for heads of', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  // Products and sums of wide features go through workgroup memory in steps. Each pair is two pipelines, which take seconds each.
  for (const [headDim, valueDim] of [
    [1, 3],
    [6, 1],
    [64, 64],
    [80, 96],
    [128, 128],
    [200, 40],
    [256, 256],
  ] as const)
    it(`${headDim} features and values of ${valueDim}`, async () => {
      await expectGradients({...CASE, headDim, valueDim}, `${headDim} → ${valueDim}`);
    });

  // Of rows of this many keys a GPU takes 64 × 64 tiles, with more memory for 128 features, and most of it with options.
  const large = {bias: [true, true, false, false], lengths: true, sinks: true, dropout: 0.2, softcap: 1.5} as const;
  for (const [headDim, options] of [
    [64, {}],
    [128, large],
  ] as const)
    it(`${headDim} features, where a GPU takes its large tiles`, async () => {
      const sizes = {queryLength: 330, keyLength: 330, queryOffset: 0, headDim, valueDim: headDim};
      await expectGradients({...CASE, ...sizes, ...options, pattern: 'causal()'}, `large tiles, ${headDim}`);
    });

  it('80 features, all of them with options', async () => {
    const options = {
      softcap: 1.5,
      dropout: 0.2,
      lengths: true,
      relative: 'heads',
      bias: [true, true, true, true],
      sinks: true,
    } as const;
    await expectGradients({...CASE, ...options, headDim: 80, valueDim: 33, layout: 'blhd', aux: true}, 'options');
  });
});
