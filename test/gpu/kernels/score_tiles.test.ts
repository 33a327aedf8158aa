import fc from 'fast-check';
import {parsePattern} from '../../../src/pattern/index.js';
import type {Device, ScoreProduct} from '../../../src/plan/index.js';
import {arbitraryPattern} from '../../support/arbitraries.js';
import {SOFTWARE_DEVICE} from '../../support/plans.js';
import {expectScoreTiles, type ScoreTileCase} from '../../support/score_tile_cases.js';

type Case = Omit<ScoreTileCase, 'device' | 'pattern'> & {readonly pattern: string; readonly device?: Device};

const square = (n: number): Case['shape'] => ({queryLength: n, keyLength: n, queryOffset: 0});
const run = (product: ScoreProduct, {pattern, ...given}: Case): ReturnType<typeof expectScoreTiles> =>
  expectScoreTiles(product, {device: SOFTWARE_DEVICE, ...given, pattern: parsePattern(pattern)});

const RUNS = 120;
const PRODUCTS: readonly ScoreProduct[] = ['sddmm', 'spmm', 'transposed'];
const CAUSAL: Case = {pattern: 'causal()', shape: {queryLength: 100, keyLength: 131, queryOffset: 31}, heads: 4, keyHeads: 2};
const CASES: readonly Case[] = [
  CAUSAL,
  {pattern: 'slidingWindow(left: 20, right: 9) or globalTokens(3)', shape: square(150), batch: 2, heads: 2, keyHeads: 1},
  {pattern: 'slidingWindow(left: 9, right: 4, dilation: 3)', shape: square(131)},
  {pattern: 'documents([40, 1, 33, 26])', shape: square(100), heads: 1},
];

describe('products of packed numbers over tiles:', () => {
  for (const product of PRODUCTS) {
    it(`${product} of windows, prefixes, dilations and documents`, async () => {
      for (const given of CASES)
        expect(await run(product, given))
          .withContext(given.pattern)
          .not.toBeNull();
    });

    it(`${product} of features that fill no vec4`, async () => {
      expect(await run(product, {...CAUSAL, dim: 37})).not.toBeNull();
    });

    it(`${product} in parts`, async () => {
      const plan = await run(product, {...CAUSAL, batch: 2, part: 1});
      if (product === 'sddmm') return;
      expect((plan!.keys ?? plan!.rows).slots).toBeGreaterThan(3);
      // Scratch for three parts of 64 keys, used by one wave after another.
      const device = {...SOFTWARE_DEVICE, maxBindingBytes: 3 * 64 * 32 * 8};
      const waves = await run(product, {...CAUSAL, batch: 2, part: 1, device});
      expect((waves!.keys ?? waves!.rows).passes.length).toBeGreaterThan(1);
    });
  }

  it('rows and keys that no pair has are not used', async () => {
    // Every row of the pattern has the gap, and tiles would read it.
    const shape = square(90);
    const gap = 'slidingWindow(left: 8, right: 8) and not globalTokens([50])';
    expect(await run('sddmm', {pattern: gap, shape})).not.toBeNull();
    expect(await run('transposed', {pattern: gap, shape})).not.toBeNull();
    expect(await run('spmm', {pattern: gap, shape})).toBeNull();
  });

  it('patterns whose pairs have no closed form are left to others', async () => {
    for (const pattern of ['strided(stride: 2) or strided(stride: 3)', 'not full()'])
      expect(await run('spmm', {pattern, shape: square(60)}))
        .withContext(pattern)
        .toBeNull();
  });

  it('any pattern, any cut', async () => {
    const length = fc.integer({min: 1, max: 110});
    const shapes = fc.record({queryLength: length, keyLength: length, queryOffset: fc.integer({min: -40, max: 40})});
    let computed = 0;
    await fc.assert(
      fc.asyncProperty(
        arbitraryPattern(),
        shapes,
        fc.constantFrom(...PRODUCTS),
        fc.constantFrom(undefined, 1, 2),
        async (pattern, shape, product, part) => {
          const plan = await expectScoreTiles(product, {
            pattern,
            shape,
            device: SOFTWARE_DEVICE,
            ...(part !== undefined && {part}),
          });
          if (plan !== null) computed++;
        },
      ),
      {numRuns: RUNS},
    );
    expect(computed).toBeGreaterThan(RUNS / 3);
  });
});
