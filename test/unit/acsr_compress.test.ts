import fc from 'fast-check';
import {checkAcsr, compress, decodeRow, MAX_RUNS, type Acsr} from '../../src/acsr/index.js';
import {
  attends,
  blockLocal,
  causal,
  documents,
  fromMask,
  full,
  globalTokens,
  prefix,
  resolveShape,
  slidingWindow,
  strided,
  type Pattern,
  type PatternShape,
} from '../../src/pattern/index.js';
import {arbitraryCase} from '../support/arbitraries.js';
import {refusal} from '../support/errors.js';

/** Checks the laws of the record, and every pair against the pattern's meaning. */
function compressed(pattern: Pattern, given: PatternShape): Acsr {
  const shape = resolveShape(given);
  const acsr = compress(pattern, shape);
  checkAcsr(acsr);
  for (let query = 0; query < shape.queryLength; query++) {
    const keys = Array.from({length: shape.keyLength}, (_, key) => key).filter((key) => attends(pattern.node, query, key, shape));
    expect([...decodeRow(acsr, query)])
      .withContext(`${pattern}, query ${query}`)
      .toEqual(keys);
  }
  return acsr;
}

/** The runs of a query as text, one a run: `3` or `0…63` or `0…120 by 8`; a key by itself shows its stride when that is not 1. */
function runsOf(acsr: Acsr, query: number): string {
  const runs = [];
  for (let r = acsr.rowRuns[query]!; r < acsr.rowRuns[query + 1]!; r++) {
    const [start, stride, count] = [acsr.start[r]!, acsr.stride[r]!, acsr.count[r]!];
    runs.push((count === 1 ? `${start}` : `${start}…${start + stride * (count - 1)}`) + (stride === 1 ? '' : ` by ${stride}`));
  }
  return runs.join(', ');
}

const square = (length: number): PatternShape => ({queryLength: length, keyLength: length});

describe('compress', () => {
  const named: readonly [Pattern, PatternShape][] = [
    [full(), square(5)],
    [causal(), square(40)],
    [causal(), {queryLength: 3, keyLength: 40}],
    [causal(), {queryLength: 40, keyLength: 3}],
    [slidingWindow({left: 7, right: 2}), square(40)],
    [slidingWindow({left: Infinity, right: 3, dilation: 4}), square(40)],
    [slidingWindow({left: 3, dilation: 2 ** 53 - 1}), square(9)],
    [strided({stride: 7}), {queryLength: 20, keyLength: 33, queryOffset: -9}],
    [strided({stride: 2 ** 53 - 1}), square(9)],
    [blockLocal({size: 16}), {queryLength: 40, keyLength: 40, queryOffset: -20}],
    [blockLocal({size: 2 ** 53 - 1}), {queryLength: 4, keyLength: 4, queryOffset: -2}],
    [globalTokens(3), {queryLength: 9, keyLength: 40, queryOffset: -3}],
    [globalTokens([1, 2, 3, 17, 39]), square(40)],
    [prefix(50), square(40)],
    [documents([3, 0, 30, 7]), {queryLength: 60, keyLength: 40, queryOffset: -10}],
    [slidingWindow({left: 6, right: 6}).or(globalTokens(4)), square(70)],
    [
      strided({stride: 8})
        .and(causal())
        .or(slidingWindow({left: 7})),
      square(70),
    ],
    [
      strided({stride: 6})
        .or(strided({stride: 4}))
        .or(strided({stride: 9})),
      square(80),
    ],
    [
      strided({stride: 2})
        .not()
        .and(slidingWindow({left: 9, right: 9, dilation: 3}).not()),
      square(50),
    ],
  ];

  it('gives every named pattern exactly its keys', () => {
    for (const [pattern, shape] of named) compressed(pattern, shape);
  });

  it('gives every expression exactly its keys', () => {
    fc.assert(
      fc.property(arbitraryCase({masks: true}), ({pattern, shape}) => void compressed(pattern, shape)),
      {numRuns: 300},
    );
  });

  it('takes no pair of lengths for granted', () => {
    for (const shape of [
      {queryLength: 0, keyLength: 0},
      {queryLength: 0, keyLength: 8},
      {queryLength: 8, keyLength: 0},
    ]) {
      for (const pattern of [full(), causal().not(), strided({stride: 3}).or(prefix(2)), globalTokens(1), fromMask([], shape)]) {
        expect(compressed(pattern, shape).nnz).toBe(0);
      }
    }
  });

  it('counts pairs, not bytes: a million keys are as quick as a hundred', () => {
    const pattern = strided({stride: 1024})
      .and(causal())
      .or(slidingWindow({left: 511}))
      .or(globalTokens(64));
    const acsr = compress(pattern, {queryLength: 4, keyLength: 2 ** 30});
    checkAcsr(acsr);
    expect(runsOf(acsr, 3)).toBe('0…63, 1023…1073740799 by 1024, 1073741312…1073741823');
  });

  it('refuses a shape that is none and a pattern for other lengths', () => {
    expect(refusal(() => compress(full(), {queryLength: -1, keyLength: 4})).thing).toBe('queryLength');
    expect(refusal(() => compress(documents([3]).not(), square(4))).thing).toBe('documents.lengths');
    expect(refusal(() => compress('causal' as never, square(4))).thing).toBe('pattern');
  });

  it('returns a frozen record', () => expect(Object.isFrozen(compress(full(), square(2)))).toBeTrue());
});

