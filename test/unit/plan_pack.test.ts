import {compress} from '../../src/acsr/index.js';
import {globalTokens, slidingWindow} from '../../src/pattern/index.js';
import {IntList, pack, readInterval, readItem, readSpan, SECTIONS} from '../../src/plan/format.js';
import {CORE_DEVICE, makePlan} from '../../src/plan/index.js';
import {problemFor} from '../support/plans.js';

const numbers = (count: number, from: number): Int32Array => Int32Array.from({length: count}, (_, index) => from + index);

describe('a packed schedule', () => {
  const others = {
    items: numbers(800, 1),
    spans: numbers(1600, 2),
    merges: numbers(16, 3),
    numbers: numbers(6, 4),
    bits: numbers(8, 5),
  };
  const listOf = (reserved: number, words: number): IntList => {
    const list = new IntList();
    list.reserve(reserved);
    list.append(numbers(words, -words));
    return list;
  };

  it('is the same around the intervals and beside them', () => {
    for (const [reserved, words, stays] of [
      [400000, 2 ** 18 + 2, true],
      [2 ** 18, 2 ** 18, true],
      // Few, spread thin, outgrown, and hardly any.
      [2 ** 18, 2 ** 18 - 2, false],
      [2 ** 20, 2 ** 18, false],
      [2 ** 18, 2 ** 19, false],
      [0, 2, false],
    ] as const) {
      const list = listOf(reserved, words);
      const sections = {...others, intervals: list.view()};
      const beside = pack(sections);
      const around = pack(sections, undefined, list);
      expect(around.schedule.buffer === list.data.buffer)
        .withContext(`${words} of ${reserved}`)
        .toBe(stays);
      expect(around.offsets).toEqual(beside.offsets);
      expect(Buffer.compare(Buffer.from(new Int32Array(around.schedule).buffer), Buffer.from(beside.schedule.buffer))).toBe(0);
      for (const name of SECTIONS) expect(around.schedule[2 * around.offsets[name]]).toBe(sections[name][0]!);
    }
  });

  it('is beside them where what comes before takes more room than there is', () => {
    const list = listOf(2 ** 18, 2 ** 18);
    const spans = numbers(2 ** 16, 7);
    const {schedule, offsets} = pack({spans, intervals: list.view()}, undefined, list);
    expect(schedule.buffer === list.data.buffer).toBeFalse();
    expect(schedule[2 * offsets.intervals]).toBe(-(2 ** 18));
  });

  it('of a long pattern holds its intervals once, and is right', () => {
    const shape = {queryLength: 131072, keyLength: 131072, queryOffset: 0};
    const rows = compress(slidingWindow({left: 256, right: 256}).or(globalTokens(64)), shape);
    const plan = makePlan(rows, problemFor(shape, {heads: 8, headDim: 64}), CORE_DEVICE);
    expect(plan.schedule.buffer.byteLength).toBeGreaterThan(plan.schedule.byteLength);
    expect(plan.schedule.buffer.byteLength).toBeLessThan(2 * plan.schedule.byteLength);
    let pairs = 0;
    for (let index = 0; index < plan.weights.length; index++) {
      const {rows: count, spanBegin, spanEnd} = readItem(plan, index);
      for (let number = spanBegin; number < spanEnd; number++) {
        const span = readSpan(plan, number);
        for (let x = 0; x < count; x++) {
          const [low, high] = readInterval(plan, span, x);
          pairs += Math.max(0, Math.min(high, span.end) - Math.max(low, span.begin));
        }
      }
    }
    expect(pairs).toBe(rows.nnz);
  });
});
