import fc from 'fast-check';
import {compress, type Acsr} from '../../../src/acsr/index.js';
import {
  checkGradientPlan,
  checkPlan,
  CORE_DEVICE,
  makeGradientPlan,
  makePlan,
  pairsByKeys,
  planMaskTensor,
  type Device,
  type Problem,
} from '../../../src/plan/index.js';
import {mulberry32} from '../../oracle.js';
import {drawMask, maskOf, MASK_ZOO} from '../../support/mask_zoo.js';
import {expectSamePairs, featuredDevice, MATRIX_16, pairsOf, problemFor, SOFTWARE_DEVICE} from '../../support/plans.js';

const IMPLEMENTATIONS = ['auto', 'fused', 'dense'] as const;
const DEVICES: readonly (readonly [string, Device, Partial<Problem>])[] = [
  ['a GPU', CORE_DEVICE, {headDim: 64}],
  ['subgroups', {...featuredDevice(), float16: false}, {headDim: 64, heads: 2}],
  ['tensor cores', featuredDevice(MATRIX_16), {headDim: 64}],
  ['a software adapter', SOFTWARE_DEVICE, {}],
];
/** Rows and keys of one tile and a bit, of several, and no multiple of 32 or 64. */
const LENGTHS = [203, 517];

/** Of one plan both ways of computing its pairs: by rows, and by keys as gradients do. */
function expectRight(acsr: Acsr, problem: Problem, device: Device, pairs: Uint8Array): void {
  for (const implementation of IMPLEMENTATIONS) {
    const plan = makePlan(acsr, problem, device, implementation);
    checkPlan(plan);
    expectSamePairs(plan, pairs);
    for (const results of ['gradients', 'records'] as const) {
      const gradients = makeGradientPlan(plan, acsr, results);
      expectSamePairs(gradients.rows, pairs);
      checkGradientPlan(gradients);
      const byKeys = pairsByKeys(gradients, {head: 0, batch: 0});
      const at = pairs.findIndex((times, pair) => times !== byKeys[pair]);
      if (at >= 0) throw new Error(`${implementation}, by keys: pair ${at} is computed ${byKeys[at]} times`);
    }
  }
}

describe('plans of masks that no named pattern says', () => {
  for (const zoo of MASK_ZOO)
    it(`compute exactly the pairs of ${zoo.name}, by rows and by keys`, () => {
      for (const n of LENGTHS) {
        const shape = {queryLength: n, keyLength: n, queryOffset: 0};
        const {pattern} = drawMask(zoo, n);
        const [acsr, pairs] = [compress(pattern, shape), pairsOf(pattern, shape)];
        for (const [what, device, sizes] of DEVICES)
          expect(() => expectRight(acsr, problemFor(shape, sizes), device, pairs))
            .withContext(`${what}, ${n}`)
            .not.toThrow();
      }
    });

  it('compute exactly the pairs of rectangles cut out of them', () => {
    const random = mulberry32(3);
    for (const zoo of MASK_ZOO) {
      const {attends} = drawMask(zoo, 400);
      const [queryLength, keyLength] = [1 + Math.floor(random() * 300), 1 + Math.floor(random() * 300)];
      const [row, column] = [Math.floor(random() * 100), Math.floor(random() * 100)];
      const shape = {queryLength, keyLength, queryOffset: 0};
      const pattern = maskOf(shape, (query, key) => attends(row + query, column + key));
      expect(() => expectRight(compress(pattern, shape), problemFor(shape), CORE_DEVICE, pairsOf(pattern, shape)))
        .withContext(`${zoo.name}, ${JSON.stringify(shape)}`)
        .not.toThrow();
    }
  });

  it('compute exactly the pairs of any length', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MASK_ZOO),
        fc.integer({min: 2, max: 260}),
        fc.constantFrom(...DEVICES),
        (zoo, n, [, device, sizes]) => {
          const shape = {queryLength: n, keyLength: n, queryOffset: 0};
          const {pattern} = drawMask(zoo, n);
          expectRight(compress(pattern, shape), problemFor(shape, sizes), device, pairsOf(pattern, shape));
        },
      ),
      {numRuns: 120},
    );
  });

  it('are sparse beside one row of all keys: a hub costs its own tiles', () => {
    const shape = {queryLength: 1024, keyLength: 1024, queryOffset: 0};
    const {pattern} = drawMask(
      MASK_ZOO.find(({name}) => name === 'hub')!,
      1024,
    );
    const plan = makePlan(compress(pattern, shape), problemFor(shape, {headDim: 64}), CORE_DEVICE);
    expect(plan.implementation).toBe('fused');
    expect(plan.tileDensity).toBeGreaterThan(2 * plan.density);
  });
});

describe('plans of a mask that comes with the call', () => {
  it('compute every pair', () => {
    for (const [what, device, sizes] of DEVICES) {
      const problem = problemFor({queryLength: 203, keyLength: 517, queryOffset: 0}, sizes);
      const plan = planMaskTensor(problem, device);
      expect(() => checkPlan(plan))
        .withContext(what)
        .not.toThrow();
      expect(plan.nnz).toBe(203 * 517);
    }
  });
});
