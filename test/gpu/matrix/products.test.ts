import {generateProduct, makeProductPlan, type Device} from '../../../src/pure.js';
import {productCall} from '../../../src/runtime/products/product_call.js';
import {expectWithin} from '../../oracle.js';
import {backend} from '../../support/attend.js';
import {emulated} from '../../support/emulated_matrices.js';
import {toHalf} from '../../support/halves.js';
import {drawProduct, isKept, productOracle, type RandomProduct} from '../../support/product_cases.js';
import {featuredDevice, MATRIX_16} from '../../support/plans.js';
import {runProgram, type Contents} from '../../support/run_program.js';

const cube = (side: number): RandomProduct['block'] => ({m: side, k: side, n: side});
const PLAIN: RandomProduct = {
  ...{m: 64, k: 128, n: 128, block: cube(64), transposeA: false, transposeB: false, lead: [], shares: 'none'},
  ...{maskA: 0.5, maskB: 0.5, maskC: null, maskEach: false, seed: 1},
};

/** The kernels of a product, in memory that holds NaN, as are blocks that do not count. */
async function expectOnMatrices(given: RandomProduct, more: Partial<Device> = {}): Promise<string[]> {
  const drawn = drawProduct(given);
  const {a, b, c, options} = drawn;
  const {problem} = productCall(a.shape, b.shape, {...options, precision: 'float16'});
  const plan = makeProductPlan(problem, {...featuredDevice(MATRIX_16), ...more});
  expect(plan.tile.matrix).withContext(JSON.stringify(given)).toBe(MATRIX_16);
  const {launches, schedule, workBytes} = generateProduct(plan);
  const nan = (count: number): Float32Array => new Float32Array(count).fill(NaN);
  const poisoned = (of: typeof a): Float32Array => of.values.map((value, at) => (isKept(of, at) ? value : NaN));
  const contents: Contents = {
    ...{a: poisoned(a), b: poisoned(b), schedule: new Int32Array(schedule.buffer), output: nan(c.values.length)},
    ...(workBytes.scratch === undefined ? {} : {scratch: nan(workBytes.scratch / 4)}),
  };
  const {output} = await runProgram(backend().device, emulated(launches), contents, ['output']);
  const halves = (of: typeof a): typeof a => ({...of, values: of.values.map(toHalf)});
  const right = productOracle(given, {...drawn, a: halves(a), b: halves(b)}, new Float32Array(c.values.length));
  expectWithin(output.subarray(0, right.output.length), right.output, 4e-6 * Math.sqrt(given.k), JSON.stringify(given));
  return launches.map(({program}) => program.name);
}

describe('the text of products on tensor cores, on a device without them,', () => {
  const cases: [string, Partial<RandomProduct>][] = [
    ['64-blocks of both, of a batch with masks of their own', {lead: [2], maskEach: true, n: 64}],
    ['64-blocks of both, which lie transposed', {transposeA: true, transposeB: true, maskC: 0.7}],
    ['ragged 64-blocks in rows that are no fours', {m: 70, k: 75, n: 67}],
    [
      'ragged blocks of other sides, 16 along the sum, in rows of fours',
      {block: {m: 32, k: 48, n: 32}, m: 36, k: 76, n: 36, transposeA: true},
    ],
  ];
  for (const [title, given] of cases)
    it(`are those of the oracle of rounded operands: ${title}`, async () => {
      expect(await expectOnMatrices({...PLAIN, ...given})).toEqual(['SplatBlockSparseMatMul.matrix']);
    });

  it('long sums of few tiles, cut and merged', async () => {
    const given = {...PLAIN, m: 64, n: 64, k: 1100, maskA: null, maskB: 0.9};
    const names = await expectOnMatrices(given, {gpu: {multiprocessors: 132}});
    expect(names).toEqual(['SplatBlockSparseMatMul.matrix', 'SplatBlockSparseMatMul.merge']);
  });
});
