import {
  checkLaunches,
  compile,
  compileGradients,
  CORE_DEVICE,
  cutLaunches,
  type Compiled,
  type Device,
  type Launch,
} from '../../src/pure.js';
import {causal, globalTokens, slidingWindow, strided} from '../../src/pattern/index.js';
import {PARAMS} from '../../src/wgsl/text/params.js';
import {randomMask} from '../corpus.js';
import {featuredDevice, MATRIX_16, problemFor, SOFTWARE_DEVICE} from '../support/plans.js';
import {readStruct, structLayout} from '../support/wgsl_layout.js';

const members = structLayout(PARAMS, 'Params');
const wordsOf = ({params}: Launch): Record<string, number> => readStruct(params({scale: 1}), members) as Record<string, number>;
const named = ({launches}: Pick<Compiled, 'launches'>, name: string): Launch[] =>
  launches.filter(({program}) => program.name === `SparseAttention.${name}`);
const msOf = (launches: readonly Launch[]): number => launches.reduce((sum, {range}) => sum + (range?.ms ?? 0), 0);
const cutting = (device: Device, maxWorkgroupsPerDimension: number): Device => ({...device, maxWorkgroupsPerDimension});

describe('dispatches of a plan', () => {
  it('take no more items than one dimension of a grid: 65,535', () => {
    const length = 65535 * 64 + 1;
    const problem = problemFor({queryLength: length, keyLength: length, queryOffset: 0}, {headDim: 1});
    const {plan, launches} = compile(slidingWindow({left: 3}), problem, CORE_DEVICE, {implementation: 'fused'});
    expect(plan.tile.rows).toBe(64);
    expect(launches.map(({grid}) => [...grid])).toEqual([
      [1, 65535, 1],
      [1, 1, 1],
    ]);
    expect(launches.map((launch) => wordsOf(launch)['first']! - plan.offsets.items)).toEqual([0, 4 * 65535]);
  });

  it('say what their items weigh', () => {
    const problem = problemFor({queryLength: 4096, keyLength: 4096, queryOffset: 0}, {heads: 2});
    const {plan, launches} = compile(causal(), problem, cutting(CORE_DEVICE, 5), {implementation: 'fused'});
    const ranges = launches.flatMap(({range}) => (range?.of === 'items' ? [range] : []));
    expect(ranges.length).toBeGreaterThan(5);
    for (const {begin, end, weight} of ranges)
      expect(weight).toBe([...plan.weights.slice(begin, end)].reduce((sum, tiles) => sum + tiles, 0));
  });

  it('have flags of their own for the repair, item by item and line by line, whatever the ranges', () => {
    const pattern = slidingWindow({left: 70}).or(strided({stride: 16}));
    const problem = problemFor({queryLength: 1000, keyLength: 1000, queryOffset: 0}, {heads: 3, batch: 2, headDim: 64});
    const flagsWith = (most: number): Map<number, string> => {
      const device = cutting(featuredDevice(MATRIX_16), most);
      const compiled = compile(pattern, problem, device, {implementation: 'fused', precision: 'float16'});
      const {plan, workBytes} = compiled;
      expect(plan.passes.length).toBeGreaterThan(1);
      const [first, repair] = ['attendMatrix', 'repair'].map((name) => {
        const owners = new Map<number, string>();
        for (const launch of named(compiled, name)) {
          const {flagBase} = wordsOf(launch);
          const {begin} = launch.range!;
          const [heads, items, batches] = launch.grid;
          // As the kernel counts.
          for (let z = 0; z < batches; z++)
            for (let x = 0; x < heads; x++)
              for (let y = 0; y < items; y++)
                for (let subgroup = 0; subgroup < plan.tile.threadsY; subgroup++) {
                  const at =
                    flagBase! + (y * problem.batch * problem.heads + z * problem.heads + x) * plan.tile.threadsY + subgroup;
                  expect(owners.has(at)).toBeFalse();
                  expect(16 * at + 16).toBeLessThanOrEqual(workBytes.scratch!);
                  owners.set(at, [begin + y, x, z, subgroup].join());
                }
        }
        return owners;
      }) as [Map<number, string>, Map<number, string>];
      expect(repair).toEqual(first);
      return first;
    };
    const whole = flagsWith(65535);
    expect(whole.size).toBeGreaterThan(100);
    expect(flagsWith(3)).toEqual(whole);
  });

  it('are the whole ones of a plan that is small enough, and begin where those before them end', () => {
    const problem = problemFor({queryLength: 3000, keyLength: 3000, queryOffset: 0}, {heads: 2});
    const pattern = causal();
    const whole = compileGradients(compile(pattern, problem, CORE_DEVICE, {aux: 'rowSums'}), false);
    const cut = compileGradients(compile(pattern, problem, cutting(CORE_DEVICE, 7), {aux: 'rowSums'}), false);
    for (const name of ['queryGradients', 'keyGradients', 'sumKeyGradients']) {
      const [one, ...more] = named(whole, name);
      expect(more).withContext(name).toEqual([]);
      const parts = named(cut, name);
      expect(parts.length).withContext(name).toBeGreaterThan(2);
      const groups = one!.grid[1] / one!.range!.end;
      let next = 0;
      for (const part of parts) {
        const {begin, end} = part.range!;
        expect(begin).withContext(name).toBe(next);
        expect(wordsOf(part)['first']! - wordsOf(one!)['first']!)
          .withContext(name)
          .toBe(4 * begin);
        expect(part.grid[1]).toBe((end - begin) * groups);
        expect(part.grid[1]).toBeLessThanOrEqual(7);
        next = end;
      }
      expect(next).withContext(name).toBe(one!.range!.end);
    }
  });

  it('are cut where they are predicted to take long, down to single items, and keep the laws', () => {
    const sizes = {batch: 2, heads: 4, keyHeads: 2, headDim: 64};
    const problem = problemFor({queryLength: 2000, keyLength: 2000, queryOffset: 0}, sizes);
    const patterns = [causal().or(strided({stride: 16})), randomMask(2000, 2000, 0.01, 7), globalTokens(3)];
    for (const device of [CORE_DEVICE, featuredDevice(MATRIX_16), SOFTWARE_DEVICE])
      for (const pattern of patterns)
        for (const precision of ['float32', 'float16'] as const) {
          const forward = compile(pattern, problem, device, {aux: 'rowSums', precision});
          for (const compiled of [forward, compileGradients(forward, false)])
            for (const ms of [1e-9, 0.003, 0.1]) {
              const launches = Object.freeze(cutLaunches(compiled.launches, ms));
              checkLaunches({...compiled, launches});
              if (ms < 1e-6) expect(launches.length).toBeGreaterThan(compiled.launches.length);
              for (const {range} of launches)
                if (range !== undefined) expect(range.ms <= ms || range.end - range.begin === 1).toBeTrue();
              expect(msOf(launches)).toBeCloseTo(msOf(compiled.launches), 9);
              const bound = (all: readonly Launch[], key: string): unknown[] =>
                all.filter(({program}) => program.key === key).map(({instead}) => instead);
              for (const {program, instead} of compiled.launches)
                for (const each of bound(launches, program.key)) expect(each).toEqual(instead);
              // Cut again, each part goes over what it had.
              checkLaunches({...compiled, launches: Object.freeze(cutLaunches(launches, ms / 3))});
            }
          expect(cutLaunches(forward.launches, Infinity).map(({range}) => range)).toEqual(forward.launches.map(({range}) => range));
        }
  });

  it('are predicted to take together what their plan is', () => {
    const problem = problemFor({queryLength: 4096, keyLength: 4096, queryOffset: 0}, {heads: 8, headDim: 64});
    for (const [pattern, device] of [
      ...[causal(), slidingWindow({left: 256}), globalTokens(3), randomMask(4096, 4096, 0.01, 7)].map(
        (each) => [each, CORE_DEVICE] as const,
      ),
      // The repair of tensor cores goes over all items once more, and mostly finds nothing to do.
      [causal(), featuredDevice(MATRIX_16)] as const,
    ]) {
      const {plan, launches} = compile(pattern, problem, device, {precision: device === CORE_DEVICE ? 'float32' : 'float16'});
      const share = msOf(launches) / plan.costMs;
      // Without what a dispatch and an item cost. Of rows one by one the longest of eight counts.
      expect(share).withContext(pattern.toString().slice(0, 40)).toBeGreaterThan(0.5);
      expect(share).withContext(pattern.toString().slice(0, 40)).toBeLessThan(2.5);
    }
  });
});
