import fc from 'fast-check';
import {reachOf} from '../../src/acsr/index.js';
import {
  attends,
  blockLocal,
  causal,
  documents,
  fromMask,
  full,
  globalTokens,
  prefix,
  slidingWindow,
  strided,
  type Pattern,
} from '../../src/pattern/index.js';
import {CORPUS} from '../corpus.js';
import {arbitraryPattern} from '../support/arbitraries.js';

/** The furthest back and ahead among the pairs of a square shape, of keys from `sinks` on. */
function furthest(pattern: Pattern, length: number, sinks: number): {back: number; ahead: number} {
  const shape = {queryLength: length, keyLength: length, queryOffset: 0};
  let [back, ahead] = [-Infinity, -Infinity];
  for (let p = 0; p < length; p++) {
    for (let k = 0; k < length; k++) {
      if (!attends(pattern.node, p, k, shape)) continue;
      ahead = Math.max(ahead, k - p);
      if (k >= sinks) back = Math.max(back, p - k);
    }
  }
  return {back, ahead};
}

describe('the reach of a pattern', () => {
  it('bounds every pair of random patterns', () => {
    const cases = fc
      .integer({min: 1, max: 48})
      .chain((length) => fc.record({length: fc.constant(length), pattern: arbitraryPattern(length, {maskQueryLength: length})}));
    fc.assert(
      fc.property(cases, ({pattern, length}) => {
        const {sinks, back, ahead} = reachOf(pattern);
        const found = furthest(pattern, length, sinks);
        expect(found.back).withContext(`back of ${pattern}`).toBeLessThanOrEqual(back);
        expect(found.ahead).withContext(`ahead of ${pattern}`).toBeLessThanOrEqual(ahead);
      }),
      {numRuns: 500},
    );
  });

  const window = (left: number, right = 0, dilation = 1): Pattern => slidingWindow({left, right, dilation});
  const tight: [string, Pattern, {sinks: number; back: number; ahead: number}][] = [
    ['causal', causal(), {sinks: 0, back: Infinity, ahead: 0}],
    ['full', full(), {sinks: 0, back: Infinity, ahead: Infinity}],
    ['nothing', full().not(), {sinks: 0, back: 0, ahead: 0}],
    ['a window', window(15, 3), {sinks: 0, back: 15, ahead: 3}],
    ['a dilated window', window(4, 4, 8), {sinks: 0, back: 32, ahead: 32}],
    ['an endless window', slidingWindow({left: Infinity}), {sinks: 0, back: Infinity, ahead: 0}],
    ['a window behind sinks', prefix(4).or(window(15)).and(causal()), {sinks: 4, back: 15, ahead: 0}],
    ['a window before global tokens', globalTokens(4).or(window(12, 12)).and(causal()), {sinks: 4, back: 12, ahead: 0}],
    ['listed tokens', globalTokens([0, 17, 50]).or(window(3)).and(causal()), {sinks: 51, back: 3, ahead: 0}],
    ['sinks that are too many to be worth it', prefix(9).or(window(15)).and(window(20)), {sinks: 0, back: 20, ahead: 0}],
    ['two prefixes', prefix(3).or(prefix(7)).or(window(2)).and(causal()), {sinks: 7, back: 2, ahead: 0}],
    ['a prefix that only its complement cuts', prefix(3).not().and(window(5)), {sinks: 0, back: 5, ahead: 0}],
    ['a prefix ahead', prefix(4).or(causal()), {sinks: 0, back: Infinity, ahead: 3}],
    ['blocks', blockLocal({size: 24}), {sinks: 0, back: 23, ahead: 23}],
    ['causal blocks', blockLocal({size: 24}).and(causal()), {sinks: 0, back: 23, ahead: 0}],
    ['a stride', strided({stride: 8}).and(causal()), {sinks: 0, back: Infinity, ahead: 0}],
    ['a stride in a window', strided({stride: 8}).and(window(32)), {sinks: 0, back: 32, ahead: 0}],
    [
      'three strides',
      window(9, 0, 2)
        .or(window(8, 0, 5))
        .or(window(3)),
      {sinks: 0, back: 40, ahead: 0},
    ],
    ['complements of complements', window(7).not().or(causal().not()).not(), {sinks: 0, back: 7, ahead: 0}],
    ['the complement of a half plane', slidingWindow({left: Infinity, right: 5}).not(), {sinks: 0, back: 0, ahead: Infinity}],
    ['the complement of the other half', slidingWindow({left: 5, right: Infinity}).not(), {sinks: 0, back: Infinity, ahead: 0}],
  ];
  for (const [name, pattern, expected] of tight) {
    it(`is tight for ${name}`, () => {
      expect(reachOf(pattern)).toEqual(jasmine.objectContaining({...expected, fixedLength: false}));
      const found = furthest(pattern, 120, expected.sinks);
      if (Number.isFinite(expected.back)) expect(Math.max(0, found.back)).toBe(expected.back);
      if (Number.isFinite(expected.ahead)) expect(Math.max(0, found.ahead)).toBe(expected.ahead);
    });
  }

  it('says which patterns are written for certain lengths, also inside others', () => {
    expect(reachOf(documents([3, 4])).fixedLength).toBeTrue();
    expect(reachOf(causal().and(fromMask([1], {queryLength: 1, keyLength: 1}).not())).fixedLength).toBeTrue();
    expect(reachOf(causal().and(documents([3, 4]).or(prefix(2)))).fixedLength).toBeTrue();
  });

  it('says how many keys listed tokens take', () => {
    expect(
      reachOf(
        globalTokens([0, 17])
          .not()
          .and(globalTokens([5])),
      ).leastLength,
    ).toBe(18);
    for (const pattern of [globalTokens([]), globalTokens(9), prefix(9)]) expect(reachOf(pattern).leastLength).toBe(0);
  });

  it('refuses what is no pattern, its JSON node too', () => {
    expect(() => reachOf(causal().node as never)).toThrowError(/found JSON, \{kind: 'causal'\}, expected a Pattern/);
    expect(() => reachOf('causal()' as never)).toThrowError(/found the text 'causal\(\)', expected a Pattern/);
  });

  it('is found for all of the corpus', () => {
    for (const {name, pattern, shape} of CORPUS) {
      const {fixedLength, leastLength} = reachOf(pattern);
      expect(fixedLength)
        .withContext(name)
        .toBe(/document|mask/.test(name));
      expect(leastLength).withContext(name).toBeLessThanOrEqual(shape.keyLength);
    }
  });
});