describe('the split that compress picks', () => {
  const split = (pattern: Pattern, query: number, shape = square(512)) => runsOf(compressed(pattern, shape), query);

  it('joins intervals that touch or overlap', () => {
    const touching = globalTokens(64).or(slidingWindow({left: 26, right: 10}));
    expect(split(touching, 90)).toBe('0…100');
    expect(split(touching, 91)).toBe('0…63, 65…101');
    expect(split(slidingWindow({left: 40}).or(prefix(64)), 90)).toBe('0…90');
  });

  it('gives keys that a stride shares with a window to the window', () => {
    expect(
      split(
        strided({stride: 128})
          .and(causal())
          .or(slidingWindow({left: 127})),
        500,
      ),
    ).toBe('116…372 by 128, 373…500');
    expect(split(slidingWindow({left: 127}).or(strided({stride: 128}).and(causal())), 500)).toBe('116…372 by 128, 373…500');
    expect(split(strided({stride: 8}).or(slidingWindow({left: 2, right: 2})), 256)).toBe('0…248 by 8, 254…258, 264…504 by 8');
  });

  it('does not cut a stride where a window passes between its keys', () => {
    const pattern = strided({stride: 64}).or(prefix(3));
    expect(split(pattern, 100)).toBe('0…2, 36…484 by 64');
    expect(split(strided({stride: 64}).or(globalTokens([40, 41, 42])), 100)).toBe('36…484 by 64, 40…42');
  });

  it('joins a single key to the run that it continues', () => {
    expect(
      split(
        strided({stride: 128})
          .and(causal())
          .or(slidingWindow({left: 127})),
        200,
      ),
    ).toBe('72…200');
    expect(
      split(
        strided({stride: 8})
          .and(causal())
          .or(globalTokens([60])),
        52,
      ),
    ).toBe('4…60 by 8');
    expect(
      split(
        strided({stride: 8})
          .and(causal())
          .or(globalTokens([0])),
        56,
      ),
    ).toBe('0…56 by 8');
  });

  it('leaves a single key the stride of its pattern', () => {
    expect(split(strided({stride: 128}).and(causal()), 100)).toBe('100 by 128');
    expect(split(slidingWindow({left: 4, dilation: 8}), 5)).toBe('5 by 8');
    expect(split(slidingWindow(), 5)).toBe('5');
  });

  it('takes a stride through a stride to their least common multiple', () => {
    expect(split(strided({stride: 6}).and(strided({stride: 4})), 25)).toBe('1…505 by 12');
  });

  it('writes a complement as gaps or interleaved runs, whichever are fewer', () => {
    expect(split(slidingWindow({left: 3, right: 3}).not(), 100)).toBe('0…96, 104…511');
    expect(split(strided({stride: 3}).not(), 100, square(101))).toBe('0…99 by 3, 2…98 by 3');
    expect(split(strided({stride: 128}).not(), 100)).toBe('0…99, 101…227, 229…355, 357…483, 485…511');
    expect(split(causal().and(strided({stride: 2}).not()), 100)).toBe('1…99 by 2');
  });

  it('does not depend on how a chain is bracketed or ordered', () => {
    const [a, b, c] = [strided({stride: 16}), slidingWindow({left: 20}), globalTokens(5)];
    const orders = [a.or(b).or(c), a.or(b.or(c)), c.or(b).or(a), b.or(a.or(c))];
    const records = orders.map((pattern) => compress(pattern, square(100)));
    for (const record of records) expect(record).toEqual(records[0]!);
  });
});

describe('a row of too many runs', () => {
  it('is kept as bits', () => {
    const acsr = compressed(strided({stride: 66}).not(), {queryLength: 3, keyLength: 66 * 70});
    expect(acsr.start.length).toBe(0);
    expect(acsr.irregularRows).toEqual(Int32Array.of(0, 1, 2));
    expect(acsr.nnz).toBe(3 * 65 * 70);
  });

  it('has more than the limit', () => {
    const every = (length: number) => globalTokens(Array.from({length}, (_, i) => (i * (i + 3)) / 2));
    const acsr = (length: number) => compressed(every(length), {queryLength: 1, keyLength: 2400, queryOffset: 2399});
    expect(acsr(MAX_RUNS).irregularRows.length).toBe(0);
    expect(acsr(MAX_RUNS).start.length).toBe(MAX_RUNS);
    expect(acsr(MAX_RUNS + 1).irregularRows).toEqual(Int32Array.of(0));
  });

  it('may be one of few', () => {
    const scattered = Array.from({length: 70}, (_, i) => (i * (i + 3)) / 2); // the 65th is 2144, a global query
    const acsr = compressed(globalTokens(scattered).and(causal()), {queryLength: 6, keyLength: 2600, queryOffset: 2141});
    expect(acsr.irregularRows).toEqual(Int32Array.of(4, 5));
  });

  it('returns to runs when the rest of the pattern leaves it few', () => {
    const scattered = globalTokens(Array.from({length: 70}, (_, i) => (i * (i + 3)) / 2));
    const acsr = compressed(scattered.and(prefix(30)), {queryLength: 2, keyLength: 2600, queryOffset: 2550});
    expect(acsr.irregularRows.length).toBe(0);
    expect(runsOf(acsr, 0)).toBe('0, 2, 5, 9, 14, 20, 27');
  });
});
