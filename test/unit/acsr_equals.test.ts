import fc from 'fast-check';
import {equals} from '../../src/acsr/index.js';
import {
  attends,
  causal,
  full,
  globalTokens,
  prefix,
  resolveShape,
  slidingWindow,
  strided,
  type Pattern,
  type PatternShape,
} from '../../src/pattern/index.js';
import {arbitraryPattern, arbitraryShape} from '../support/arbitraries.js';
import {refusal} from '../support/errors.js';

/** The first pair that only one of the patterns holds, looked for one by one. */
function firstDifference(a: Pattern, b: Pattern, given: PatternShape): {query: number; key: number} | undefined {
  const shape = resolveShape(given);
  for (let query = 0; query < shape.queryLength; query++) {
    for (let key = 0; key < shape.keyLength; key++) {
      if (attends(a.node, query, key, shape) !== attends(b.node, query, key, shape)) return {query, key};
    }
  }
  return undefined;
}

describe('equals', () => {
  const square = {queryLength: 64, keyLength: 64};

  it('finds patterns the same that are written differently', () => {
    const same: readonly [Pattern, Pattern][] = [
      [causal(), slidingWindow({left: Infinity})],
      [full(), causal().or(causal().not())],
      [strided({stride: 6}), strided({stride: 2}).and(strided({stride: 3}))],
      [
        slidingWindow({left: 3, right: 3}).not(),
        slidingWindow({left: Infinity, right: 3})
          .not()
          .or(slidingWindow({left: 3, right: Infinity}).not()),
      ],
      [strided({stride: 8}).or(slidingWindow({left: 7})), slidingWindow({left: 8}).or(strided({stride: 8}))],
    ];
    for (const [a, b] of same)
      expect(equals(a, b, square))
        .withContext(`${a} and ${b}`)
        .toEqual({equal: true});
  });

  it('gives the first pair that only one of them holds', () => {
    expect(equals(prefix(2), globalTokens(2), {queryLength: 4, keyLength: 4})).toEqual({
      equal: false,
      counterexample: {query: 0, key: 2},
    });
    expect(equals(causal(), causal().and(strided({stride: 60}).not().or(slidingWindow())), square)).toEqual({
      equal: false,
      counterexample: {query: 60, key: 0},
    });
  });

  it('agrees with looking at every pair', () => {
    const pair = arbitraryShape().chain((shape) => {
      const pattern = arbitraryPattern(shape.keyLength, {maskQueryLength: shape.queryLength});
      return fc.tuple(pattern, pattern, fc.constant(shape));
    });
    const property = fc.property(pair, ([a, b, shape]) => {
      const counterexample = firstDifference(a, b, shape);
      expect(equals(a, b, shape)).toEqual(counterexample ? {equal: false, counterexample} : {equal: true});
      expect(equals(a, a.not().not().and(a), shape)).toEqual({equal: true});
    });
    fc.assert(property, {numRuns: 200});
  });

  it('decides rows of too many runs too', () => {
    const holes = strided({stride: 66}).not();
    const shape = {queryLength: 2, keyLength: 66 * 70};
    expect(equals(holes, holes.and(full()), shape)).toEqual({equal: true});
    expect(equals(holes, holes.and(prefix(4600)), shape)).toEqual({equal: false, counterexample: {query: 0, key: 4600}});
  });

  it('depends on the lengths', () => {
    expect(equals(prefix(9), full(), {queryLength: 3, keyLength: 9}).equal).toBeTrue();
    expect(equals(prefix(9), full(), {queryLength: 3, keyLength: 10}).equal).toBeFalse();
    expect(equals(prefix(9), full(), {queryLength: 0, keyLength: 10}).equal).toBeTrue();
  });

  it('refuses what is no pattern or does not fit', () => {
    expect(refusal(() => equals(causal(), undefined as never, square)).thing).toBe('pattern');
    expect(refusal(() => equals(causal(), globalTokens([64]), square)).thing).toBe('globalTokens.tokens');
  });
});
