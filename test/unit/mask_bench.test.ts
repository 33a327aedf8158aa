import {headsText} from '../../bench/mask_heads.js';
import {parseMaskOptions} from '../../bench/mask_options.js';
import {masksText} from '../../bench/mask_report.js';
import {planned} from '../../bench/mask_rows.js';
import {sampledErrors, halfInputs} from '../../bench/reference.js';
import type {MaskRecord} from '../../bench/records.js';
import {oracle} from '../oracle.js';
import {drawMask, MASK_ZOO} from '../support/mask_zoo.js';

const NAMES = MASK_ZOO.map(({name}) => name);

describe('the benchmark of masks', () => {
  it('sweeps all masks on a GPU and a few on a software adapter', () => {
    expect(parseMaskOptions([], NAMES, false)).toEqual(
      jasmine.objectContaining({lengths: [1024, 4096, 16384], masks: NAMES, systems: ['float32', 'tensor cores'], heads: 8}),
    );
    expect(parseMaskOptions([], NAMES, true)).toEqual(jasmine.objectContaining({lengths: [200], systems: ['float32'], heads: 2}));
    expect(
      parseMaskOptions(['--masks', 'hub', '--systems', 'float16-storage', '--implementations', 'dense'], NAMES, false),
    ).toEqual(jasmine.objectContaining({masks: ['hub'], systems: ['float16 storage'], implementations: ['dense']}));
    expect(() => parseMaskOptions(['--masks', 'swim'], NAMES, false)).toThrowError(/Did you mean 'swin'/);
    expect(() => parseMaskOptions(['--systems', 'prototype-matrix'], NAMES, false)).toThrowError(/--systems/);
  });

  it('says which implementation was chosen, which was best, and where the choice was wrong', () => {
    const row = (asked: MaskRecord['asked'], implementation: string, ms: number): MaskRecord => ({
      ...{kind: 'mask', mask: 'hub', system: 'float32', n: 4096, heads: 8, headDim: 64, asked, implementation, ms},
      ...{pairs: 69616, density: 0.004, tileDensity: 0.02, predictedMs: 0.3, planMs: 9},
    });
    const right = masksText([row('fused', 'fused', 0.2), row('dense', 'dense', 1.1), row('auto', 'fused', 0.2)]);
    expect(right.split('\n')[2]).toMatch(
      /^hub +4096 +float32 +69616 +0\.400 % +2\.00 % +9\.00 +0\.300 +fused +0\.200 +0\.200 +1\.10 +fused$/,
    );
    expect(right).not.toContain('not the best');
    const wrong = masksText([row('fused', 'fused', 0.2), row('dense', 'dense', 1.1), row('auto', 'dense', 1.1)]);
    expect(wrong).toContain('hub 4096 float32: dense 1.10 ms, fused 0.200 ms (5.50×)');
    const {ms, ...failed} = row('auto', 'fused', 1);
    expect(masksText([{...failed, ms: null, error: 'wrong: max error 1'}])).toContain('hub 4096 float32 auto: wrong: max error 1');
    expect(ms).toBe(1);
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
