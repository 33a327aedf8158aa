import {compile, compiling, compilingGradients, fromMask, type Pattern} from '../../src/pure.js';
import {hashNode} from '../../src/pattern/index.js';
import {compress, compressingLines} from '../../src/acsr/index.js';
import {CORE_DEVICE, makePlan, type Device, type Problem} from '../../src/plan/index.js';
import {planText} from '../../src/explain.js';
import {compiledPlan, planInSlices} from '../../src/runtime/call/cache.js';
import {inSlices} from '../../src/runtime/host/in_slices.js';
import {parsePattern} from '../../src/pattern/index.js';
import {atOnce, inSteps, stepOf, type Sliced} from '../../src/support/index.js';
import {drawMask, MASK_ZOO} from '../support/mask_zoo.js';
import {problemFor} from '../support/plans.js';

const N = 1024;
const GPU: Device = {...CORE_DEVICE, vendor: 'nvidia', maxWorkgroupBytes: 49152};
const shape = {queryLength: N, keyLength: N, queryOffset: 0};
const problemOf = (headDim: number): Problem => problemFor(shape, {heads: 8, headDim});
const drawn = (name: string): Pattern =>
  drawMask(
    MASK_ZOO.find((each) => each.name === name)!,
    N,
  ).pattern;

/** How often a planning might end a slice. */
function countSteps(work: Sliced<unknown>): number {
  let count = 0;
  while (!work.next().done) count++;
  return count;
}

describe('planning in slices', () => {
  it('comes to the same plan, with turns for others between slices', async () => {
    const pattern = drawn('nearest16');
    let turns = 0;
    let goes = true;
    const others = (async () => {
      while (goes) {
        await new Promise((resolve) => setImmediate(resolve));
        turns++;
      }
    })();
    const sliced = await inSlices(compiling(pattern, problemOf(56), GPU));
    goes = false;
    await others;
    expect(turns).toBeGreaterThan(1);
    const whole = atOnce(compiling(pattern, problemOf(56), GPU));
    expect(sliced.plan.schedule).toEqual(whole.plan.schedule);
    expect(sliced.plan.candidates).toEqual(whole.plan.candidates);
  });

  it('does so many words between two yields, and everything once', () => {
    for (const [count, words] of [
      [1000, 5000],
      [7, 1e9],
      [5e6, 0.25],
      [0, 1],
    ] as const) {
      const done: number[] = [];
      let at = 0;
      const work = inSteps(count, words, (from, end) => {
        expect(from).toBe(at);
        at = end;
        done.push(end - from);
      });
      let yields = 0;
      while (!work.next().done) {
        yields++;
        expect(done.length).toBe(yields);
      }
      expect(at).toBe(count);
      expect(done.every((some) => some <= stepOf(words))).toBeTrue();
      expect(done.length).toBe(Math.ceil(count / stepOf(words)));
    }
  });

  it('has turns while a mask is recognised, tiled, turned round and packed', () => {
    // Rows and tiles that take more than a step of words.
    const sizes = {queryLength: 4096, keyLength: 4096, queryOffset: 0};
    const {pattern} = drawMask(
      MASK_ZOO.find(({name}) => name === 'blocks16')!,
      sizes.queryLength,
    );
    const problem = problemFor(sizes, {heads: 8, headDim: 64});
    expect(countSteps(compressingLines(pattern, {...problem}))).toBeGreaterThan(8);
    const compiled = compile(pattern, problem, GPU);
    expect(countSteps(compilingGradients(compiled, false))).toBeGreaterThan(200);
  });

  it('ends a slice of what takes long at the next yield', async () => {
    const slices: number[] = [];
    function* work(): Sliced<string> {
      for (let i = 0; i < 40; i++) {
        const end = performance.now() + 1;
        while (performance.now() < end);
        slices.push(performance.now());
        yield;
      }
      return 'done';
    }
    let timers = 0;
    const timer = setInterval(() => timers++, 0);
    expect(await inSlices(work())).toBe('done');
    clearInterval(timer);
    // 40 ms of work in slices of 5 are 8 slices: a timer had its turn between them, more than between halves.
    expect(timers).toBeGreaterThan(3);
  });

  it('groups the rows of a mask once, for layers of any features', () => {
    const pattern = drawn('nearest16');
    const pairs = Uint8Array.from({length: N * N}, (_, at) => Number(pattern.attends(Math.floor(at / N), at % N, shape)));
    const again = fromMask(pairs, {queryLength: N, keyLength: N});
    expect(hashNode(again.node)).toBe(hashNode(pattern.node));
    const other = drawn('medusa');
    const [first, second] = [countSteps(compiling(other, problemOf(64), GPU)), countSteps(compiling(other, problemOf(32), GPU))];
    expect(second).toBeLessThan(first / 4);
    const layers = Array.from({length: 12}, () => compiledPlan(again, problemOf(64), GPU, {}));
    expect(compiledPlan(pattern, problemOf(64), GPU, {})).toBe(layers[0]!);
    expect(new Set(layers).size).toBe(1);
  });

  it('makes a plan once that several ask for at the same time', async () => {
    const pattern = drawn('powerLaw');
    const asked = await Promise.all(Array.from({length: 4}, () => planInSlices(pattern, problemOf(64), GPU, {})));
    expect(new Set(asked).size).toBe(1);
    expect(compiledPlan(pattern, problemOf(64), GPU, {})).toBe(asked[0]!);
  });

  it('says which order would take too long to find', () => {
    const rows = compress(drawn('random10'), shape);
    const plan = makePlan(rows, problemOf(64), GPU, 'auto');
    expect(plan.untried).toEqual([
      jasmine.stringMatching(/^rows grouped by shared keys: not tried, it takes \d+ steps or more, and 5000000 are allowed$/),
    ]);
    expect(planText(plan)).toMatch(/ {2}considered rows grouped by shared keys: not tried, .* allowed; rows keep their order\n/);
    expect(makePlan(compress(drawn('nearest16'), shape), problemOf(64), GPU).untried).toEqual([]);
  });
});

describe('the hash of a pattern', () => {
  it('is the same however a mask holds its words, and another where a bit is', () => {
    const words = Array.from({length: 5000}, (_, i) => (i % 7 === 0 ? 5 : 9));
    const text = (all: readonly number[]): string =>
      `mask(queryLength: 5000, keyLength: 32, words: ${all.map((word) => `0x${word.toString(16)}`).join(' ')})`;
    const key = (pattern: string): string => hashNode(parsePattern(pattern).node);
    expect(key(text(words))).toBe(key(text([...words])));
    expect(key(text(words))).not.toBe(key(text(words.map((word, i) => (i === 2500 ? 8 : word)))));
    const few = 'mask(queryLength: 5000, keyLength: 32, words: 0x5*2500 0x9*2500)';
    expect(key(few)).toBe(key('mask(queryLength: 5000, keyLength: 32, words: 0x5*2400 0x5*100 0x9*2500)'));
    expect(key(few)).not.toBe(key('mask(queryLength: 5000, keyLength: 32, words: 0x5*2501 0x9*2499)'));
    expect(key(`${few} and causal()`)).not.toBe(key(`${few} or causal()`));
    expect(key(`${few} and causal()`)).not.toBe(key(few));
  });
});
