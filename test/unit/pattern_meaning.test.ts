import fc from 'fast-check';
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
  type PatternShape,
} from '../../src/pattern/index.js';
import {arbitraryPattern, arbitraryShape} from '../support/arbitraries.js';

/** The pattern as a picture: a line per query, a column per key, 1 where the query attends to the key. */
function draw(pattern: Pattern, shape: PatternShape): string[] {
  const keys = Array.from({length: shape.keyLength}, (_, key) => key);
  return Array.from({length: shape.queryLength}, (_, query) => keys.map((key) => +pattern.attends(query, key, shape)).join(''));
}

const square = (length: number) => ({queryLength: length, keyLength: length});

describe('a pattern means what its picture shows:', () => {
  it('full is every key', () => {
    expect(draw(full(), {queryLength: 2, keyLength: 3})).toEqual(['111', '111']);
  });

  it('causal is the keys up to the position of the query', () => {
    expect(draw(causal(), square(4))).toEqual(['1000', '1100', '1110', '1111']);
  });

  it('the last query aligns with the last key unless an offset says otherwise', () => {
    expect(draw(causal(), {queryLength: 2, keyLength: 5})).toEqual(['11110', '11111']);
    expect(draw(causal(), {queryLength: 2, keyLength: 5, queryOffset: 0})).toEqual(['10000', '11000']);
    expect(draw(causal(), {queryLength: 2, keyLength: 5, queryOffset: 9})).toEqual(['11111', '11111']);
  });

  it('more queries than keys put the first ones before the keys', () => {
    expect(draw(causal(), {queryLength: 5, keyLength: 3})).toEqual(['000', '000', '100', '110', '111']);
  });

  it('slidingWindow includes both ends', () => {
    expect(draw(slidingWindow({left: 2, right: 1}), square(6))).toEqual([
      '110000',
      '111000',
      '111100',
      '011110',
      '001111',
      '000111',
    ]);
  });

  it('slidingWindow without options is the diagonal', () => {
    expect(draw(slidingWindow(), square(3))).toEqual(['100', '010', '001']);
  });

  it('a dilated slidingWindow counts keys, not distances', () => {
    expect(draw(slidingWindow({left: 2, right: 1, dilation: 2}), square(7))).toEqual([
      '1010000',
      '0101000',
      '1010100',
      '0101010',
      '1010101',
      '0101010',
      '0010101',
    ]);
  });

  it('slidingWindow takes infinite sides', () => {
    expect(draw(slidingWindow({left: Infinity}), square(4))).toEqual(draw(causal(), square(4)));
    expect(draw(slidingWindow({left: Infinity, right: Infinity, dilation: 3}), square(5))).toEqual(
      draw(strided({stride: 3}), square(5)),
    );
  });

  it('slidingWindow reaches into the keys from a query outside them', () => {
    const window = slidingWindow({left: 3, right: 3});
    expect(draw(window, {queryLength: 2, keyLength: 4, queryOffset: -2})).toEqual(['1100', '1110']);
    expect(draw(window, {queryLength: 2, keyLength: 4, queryOffset: 5})).toEqual(['0011', '0001']);
  });

  it('strided goes both ways', () => {
    expect(draw(strided({stride: 3}), square(7))).toEqual([
      '1001001',
      '0100100',
      '0010010',
      '1001001',
      '0100100',
      '0010010',
      '1001001',
    ]);
  });

  it('strided keeps its phase before the keys', () => {
    expect(draw(strided({stride: 3}), {queryLength: 3, keyLength: 6, queryOffset: -2})).toEqual(['010010', '001001', '100100']);
  });

  it('blockLocal is the block of the query, the last one cut short', () => {
    expect(draw(blockLocal({size: 2}), square(5))).toEqual(['11000', '11000', '00110', '00110', '00001']);
  });

  it('blockLocal counts blocks from key 0, also for queries outside the keys', () => {
    const shape = {queryLength: 7, keyLength: 4, queryOffset: -1};
    expect(draw(blockLocal({size: 3}), shape)).toEqual(['0000', '1110', '1110', '1110', '0001', '0001', '0001']);
  });

  it('globalTokens(n) is the first n keys for all and all keys for the first n', () => {
    expect(draw(globalTokens(2), square(4))).toEqual(['1111', '1111', '1100', '1100']);
  });

  it('globalTokens([…]) is the same for tokens anywhere, in any order', () => {
    expect(draw(globalTokens([3, 0, 3]), square(4))).toEqual(['1111', '1001', '1001', '1111']);
  });

  it('a query is global by its position among the keys, never outside them', () => {
    expect(draw(globalTokens(2), {queryLength: 3, keyLength: 3, queryOffset: 1})).toEqual(['111', '110', '110']);
    expect(draw(globalTokens(1), {queryLength: 3, keyLength: 3, queryOffset: -1})).toEqual(['100', '111', '100']);
    expect(draw(globalTokens(9), {queryLength: 2, keyLength: 2, queryOffset: 5})).toEqual(['11', '11']);
  });

  it('prefix(n) is the first n keys, all of them when there are fewer', () => {
    expect(draw(prefix(2), {queryLength: 3, keyLength: 4})).toEqual(['1100', '1100', '1100']);
    expect(draw(prefix(9), {queryLength: 1, keyLength: 4})).toEqual(['1111']);
  });

  it('documents is the document of the query', () => {
    expect(draw(documents([2, 0, 1, 2]), square(5))).toEqual(['11000', '11000', '00100', '00011', '00011']);
  });

  it('a query outside the keys is in no document', () => {
    const shape = {queryLength: 4, keyLength: 2, queryOffset: -1};
    expect(draw(documents([2]), shape)).toEqual(['00', '11', '11', '00']);
    expect(draw(documents([2]).not(), shape)).toEqual(['11', '00', '00', '11']);
  });

  it('fromMask is the mask, wherever an offset puts the queries', () => {
    const mask = fromMask([0, 1, 1, 1, 0, 0], {queryLength: 2, keyLength: 3});
    expect(draw(mask, {queryLength: 2, keyLength: 3})).toEqual(['011', '100']);
    expect(draw(mask, {queryLength: 2, keyLength: 3, queryOffset: -7})).toEqual(['011', '100']);
  });

  it('and, or, not are the set operations', () => {
    expect(draw(causal().and(blockLocal({size: 2})), square(4))).toEqual(['1000', '1100', '0010', '0011']);
    expect(draw(slidingWindow().or(prefix(1)), square(4))).toEqual(['1000', '1100', '1010', '1001']);
    expect(draw(causal().not(), square(4))).toEqual(['0111', '0011', '0001', '0000']);
  });

  it('no keys or no queries are a picture too', () => {
    expect(draw(globalTokens(3).or(documents([])), {queryLength: 2, keyLength: 0})).toEqual(['', '']);
    expect(draw(causal(), {queryLength: 0, keyLength: 3})).toEqual([]);
  });
});

