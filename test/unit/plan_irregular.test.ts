import fc from 'fast-check';
import {compress, type Acsr} from '../../src/acsr/index.js';
import {fromMask} from '../../src/pattern/index.js';
import {everyRow, hashRows} from '../../src/plan/bit_rows.js';
import {cuthillMcKee} from '../../src/plan/cuthill_mckee.js';
import {
  checkGradientPlan,
  checkPlan,
  CORE_DEVICE,
  makeGradientPlan,
  makePlan,
  type Device,
  type Plan,
} from '../../src/plan/index.js';
import {atOnce} from '../../src/support/index.js';
import {mulberry32} from '../oracle.js';
import {shuffled} from '../support/mask_cases.js';
import {hashed} from '../support/mask_draws.js';
import {drawMask, maskOf, MASK_ZOO} from '../support/mask_zoo.js';
import {problemFor} from '../support/plans.js';

const GPU: Device = {...CORE_DEVICE, vendor: 'nvidia', maxWorkgroupBytes: 49152};
const N = 1024;
const shape = {queryLength: N, keyLength: N, queryOffset: 0};
const problem = problemFor(shape, {heads: 8, headDim: 64});

const acsrOf = (name: string, n: number): Acsr => {
  const zoo = MASK_ZOO.find((each) => each.name === name)!;
  return compress(drawMask(zoo, n).pattern, {queryLength: n, keyLength: n, queryOffset: 0});
};
const planOf = (name: string, device = GPU, n = N): Plan =>
  makePlan(acsrOf(name, n), problemFor({queryLength: n, keyLength: n, queryOffset: 0}, {heads: 8, headDim: 64}), device);
/** Of each pass: the rows of its tiles, how they are named, and what hides pairs. */
const passesOf = ({passes}: Plan): string[] => passes.map(({tile, kinds}) => `${tile.rows} ${kinds.rows} ${kinds.mask}`);

