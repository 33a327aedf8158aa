import fc from 'fast-check';
import {
  causal,
  documents,
  fromMask,
  full,
  globalTokens,
  parsePattern,
  patternFromJSON,
  prefix,
  slidingWindow,
  strided,
  type Pattern,
} from '../../src/pattern/index.js';
import {arbitraryCase} from '../support/arbitraries.js';
import {refusal} from '../support/errors.js';

/** Patterns of up to three levels, masks among them. */
const anyPattern = arbitraryCase({masks: true}).map(({pattern}) => pattern);

const expectForAll = (holds: (pattern: Pattern) => void) =>
  expect(() => fc.assert(fc.property(anyPattern, holds), {numRuns: 100})).not.toThrow();

function expectSame(found: Pattern, expected: Pattern): void {
  if (JSON.stringify(found.node) !== JSON.stringify(expected.node)) throw new Error(`${found} is not ${expected}`);
}

describe('the text of a pattern', () => {
  it('reads like the builders, options at their defaults left out', () => {
    const texts = [
      slidingWindow(),
      slidingWindow({left: 256, right: 256}).or(globalTokens(64)),
      slidingWindow({left: Infinity, dilation: 2}),
      globalTokens([7, 3]).and(strided({stride: 4}).not()),
      documents([3, 0, 5]).or(prefix(2)),
    ].map(String);
    expect(texts).toEqual([
      'slidingWindow()',
      'slidingWindow(left: 256, right: 256) or globalTokens(64)',
      'slidingWindow(left: infinity, dilation: 2)',
      'globalTokens([3, 7]) and not strided(stride: 4)',
      'documents([3, 0, 5]) or prefix(2)',
    ]);
  });

  it('tells a number of global tokens from a list of one', () => {
    expect(globalTokens(3).toString()).toBe('globalTokens(3)');
    expect(globalTokens([3]).toString()).toBe('globalTokens([3])');
  });

  it('has parentheses exactly where the pattern would otherwise be another', () => {
    const [a, b, c] = [full(), causal(), prefix(1)];
    expect(a.or(b).or(c).toString()).toBe('full() or causal() or prefix(1)');
    expect(a.or(b.or(c)).toString()).toBe('full() or (causal() or prefix(1))');
    expect(a.or(b.and(c)).toString()).toBe('full() or causal() and prefix(1)');
    expect(a.or(b).and(c).toString()).toBe('(full() or causal()) and prefix(1)');
    expect(a.or(b).not().toString()).toBe('not (full() or causal())');
    expect(a.not().not().and(b).toString()).toBe('not not full() and causal()');
  });

  it('spells a mask exactly, runs of equal words once', () => {
    const mask = new Uint8Array(3 * 40);
    mask.fill(1, 40, 80);
    mask[1] = 1;
    const text = 'mask(queryLength: 3, keyLength: 40, words: 0x2 0x0 0xffffffff 0xff 0x0*2)';
    expect(fromMask(mask, {queryLength: 3, keyLength: 40}).toString()).toBe(text);
    expect(fromMask([], {queryLength: 0, keyLength: 4}).toString()).toBe('mask(queryLength: 0, keyLength: 4)');
  });

  it('reads back as the same pattern, also in lower and upper case', () => {
    expectForAll((pattern) => {
      expectSame(parsePattern(pattern.toString()), pattern);
      expectSame(parsePattern(pattern.toString().toLowerCase()), pattern);
      expectSame(parsePattern(pattern.toString().toUpperCase()), pattern);
    });
  });

  it('reads back with any white space between its words and marks', () => {
    const space = fc.array(fc.constantFrom(' ', '\t', '\n', '\r\n'), {maxLength: 3}).map((parts) => parts.join(''));
    const holds = fc.property(anyPattern, fc.array(space, {minLength: 7, maxLength: 7}), (pattern, spaces) => {
      let marks = 0;
      const spread = pattern
        .toString()
        .replace(/ |(?=[()[\]:,*])|(?<=[()[\]:,*])/g, (found) => found + spaces[marks++ % spaces.length]!);
      expectSame(parsePattern(spread), pattern);
    });
    expect(() => fc.assert(holds, {numRuns: 100})).not.toThrow();
  });

  it('may be nested deeper than any stack', () => {
    const depth = 20_000;
    expect(parsePattern('('.repeat(depth) + 'causal()' + ')'.repeat(depth)).toString()).toBe('causal()');
    expect(refusal(() => parsePattern('('.repeat(depth))).message).toContain('found the end');
    expect(refusal(() => parsePattern('not '.repeat(depth) + 'causal()')).message).toContain('at most 1000');
  });

  it('and the JSON form round-trip for the deepest pattern there may be', () => {
    let pattern = full();
    for (let i = 0; i < 1000; i++) pattern = causal().or(pattern);
    expect(refusal(() => pattern.not()).thing).toBe('pattern');
    expect(parsePattern(pattern.toString()).toString()).toBe(pattern.toString());
    expect(patternFromJSON(JSON.parse(JSON.stringify(pattern))).toString()).toBe(pattern.toString());
    expect(pattern.attends(0, 0, {queryLength: 1, keyLength: 1})).toBeTrue();
  });
});

describe('the JSON form of a pattern', () => {
  it('is plain data with infinity and masks as strings', () => {
    expect(
      slidingWindow({left: Infinity})
        .and(globalTokens([1]))
        .toJSON() as unknown,
    ).toEqual({
      kind: 'and',
      operands: [
        {kind: 'slidingWindow', left: 'Infinity', right: 0, dilation: 1},
        {kind: 'globalTokens', tokens: [1]},
      ],
    });
    expect(fromMask([1, 0, 1], {queryLength: 1, keyLength: 3}).not().toJSON() as unknown).toEqual({
      kind: 'not',
      operand: {kind: 'mask', queryLength: 1, keyLength: 3, words: '0x5'},
    });
  });

  it('reads back as the same pattern after JSON', () => {
    expectForAll((pattern) => expectSame(patternFromJSON(JSON.parse(JSON.stringify(pattern))), pattern));
  });

  it('may leave out options that have a default', () => {
    expect(patternFromJSON({kind: 'slidingWindow', right: 'Infinity'}).toString()).toBe('slidingWindow(right: infinity)');
  });
});
