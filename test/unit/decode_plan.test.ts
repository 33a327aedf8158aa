import fc from 'fast-check';
import {
  compress,
  cutRows,
  decodeRow,
  reachOf,
  repeatRows,
  toSlots,
  type Acsr,
  type SlotLayout,
  type Lines,
} from '../../src/acsr/index.js';
import {causal, prefix, slidingWindow, strided, type Pattern} from '../../src/pattern/index.js';
import {checkWork, CORE_DEVICE, decodePlan, toDense, type Problem, type Work, formatsOf} from '../../src/plan/index.js';
import {readItem, readSpan, type Span} from '../../src/plan/format.js';
import {CORPUS, randomMask} from '../corpus.js';
import {arbitraryPattern} from '../support/arbitraries.js';
import {expectSamePairs, featuredDevice, MATRIX_16, problemFor, SOFTWARE_DEVICE} from '../support/plans.js';

const window = (left: number, dilation = 1): Pattern => slidingWindow({left, dilation});

/** The slots that `count` tokens after the first `length` attend to, of `rows` rows, once for each of `heads` packed heads. */
function rowsAt(pattern: Pattern, layout: SlotLayout, length: number, count: number, heads = 1, rows = count): Acsr {
  const keyLength = Math.max(length + count, reachOf(pattern).leastLength);
  const acsr = compress(pattern, {queryLength: count, keyLength, queryOffset: length});
  return repeatRows(cutRows(toSlots(acsr, layout), 0, count, rows), heads);
}

function problemOf({queryLength, keyLength}: Acsr, sizes: Partial<Problem> = {}): Problem {
  return problemFor({queryLength, keyLength, queryOffset: 0}, {heads: 2, keyHeads: 2, ...sizes});
}

const pairsOf = (acsr: Acsr): Uint8Array => {
  const pairs = new Uint8Array(acsr.queryLength * acsr.keyLength);
  for (let row = 0; row < acsr.queryLength; row++) for (const key of decodeRow(acsr, row)) pairs[row * acsr.keyLength + key] = 1;
  return pairs;
};

/** Rows of each sequence. */
const eachSequence = (rows: readonly Acsr[]): Lines => ({rows, heads: 1, batch: rows.length, of: rows.map((_, b) => b)});

/** The spans of the items of sequence `b`. */
function spansOf(plan: Work, b: number): Span[] {
  const {passes} = plan;
  const spans: Span[] = [];
  for (let index = 0; index < passes[0]!.itemEnd; index++) {
    const {spanBegin, spanEnd, line} = readItem(plan, index);
    if (line !== b) continue;
    for (let at = spanBegin; at < spanEnd; at++) spans.push(readSpan(plan, at));
  }
  return spans;
}

const layoutOf = (pattern: Pattern, spare: number, most: number): SlotLayout => {
  const {sinks, back} = reachOf(pattern);
  return back === Infinity ? {sinks: 0, ring: most} : {sinks, ring: back + spare};
};