describe('patterns obey the laws of sets at every pair:', () => {
  const shapeAndThree = arbitraryShape().chain((shape) => {
    const any = arbitraryPattern(shape.keyLength, {maskQueryLength: shape.queryLength});
    return fc.tuple(fc.constant(shape), any, any, any);
  });

  function law(sides: (a: Pattern, b: Pattern, c: Pattern) => readonly [Pattern, Pattern]): void {
    const holds = fc.property(shapeAndThree, ([shape, a, b, c]) => {
      const [left, right] = sides(a, b, c);
      for (let query = 0; query < shape.queryLength; query++) {
        for (let key = 0; key < shape.keyLength; key++) {
          if (attends(left.node, query, key, shape) !== attends(right.node, query, key, shape)) return false;
        }
      }
      return true;
    });
    expect(() => fc.assert(holds, {numRuns: 50})).not.toThrow();
  }

  it('De Morgan', () => {
    law((a, b) => [a.and(b).not(), a.not().or(b.not())]);
    law((a, b) => [a.or(b).not(), a.not().and(b.not())]);
  });

  it('not undoes itself', () => law((a) => [a.not().not(), a]));

  it('and distributes over or', () => law((a, b, c) => [a.and(b.or(c)), a.and(b).or(a.and(c))]));

  it('a pattern and its complement are nothing and everything', () => {
    law((a) => [a.and(a.not()), full().not()]);
    law((a) => [a.or(a.not()), full()]);
  });

  it('and, or are what their operands are, pair by pair', () => {
    const holds = fc.property(shapeAndThree, ([shape, a, b]) => {
      for (let query = 0; query < shape.queryLength; query++) {
        for (let key = 0; key < shape.keyLength; key++) {
          const [inA, inB] = [attends(a.node, query, key, shape), attends(b.node, query, key, shape)];
          if (attends(a.and(b).node, query, key, shape) !== (inA && inB)) return false;
          if (attends(a.or(b).node, query, key, shape) !== (inA || inB)) return false;
        }
      }
      return true;
    });
    expect(() => fc.assert(holds, {numRuns: 50})).not.toThrow();
  });
});

describe('a pattern is a value:', () => {
  it('nothing in it can be changed', () => {
    const pattern = globalTokens([1, 2]).or(documents([3]).not());
    const frozen = (value: object): boolean =>
      Object.isFrozen(value) && Object.values(value).every((inner) => typeof inner !== 'object' || frozen(inner));
    expect(frozen(pattern)).toBeTrue();
  });

  it('composing leaves the operands as they were and the arguments free', () => {
    const lengths = [2, 3];
    const pattern = documents(lengths);
    const text = pattern.toString();
    pattern.or(causal());
    lengths[0] = 9;
    expect(pattern.toString()).toBe(text);
  });

  it('a mask is copied', () => {
    const bytes = new Uint8Array([1, 0, 0, 1]);
    const pattern = fromMask(bytes, {queryLength: 1, keyLength: 4});
    bytes.fill(1);
    expect(draw(pattern, {queryLength: 1, keyLength: 4})).toEqual(['1001']);
  });
});

describe('fromMask packs', () => {
  it('every kind of mask of any length to the same bits', () => {
    const masks = fc
      .record({queryLength: fc.nat(5), keyLength: fc.nat(70), lead: fc.nat(3)})
      .chain(({queryLength, keyLength, lead}) =>
        fc.record({
          shape: fc.constant({queryLength, keyLength}),
          lead: fc.constant(lead),
          pairs: fc.array(fc.boolean(), {minLength: queryLength * keyLength, maxLength: queryLength * keyLength}),
        }),
      );
    const holds = fc.property(masks, ({shape, lead, pairs}) => {
      const bytes = new Uint8Array(lead + pairs.length);
      bytes.set(pairs.map(Number), lead);
      const texts = [
        pairs,
        pairs.map(Number),
        bytes.subarray(lead),
        bytes.subarray(lead).map((byte) => byte * 254),
        Float32Array.from(bytes.subarray(lead)),
      ].map((mask) => fromMask(mask, shape).toString());
      const packed = fromMask(pairs, shape);
      const bitOf = (i: number) => packed.attends(Math.floor(i / shape.keyLength), i % shape.keyLength, shape);
      return new Set(texts).size === 1 && pairs.every((pair, i) => pair === bitOf(i));
    });
    expect(() => fc.assert(holds, {numRuns: 30})).not.toThrow();
  });
});