describe('rows without order', () => {
  it('go row by row where they share no keys, in the given order where no other is better', () => {
    expect(passesOf(planOf('random1'))).toEqual(['8 affine own']);
    expect(passesOf(planOf('logSparse'))).toEqual(['8 affine own']);
  });

  it('go in fours that share a list where subgroups add up and neighbours share most keys', () => {
    const subgroups = {...GPU, subgroups: {min: 32, max: 32}};
    expect(passesOf(planOf('verticalSlash', subgroups))).toEqual(['32 affine fours']);
    expect(passesOf(planOf('verticalSlash'))).toEqual(['8 affine own']);
    expect(passesOf(planOf('verticalSlash', {...GPU, subgroups: {min: 4, max: 4}}))).toEqual(['8 affine own']);
  });

  it('have lists of keys in tiles as high as their blocks', () => {
    expect(passesOf(planOf('blocks16', GPU, 4096))).toEqual(['16 affine bits']);
  });

  it('are put in an order in which tiles are dense: the same keys together, tiles of a grid, groups that share keys', () => {
    for (const [name, order, n] of [
      ['swin', 'rows of the same keys together', 4096],
      ['neighbourhood', 'tiles of a grid 64 wide', 4096],
      ['shuffledWindow', 'rows in the order of a band', N],
      ['nearest16', 'rows grouped by shared keys', N],
    ] as const) {
      const plan = planOf(name, GPU, n);
      if (n === N) checkPlan(plan);
      expect(plan.passes.map(({kinds}) => kinds.rows))
        .withContext(name)
        .toEqual(['list']);
      // Of two that are as good, the one that was found first is taken.
      const best = plan.candidates.filter(({costMs}) => costMs < 1.01 * plan.candidates[0]!.costMs);
      expect(best.some((each) => each.name.includes(order)))
        .withContext(name)
        .toBeTrue();
    }
    expect(planOf('swin', GPU, 4096).tileDensity).toBe(1);
  });

  it('of a band that was shuffled stand side by side again', () => {
    const random = mulberry32(5);
    const [length, reach] = [500, 3];
    const sizes = {queryLength: length, keyLength: length};
    const place = shuffled(length, random);
    const ring = (query: number, key: number): boolean => {
      const distance = Math.abs(place[query]! - place[key]!);
      return Math.min(distance, length - distance) <= reach;
    };
    const rows = atOnce(everyRow(compress(maskOf(sizes, ring), {...sizes, queryOffset: 0})));
    const order = atOnce(cuthillMcKee(rows, atOnce(hashRows(rows))))!;
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({length}, (_, row) => row));
    // A ring is walked along both sides at once: places of neighbours lie within two reaches on either.
    for (let at = 2 * reach; at < length; at++) {
      const near = Array.from({length: 2 * reach}, (_, back) => back + 1).some((back) => {
        const distance = Math.abs(place[order[at]!]! - place[order[at - back]!]!);
        return Math.min(distance, length - distance) <= 2 * reach;
      });
      expect(near).withContext(String(at)).toBeTrue();
    }
  });

  it('of a band that goes one way are all in its order', () => {
    // A causal window, shuffled: no row comes to those behind it.
    const length = 300;
    const place = shuffled(length, mulberry32(6));
    const sizes = {queryLength: length, keyLength: length};
    const behind = (query: number, key: number): boolean => place[key]! <= place[query]! && place[query]! - place[key]! <= 2;
    const rows = atOnce(everyRow(compress(maskOf(sizes, behind), {...sizes, queryOffset: 0})));
    const order = atOnce(cuthillMcKee(rows, atOnce(hashRows(rows))));
    expect([...order!].sort((a, b) => a - b)).toEqual(Array.from({length}, (_, row) => row));
  });

  it('are in an order of all rows, or none, whatever the mask', () => {
    fc.assert(
      fc.property(
        fc.integer({min: 16, max: 90}),
        fc.integer({min: 1, max: 90}),
        fc.double({min: 0, max: 0.2, noNaN: true}),
        fc.nat(),
        (queries, keys, share, seed) => {
          const random = mulberry32(seed);
          const mask = Uint8Array.from({length: queries * keys}, () => Number(random() < share));
          const shape = {queryLength: queries, keyLength: keys};
          const rows = atOnce(everyRow(compress(fromMask(mask, shape), {...shape, queryOffset: 0})));
          const order = atOnce(cuthillMcKee(rows, atOnce(hashRows(rows))));
          if (order !== null) expect([...order].sort((a, b) => a - b)).toEqual(Array.from({length: queries}, (_, row) => row));
        },
      ),
      {numRuns: 1000},
    );
  });

  it('go in fours in both halves of a backward pass, too', () => {
    const subgroups = {...GPU, subgroups: {min: 32, max: 32}};
    const plan = makeGradientPlan(planOf('blocks16', subgroups), acsrOf('blocks16', N), 'gradients');
    expect(plan.rows.passes.map(({kinds}) => kinds.mask)).toEqual(['fours']);
    expect(plan.keys.passes.map(({kinds}) => kinds.mask)).toEqual(['fours']);
    checkGradientPlan(plan);
  });

  it('look for no order where trial groups share nothing', () => {
    expect(planOf('random1').candidates.map(({name}) => name)).not.toContain(jasmine.stringContaining('grouped'));
  });

  it('of many keys are cut into parts among short ones, and not where all are long', () => {
    const hubs = planOf('hub');
    expect(hubs.slots).toBeGreaterThan(0);
    expect(hubs.passes.every(({slots}) => slots <= hubs.slots)).toBeTrue();
    const even = maskOf(shape, (query, key) => hashed(query, key, 5) % 16 === 0);
    expect(makePlan(compress(even, shape), problem, GPU).slots).toBe(0);
  });

  it('are mixed with tiles in one plan, each granule as is cheapest', () => {
    const n = 2048;
    const sizes = {queryLength: n, keyLength: n, queryOffset: 0};
    // Some rows of random pairs, others of the same random keys.
    const halves = maskOf(sizes, (query, key) =>
      query < n / 2 ? hashed(query, key, 1) % 64 === 0 : hashed(query >> 6, key, 2) % 4 === 0,
    );
    const plan = makePlan(compress(halves, sizes), problemFor(sizes, {heads: 8, headDim: 64}), GPU);
    expect(plan.passes.map(({kinds, continues}) => [kinds.mask, continues])).toEqual(
      jasmine.arrayWithExactContents([
        ['own', false],
        ['bits', false],
      ]),
    );
    checkPlan(plan);
  });

  it('go dense where most pairs attend, before they are written out', () => {
    const half = maskOf(shape, (query, key) => hashed(query, key, 3) % 2 === 0);
    const plan = makePlan(compress(half, shape), problem, GPU);
    expect([plan.implementation, plan.passes.length]).toEqual(['dense', 1]);
    expect(plan.candidates[0]!.name).toBe('dense');
  });

  it('are compared with every other way, the fastest first', () => {
    const {candidates, costMs} = planOf('random1');
    expect(candidates.map(({name}) => name)).toEqual(
      jasmine.arrayContaining(['row by row', 'lists of keys in 32 × 32', 'lists of keys in 16 × 32', 'dense']),
    );
    const costs = candidates.map((each) => each.costMs);
    expect(costs).toEqual([...costs].sort((a, b) => a - b));
    expect(costs[0]).toBeCloseTo(costMs, 3);
    for (const {tileDensity} of candidates) expect(tileDensity > 0 && tileDensity <= 1).toBeTrue();
  });
});