describe('the plan of a decoding step', () => {
  it('computes exactly the pairs of every pattern of the corpus, in one pass', () => {
    for (const {name, pattern: any} of CORPUS) {
      const pattern = any.and(causal());
      if (reachOf(pattern).fixedLength) continue;
      for (const [length, count, heads] of [
        [0, 1, 1],
        [83, 1, 4],
        [150, 7, 1],
        [201, 16, 3],
      ] as const) {
        const acsr = rowsAt(pattern, layoutOf(pattern, 20, 300), length, count, heads);
        for (const device of [CORE_DEVICE, SOFTWARE_DEVICE]) {
          const plan = decodePlan(acsr, problemOf(acsr), device, formatsOf('float32'));
          expect(plan.passes.length).toBe(1);
          checkWork(plan);
          expect(() => expectSamePairs(plan, pairsOf(acsr)))
            .withContext(`${name} after ${length}`)
            .not.toThrow();
        }
      }
    }
  });

  it('joins sequences of different lengths', () => {
    fc.assert(
      fc.property(
        arbitraryPattern(),
        fc.array(fc.record({length: fc.nat(120), count: fc.nat(6)}), {minLength: 2, maxLength: 4}),
        fc.integer({min: 1, max: 3}),
        fc.boolean(),
        (any, sequences, heads, software) => {
          const pattern = any
            .and(
              window(20)
                .or(prefix(4))
                .or(strided({stride: 5})),
            )
            .and(causal());
          const layout = layoutOf(pattern, 6, 126);
          const rows = sequences.map(({length, count}) => rowsAt(pattern, layout, length, count, heads, 6));
          const device = software ? SOFTWARE_DEVICE : CORE_DEVICE;
          const plan = decodePlan(eachSequence(rows), problemOf(rows[0]!, {batch: rows.length}), device, formatsOf('float32'));
          checkWork(plan);
          rows.forEach((acsr, b) => expect(toDense(plan, {batch: b})).toEqual(pairsOf(acsr)));
        },
      ),
      {numRuns: 150},
    );
  });

  it('has every stride in the spans of a row tile', () => {
    const pattern = strided({stride: 5}).and(causal()).or(window(9, 2)).or(window(3));
    const acsr = rowsAt(pattern, {sinks: 0, ring: 100}, 70, 2, 4);
    const plan = decodePlan(acsr, problemOf(acsr), SOFTWARE_DEVICE, formatsOf('float32'));
    const {spanBegin, spanEnd} = readItem(plan, 0);
    const strides = new Set<number>();
    for (let span = spanBegin; span < spanEnd; span++) strides.add(readSpan(plan, span).keyStride);
    expect([...strides].sort((a, b) => a - b)).toEqual([1, 2, 5]);
    checkWork(plan);
    expectSamePairs(plan, pairsOf(acsr));
  });

  it('lists keys where rows have no runs', () => {
    const lengths = {queryLength: 2, keyLength: 600};
    const irregular = (used: number): Acsr => compress(randomMask(2, 600, 0.5, used).and(prefix(used)), lengths);
    const rows = [irregular(600), irregular(570), rowsAt(causal(), {sinks: 0, ring: 600}, 40, 2)];
    expect(rows[0]!.irregularRows.length).toBeGreaterThan(0);
    const plan = decodePlan(eachSequence(rows), problemOf(rows[0]!, {batch: 3}), CORE_DEVICE, formatsOf('float32'));
    expect(plan.passes.map(({kinds}) => [kinds.keys, kinds.mask, kinds.batch])).toEqual([['list', 'bits', 'item']]);
    checkWork(plan);
    rows.forEach((acsr, b) => expect(toDense(plan, {batch: b})).toEqual(pairsOf(acsr)));
    // Rows of one sequence attend to few keys: no others are listed, which have perhaps never been written.
    const keys = [0, 1, 2].map((b) => spansOf(plan, b).reduce((sum, {begin, end}) => sum + end - begin, 0));
    expect(keys[2]).toBe(42);
    expect(keys[1]).toBeLessThanOrEqual(570);
  });

  describe('is cut into parts', () => {
    const step = (left: number, sizes: Partial<Problem> = {}, device = CORE_DEVICE): Work => {
      const acsr = rowsAt(window(left), {sinks: 0, ring: left + 1}, 4 * left, 1);
      return decodePlan(acsr, problemOf(acsr, {heads: 8, keyHeads: 8, ...sizes}), device, formatsOf('float32'));
    };
    const partsOf = ({passes, problem}: Work): number => passes[0]!.itemEnd * problem.heads * problem.batch;

    it('of 64 keys and more that run all at once', () => {
      expect(step(511).passes[0]!.itemEnd).toBe(8);
      expect(step(63).slots).toBe(0);
      const long = step(131071);
      expect(partsOf(long)).toBeLessThanOrEqual(132 * 5);
      expect(partsOf(long)).toBeGreaterThan(132 * 4);
      // More sequences, fewer parts of each.
      expect(partsOf(step(131071, {batch: 4}))).toBeLessThanOrEqual(132 * 5);
      expect(step(4095, {batch: 128}).slots).toBe(0);
    });

    it('on a software device never', () => {
      expect(step(131071, {}, SOFTWARE_DEVICE).slots).toBe(0);
    });
  });

  it('takes tiles as small as the step, never those of tensor cores', () => {
    const rows = (count: number): number => {
      const acsr = rowsAt(causal(), {sinks: 0, ring: 200}, 100, count);
      const plan = decodePlan(acsr, problemOf(acsr, {headDim: 64}), featuredDevice(MATRIX_16), formatsOf('float16'));
      expect(plan.matrix).toBeNull();
      return plan.tile.rows;
    };
    expect([1, 4, 5, 16, 17, 60].map(rows)).toEqual([4, 4, 16, 16, 32, 32]);
  });
});
