import {causal, globalTokens, slidingWindow, parsePattern} from '../../../src/pattern/index.js';
import type {ScoreProduct} from '../../../src/plan/index.js';
import {SOFTWARE_DEVICE} from '../../support/plans.js';
import {CORE_DEVICE} from '../../../src/plan/index.js';
import {expectScoreTiles, type ScoreTileCase} from '../../support/score_tile_cases.js';

const square = (n: number): ScoreTileCase['shape'] => ({queryLength: n, keyLength: n, queryOffset: 0});

describe('products of packed numbers over tiles:', () => {
  const cases: [string, Omit<ScoreTileCase, 'device'>][] = [
    ['a window', {pattern: slidingWindow({left: 20, right: 9}), shape: square(150)}],
    ['causal', {pattern: causal(), shape: {queryLength: 100, keyLength: 130, queryOffset: 30}, heads: 4, keyHeads: 2}],
    ['globals', {pattern: slidingWindow({left: 20, right: 9}).or(globalTokens(3)), shape: square(150), batch: 2, heads: 2, keyHeads: 1, dim: 7}],
    ['dilated', {pattern: parsePattern('slidingWindow(left: 9, right: 4, dilation: 3)'), shape: square(131), dim: 13}],
    ['rows without keys', {pattern: parsePattern('slidingWindow(left: 5, right: 0) and not globalTokens(40)'), shape: square(90)}],
  ];
  for (const product of ['sddmm', 'spmm', 'transposed'] as ScoreProduct[])
    for (const [title, given] of cases)
      it(`${product}, ${title}`, async () => {
        expect(await expectScoreTiles(product, {...given, device: SOFTWARE_DEVICE})).not.toBeNull();
      });
  for (const product of ['spmm', 'transposed'] as ScoreProduct[])
  it(`${product} cut`, async () => {
    const device = {...CORE_DEVICE, vendor: 'nvidia'};
    const plan = await expectScoreTiles(product, {pattern: causal(), shape: square(1500), heads: 1, dim: 8, device});
    console.log(plan?.rows.passes, plan?.keys?.passes);
  });
});
