import {compiling, compilingGradients} from '../../../src/compile.js';
import type {Pattern} from '../../../src/pattern/index.js';
import {CORE_DEVICE, type Device} from '../../../src/plan/index.js';
import {slidingWindow, strided} from '../../../src/pattern/index.js';
import type {Sliced} from '../../../src/support/index.js';
import {drawMask, MASK_ZOO} from '../../support/mask_zoo.js';
import {problemFor} from '../../support/plans.js';

const N = 8192;
const GPU: Device = {...CORE_DEVICE, vendor: 'nvidia', maxWorkgroupBytes: 49152};
const TIMES = 4;
/** Measured a thirtieth to a hundredth of half a second and more. What was in one piece before was a quarter to all. */
const LARGEST_SHARE = 1 / 10;
/** Of little in all. 8 ms are what a page has, thrice as much is left to busy machines. */
const LEAST_MS = 24;

/** How long each piece takes at least, for others run on this machine as well, and what all come to. */
function pieces<T>(work: () => Sliced<T>): {readonly ms: readonly number[]; readonly made: T} {
  const ms: number[] = [];
  // What a search for an order found is known afterwards, and its pieces are not there.
  for (const each = work(); !each.next().done;);
  for (let time = 1; ; time++) {
    const each = work();
    for (let index = 0; ; index++) {
      const start = performance.now();
      const {done, value} = each.next();
      ms[index] = Math.min(ms[index] ?? Infinity, performance.now() - start);
      if (!done) continue;
      if (time === TIMES) return {ms, made: value};
      break;
    }
  }
}

function expectSmall(what: string, ms: readonly number[]): void {
  const total = ms.reduce((sum, each) => sum + each, 0);
  const largest = Math.max(...ms);
  expect(largest)
    .withContext(`${what}: piece ${ms.indexOf(largest)} of ${ms.length}, all in ${total.toFixed(0)} ms`)
    .toBeLessThan(Math.max(LARGEST_SHARE * total, LEAST_MS));
}

describe('pieces of planning between two turns', () => {
  const masks: [string, () => Pattern][] = ['verticalSlash', 'nearest16', 'fixed', 'random1'].map((name) => [
    name,
    () =>
      drawMask(
        MASK_ZOO.find((each) => each.name === name)!,
        N,
      ).pattern,
  ]);
  masks.push([
    'a complement',
    () =>
      strided({stride: 64})
        .or(slidingWindow({left: 127}))
        .not(),
  ]);
  for (const [name, drawn] of masks) {
    it(`are small, forward and backward: ${name}`, () => {
      const problem = problemFor({queryLength: N, keyLength: N, queryOffset: 0}, {heads: 8, headDim: 64});
      const pattern = drawn();
      const forward = pieces(() => compiling(pattern, problem, GPU));
      expectSmall('forward', forward.ms);
      expectSmall('backward', pieces(() => compilingGradients(forward.made, false)).ms);
    });
  }
});
