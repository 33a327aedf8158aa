import type {Device} from '../../../src/pure.js';
import type {RandomProduct} from '../../support/product_cases.js';
import {expectLaunches} from '../../support/product_launches.js';
import {featuredDevice, MATRIX_16} from '../../support/plans.js';

const cube = (side: number): RandomProduct['block'] => ({m: side, k: side, n: side});
const PLAIN: RandomProduct = {
  ...{m: 64, k: 128, n: 64, block: cube(64), transposeA: false, transposeB: false, lead: [], shares: 'none'},
  ...{maskA: 0.7, maskB: 0.7, maskC: null, maskEach: false, seed: 1},
};

async function namesOf(given: Partial<RandomProduct>, more: Partial<Device> = {}): Promise<readonly string[]> {
  const device = {...featuredDevice(MATRIX_16), ...more};
  const {plan, names} = await expectLaunches({...PLAIN, ...given}, device, {precision: 'float16'});
  expect(plan.tile.matrix).withContext(JSON.stringify(given)).toBe(MATRIX_16);
  return names;
}

describe('the text of products on tensor cores, on a device without them,', () => {
  const cases: [string, Partial<RandomProduct>][] = [
    [
      '32-blocks of both, which lie transposed, of a batch with masks of their own',
      {block: cube(32), transposeA: true, transposeB: true, k: 96, lead: [2], maskEach: true},
    ],
    ['ragged 64-blocks in rows that are no fours', {m: 70, k: 75, n: 35}],
    [
      'ragged blocks of other sides, 16 along the sum, in rows of fours',
      {block: {m: 32, k: 48, n: 32}, m: 36, k: 76, n: 36, transposeA: true},
    ],
  ];
  for (const [title, given] of cases)
    it(`are those of the oracle of rounded operands: ${title}`, async () => {
      expect(await namesOf(given)).toEqual(['SplatBlockSparseMatMul.matrix']);
    });

  it('long sums of few tiles, cut and merged', async () => {
    const names = await namesOf({block: cube(32), m: 32, n: 32, k: 1100, maskA: null, maskB: 0.9}, {gpu: {multiprocessors: 132}});
    expect(names).toEqual(['SplatBlockSparseMatMul.matrix', 'SplatBlockSparseMatMul.merge']);
  });
});
