import {headsText} from '../../bench/mask_heads.js';
import {parseMaskOptions} from '../../bench/mask_options.js';
import {calibrationText, fitRates, timedOf, type Timed} from '../../bench/calibrate.js';
import {favouring, type Way} from '../../bench/favoured.js';
import {CORPUS, windowLike} from '../../bench/mask_corpus.js';
import {countedOf, predicted} from '../../bench/mask_counts.js';
import {masksText, spearman} from '../../bench/mask_report.js';
import {planned} from '../../bench/mask_rows.js';
import {sampledErrors, halfInputs} from '../../bench/reference.js';
import type {MaskRecord} from '../../bench/records.js';
import {compress} from '../../src/acsr/index.js';
import {gpuOf, REFERENCE, type Gpu} from '../../src/plan/index.js';
import {compile, CORE_DEVICE, type Compiled} from '../../src/pure.js';
import {problemFor} from '../support/plans.js';
import {oracle} from '../oracle.js';
import {drawMask, MASK_ZOO} from '../support/mask_zoo.js';

const NAMES = CORPUS.map(({name}) => name);

describe('the benchmark of masks', () => {
  it('sweeps all masks on a GPU and a few on a software adapter', () => {
    expect(parseMaskOptions([], NAMES, false)).toEqual(
      jasmine.objectContaining({lengths: [1024, 4096, 16384], masks: NAMES, systems: ['float32', 'tensor cores'], heads: 8}),
    );
    expect(parseMaskOptions([], NAMES, true)).toEqual(jasmine.objectContaining({lengths: [200], systems: ['float32'], heads: 2}));
    expect(parseMaskOptions(['--masks', 'hub', '--systems', 'float16-storage', '--ask', 'dense,row-by-row'], NAMES, false)).toEqual(
      jasmine.objectContaining({masks: ['hub'], systems: ['float16 storage'], asked: ['dense', 'row by row']}),
    );
    expect(() => parseMaskOptions(['--masks', 'swim'], NAMES, false)).toThrowError(/Did you mean 'swin'/);
    expect(() => parseMaskOptions(['--systems', 'prototype-matrix'], NAMES, false)).toThrowError(/--systems/);
    expect(() => parseMaskOptions(['--ask', 'in-threes'], NAMES, false)).toThrowError(/--ask.*in fours/s);
  });

  const row = (asked: MaskRecord['asked'], implementation: string, ms: number): MaskRecord => ({
    ...{kind: 'mask', mask: 'hub', system: 'float32', n: 4096, heads: 8, headDim: 64, asked, implementation, ms},
    ...{pairs: 69616, density: 0.004, tileDensity: 0.02, predictedMs: 1.5 * ms, planMs: 9},
  });

  it('says which way was chosen, which was best, and where the choice was wrong', () => {
    const right = masksText([row('row by row', 'fused', 0.2), row('dense', 'dense', 1.1), row('auto', 'fused', 0.2)]);
    expect(right.split('\n')[2]).toMatch(
      /^hub +4096 +float32 +69616 +0\.400 % +2\.00 % +9\.00 +0\.300 +row by row +0\.200 +359 +row by row +0\.200 +1\.00×$/,
    );
    expect(right).toContain('within 10 % of the best in 1 of 1 cases.');
    const wrong = masksText([row('row by row', 'fused', 0.2), row('dense', 'dense', 1.1), row('auto', 'dense', 1.1)]);
    expect(wrong).toContain('in 0 of 1 cases; it is not in\nhub 4096 float32: dense 1.10 ms, row by row 0.200 ms (5.50×)');
    const {ms, ...failed} = row('auto', 'fused', 1);
    expect(masksText([{...failed, ms: null, error: 'wrong: max error 1'}])).toContain('hub 4096 float32 auto: wrong: max error 1');
    expect(ms).toBe(1);
  });

  it('ranks predicted and measured times', () => {
    const ms = [1, 2, 3, 4];
    expect(spearman(ms, [10, 20, 30, 400])).toBeCloseTo(1, 12);
    expect(spearman(ms, [4, 3, 2, 1])).toBeCloseTo(-1, 12);
    // Ranks 0, 2, 1, 3: 1 − 6·2 / (4·15).
    expect(spearman(ms, [1, 3, 2, 4])).toBeCloseTo(0.8, 12);
    expect(spearman(ms, [1, 1, 2, 2])).toBeCloseTo(2 / Math.sqrt(5), 12);
    const rows = [row('row by row', 'fused', 0.2), row('lists', 'fused', 0.3), row('dense', 'dense', 1.1)];
    expect(masksText(rows)).toContain('float32: predicted and measured times of 3 kernels rank with Spearman 1.000');
    expect(masksText(rows)).toContain('measured / predicted is 0.667 in the median');
  });

  it('leaves one way of each mask, and computes the same by it', () => {
    const draw = MASK_ZOO.find(({name}) => name === 'buckets')!;
    const {pattern} = drawMask(draw, 512);
    const device = {...CORE_DEVICE, subgroups: {min: 32, max: 32}};
    const problem = problemFor({queryLength: 512, keyLength: 512, queryOffset: 0}, {heads: 8, headDim: 64});
    const compiledAs = (way: Way): Compiled => compile(pattern, problem, favouring(way, device), {implementation: 'fused'});
    const kindsOf = ({plan}: Compiled): string[] => plan.passes.map(({kinds, tile}) => `${kinds.mask} ${tile.rows}`);
    expect(kindsOf(compiledAs('row by row'))).toEqual(['own 8']);
    expect(kindsOf(compiledAs('in fours'))).toEqual(['fours 32']);
    expect(kindsOf(compiledAs('low lists'))).toEqual(['bits 32']);
    const reference = compile(pattern, problem, device);
    const {counts, ...beside} = countedOf(reference);
    expect(predicted({counts, ...beside}, gpuOf(device))).toBeCloseTo(reference.plan.costMs, 12);
  });

  it('draws the whole corpus as its arithmetic says', () => {
    expect(CORPUS.length).toBeGreaterThanOrEqual(30);
    for (const mask of CORPUS) {
      const {pattern, attends} = mask.at(130);
      for (let pair = 0; pair < 130 * 130; pair += 7) {
        const [query, key] = [Math.floor(pair / 130), pair % 130];
        expect(pattern.attends(query, key, {queryLength: 130, keyLength: 130}))
          .withContext(`${mask.name} ${query} ${key}`)
          .toBe(attends(query, key));
      }
    }
    const window = windowLike('bigBird', 4096, 2555904)!;
    const pairs = compress(window.pattern, {queryLength: 4096, keyLength: 4096, queryOffset: 0}).nnz;
    expect(Math.abs(pairs / 2555904 - 1)).toBeLessThan(0.01);
    expect(windowLike('swin', 4096, 1000)).toBeNull();
  });

  it('fits the rates of a GPU to what it took', () => {
    // What a device that is 3 times as slow at lists and 5 times at rows one by one would take.
    const slow: Gpu = {...REFERENCE, listTile: 3 * REFERENCE.listTile, ownPairMs: 5 * REFERENCE.ownPairMs};
    const problem = problemFor({queryLength: 512, keyLength: 512, queryOffset: 0}, {heads: 8, headDim: 64});
    const rows = MASK_ZOO.slice(0, 8).flatMap((zoo) =>
      (['lists', 'low lists', 'row by row', 'arithmetic'] as const).map((asked): Timed => {
        const compiled = compile(drawMask(zoo, 512).pattern, problem, favouring(asked, CORE_DEVICE), {implementation: 'fused'});
        const counted = countedOf(compiled);
        return {...row('lists', 'fused', 0), mask: zoo.name, asked, counted, ms: predicted(counted, slow)};
      }),
    );
    const fitted = fitRates(rows, REFERENCE);
    const missOf = (gpu: Gpu): number =>
      Math.max(...rows.map(({counted, ms}) => Math.abs(Math.log2(predicted(counted, gpu) / ms))));
    expect(missOf(REFERENCE)).toBeGreaterThan(1);
    expect(missOf(fitted)).toBeLessThan(0.2);
    expect(calibrationText('float32', rows)).toMatch(/^float32, \d+ kernels\n[^]*fitted +(0\.99|1\.0)[^]*listTile +1\.15 +\d/);
    const once = timedOf(rows).length;
    expect(once).toBeGreaterThan(15);
    expect(timedOf([...rows, ...rows, {...rows[0]!, error: 'wrong'}]).length).toBe(once);
  });

  it('compares one call of heads that differ with the sum of two', () => {
    const row = (mask: string, ms: number): MaskRecord => ({
      ...{kind: 'mask', mask, system: 'float32', n: 4096, heads: 8, headDim: 64, asked: 'auto', ms},
    });
    const apart = [row('6 streaming heads', 0.2), row('2 full heads', 0.3)];
    const named = '6 streaming, 2 full heads';
    expect(headsText([row(named, 0.5), ...apart])).toBe(
      `${named}, 4096, float32: 0.500 ms in one call, 0.200 + 0.300 in two (1.00×)`,
    );
    expect(headsText([row(named, 0.6), ...apart])).toContain('(1.20×, more than 1.15×)');
    expect(headsText([row(named, 0.6), apart[0]!])).toBe('');
  });

  it('times planning by the fastest of three', () => {
    let runs = 0;
    expect(planned(() => ++runs).compiled).toBe(3);
  });

  it('samples the hub: a key that it lacks shows', () => {
    const n = 512;
    const inputs = halfInputs(1, n, 8);
    const {attends} = drawMask(
      MASK_ZOO.find(({name}) => name === 'hub')!,
      n,
    );
    const hub = Math.floor(0.6180339887 * n);
    const sizes = {...inputs, batch: 1, queryLength: n, keyLength: n, valueDim: 8};
    expect(sampledErrors(inputs, attends, oracle(sizes, attends)).absolute).toBeLessThan(1e-12);
    const missing = oracle(sizes, (query, key) => attends(query, key) && (query !== hub || key !== 3));
    expect(sampledErrors(inputs, attends, missing).absolute).toBeGreaterThan(1e-6);
  });
});
