import {
  blockLocal,
  causal,
  checkFits,
  documents,
  fromMask,
  globalTokens,
  parsePattern,
  patternFromJSON,
  prefix,
  resolveShape,
  slidingWindow,
  strided,
  type Pattern,
  type PatternShape,
} from '../../src/pattern/index.js';
import {refusal} from '../support/errors.js';

/** What a plain JavaScript caller may pass. */
const wrong = (value: unknown) => value as never;

describe('a builder refuses', () => {
  it('negative, fractional, NaN, infinite and missing sizes, and names them', () => {
    const cases: readonly [() => Pattern, thing: string, found: string][] = [
      [() => slidingWindow({left: -1}), 'slidingWindow.left', '-1'],
      [() => slidingWindow({right: 1.5}), 'slidingWindow.right', '1.5'],
      [() => slidingWindow({left: NaN}), 'slidingWindow.left', 'NaN'],
      [() => slidingWindow({left: -Infinity}), 'slidingWindow.left', '-Infinity'],
      [() => slidingWindow({left: wrong(null)}), 'slidingWindow.left', 'null'],
      [() => slidingWindow({left: wrong('3')}), 'slidingWindow.left', '"3"'],
      [() => slidingWindow({dilation: 0}), 'slidingWindow.dilation', '0'],
      [() => slidingWindow({dilation: Infinity}), 'slidingWindow.dilation', 'Infinity'],
      [() => slidingWindow({left: 2 ** 60}), 'slidingWindow.left', String(2 ** 60)],
      [() => strided({stride: 0}), 'strided.stride', '0'],
      [() => strided(wrong({})), 'strided.stride', 'nothing'],
      [() => blockLocal({size: -4}), 'blockLocal.size', '-4'],
      [() => globalTokens(-1), 'globalTokens.tokens', '-1'],
      [() => globalTokens([1, -2]), 'globalTokens.tokens[1]', '-2'],
      [() => globalTokens([0.5]), 'globalTokens.tokens[0]', '0.5'],
      [() => globalTokens(wrong('all')), 'globalTokens.tokens', '"all"'],
      [() => prefix(NaN), 'prefix.count', 'NaN'],
      [() => prefix(wrong(undefined)), 'prefix.count', 'nothing'],
      [() => documents([3, -1]), 'documents.lengths[1]', '-1'],
      [() => documents(wrong(3)), 'documents.lengths', '3'],
      [() => documents(wrong([[1]])), 'documents.lengths[0]', 'an array of 1'],
    ];
    for (const [act, thing, found] of cases) {
      const error = refusal(act);
      expect([error.thing, error.found]).toEqual([thing, found]);
    }
  });

  it('an unknown option, and suggests the nearest', () => {
    const error = refusal(() => slidingWindow(wrong({lef: 3})));
    expect(error.message).toBe('slidingWindow option: found "lef", expected one of left, right, dilation. Did you mean left?');
    expect(refusal(() => strided(wrong({strides: 3}))).cure).toBe('Did you mean stride?');
    expect(refusal(() => blockLocal(wrong({blocks: 3}))).cure).toBe('Check its spelling, or leave it out.');
  });

  it('options that are no object', () => {
    expect(refusal(() => strided(wrong(4))).message).toBe(
      'strided options: found 4, expected an object {stride: …}. Name each size.',
    );
    expect(refusal(() => slidingWindow(wrong(null))).found).toBe('null');
  });

  it('a mask of another length, of scores, or of a wrong shape', () => {
    expect(refusal(() => fromMask([1, 0, 1], {queryLength: 2, keyLength: 2})).message).toContain(
      'found 3 entries, expected queryLength · keyLength = 4',
    );
    expect(refusal(() => fromMask(new Float32Array([0, -1e9]), {queryLength: 1, keyLength: 2})).thing).toBe('fromMask.mask[1]');
    expect(refusal(() => fromMask([1, NaN], {queryLength: 1, keyLength: 2})).cure).toContain('bias');
    expect(refusal(() => fromMask([], {queryLength: -1, keyLength: 2})).thing).toBe('fromMask.queryLength');
    expect(refusal(() => fromMask([], {queryLength: 0, keyLength: 0.5})).thing).toBe('fromMask.keyLength');
    expect(refusal(() => fromMask([], wrong({queryLength: 0, keys: 0}))).found).toBe('"keys"');
    expect(refusal(() => fromMask(wrong(undefined), {queryLength: 1, keyLength: 2})).found).toBe('nothing');
    expect(refusal(() => fromMask([], {queryLength: 1e6, keyLength: 1e6})).found).toBe('a shape of [1000000, 1000000]');
  });

  it('to combine a pattern with something else', () => {
    expect(refusal(() => causal().or(wrong('full()'))).message).toContain(
      "pattern.or: found the text 'full()', expected a Pattern",
    );
    expect(refusal(() => causal().and(prefix(1), wrong(3))).thing).toBe('pattern.and');
  });

  it('no operand of several: all of them count', () => {
    expect(String(causal().or(prefix(4), documents([6])))).toBe('causal() or prefix(4) or documents([6])');
    expect(String(causal().and(prefix(4), documents([6])))).toBe('causal() and prefix(4) and documents([6])');
  });
});

describe('a shape', () => {
  const found = (shape: unknown) => refusal(() => resolveShape(shape as PatternShape)).message;

  it('must hold lengths that are counts and an offset that is an integer', () => {
    expect(found({queryLength: -1, keyLength: 2})).toContain('queryLength: found -1');
    expect(found({queryLength: 1, keyLength: 2 ** 31})).toContain('keyLength: found 2147483648');
    expect(found({queryLength: 2 ** 24 + 1, keyLength: 1})).toContain('queryLength: found 16777217');
    expect(found({queryLength: 1, keyLength: 2, queryOffset: 0.5})).toContain('queryOffset: found 0.5');
    expect(found({queryLength: 1, keyLength: 2, queryOffset: Infinity})).toContain('queryOffset: found Infinity');
    expect(found({queryLength: 1})).toContain('keyLength: found nothing');
    expect(found(undefined)).toContain('shape: found nothing');
  });

  it('aligns the last query with the last key when it has no offset', () => {
    expect(resolveShape({queryLength: 2, keyLength: 5})).toEqual({queryLength: 2, keyLength: 5, queryOffset: 3});
    expect(resolveShape({queryLength: 5, keyLength: 2})).toEqual({queryLength: 5, keyLength: 2, queryOffset: -3});
  });

  it('must be one that the pattern was written for, wherever in the pattern that is said', () => {
    const shape = resolveShape({queryLength: 2, keyLength: 6});
    const misfit = (pattern: Pattern) => refusal(() => checkFits(causal().or(pattern.not()).node, shape)).message;
    expect(misfit(globalTokens([1, 6]))).toContain('globalTokens.tokens: found index 6, expected indices below keyLength = 6');
    expect(misfit(documents([3, 4]))).toContain('documents.lengths: found a sum of 7, expected keyLength = 6');
    expect(misfit(fromMask([1, 1], {queryLength: 1, keyLength: 2}))).toContain('fromMask: found a mask of [1, 2]');
    expect(() =>
      checkFits(
        globalTokens(99)
          .or(prefix(99))
          .or(documents([6])).node,
        shape,
      ),
    ).not.toThrow();
  });

  it('bounds the indices that attends takes', () => {
    const shape = {queryLength: 2, keyLength: 3};
    expect(refusal(() => causal().attends(2, 0, shape)).message).toContain(
      'query: found 2, expected an index below queryLength = 2',
    );
    expect(refusal(() => causal().attends(0, 3, shape)).message).toContain('key: found 3, expected an index below keyLength = 3');
    expect(refusal(() => causal().attends(-1, 0, shape)).thing).toBe('query');
    expect(refusal(() => documents([4]).attends(0, 0, shape)).thing).toBe('documents.lengths');
  });
});

describe('parsePattern', () => {
  it('points a caret at what is wrong and says what belongs there', () => {
    // Each text, the column under the caret, and the words that the message must hold.
    const cases: readonly [text: string, column: number, ...words: string[]][] = [
      ['', 0, 'found the end', 'a pattern'],
      ['slidngWindow(left: 3)', 0, 'Did you mean slidingWindow?'],
      ['causal() or wndow(3)', 12, 'found "wndow"', 'one of full, causal'],
      ['causal() or', 11, 'found the end', 'a pattern'],
      ['not', 3, 'found the end', 'a pattern'],
      ['or causal()', 0, 'found "or"', 'a pattern'],
      ['causal() full()', 9, 'found "full"', 'and, or, ) or the end'],
      ['causal() | full()', 9, 'Write or.'],
      ['!causal()', 0, 'Write not.'],
      ['causal() and 💥', 13, 'found "💥"'],
      ['causal', 6, 'expected "("'],
      ['causal(3)', 7, 'causal() takes nothing'],
      ['(causal()', 0, 'a ) that closes it'],
      ['causal())', 8, 'found ")"'],
      ['slidingWindow(lef: 3)', 14, 'Did you mean left?'],
      ['slidingWindow(left: 3, left: 4)', 23, 'each option once'],
      ['slidingWindow(left = 3)', 19, 'Write a colon.'],
      ['slidingWindow(3)', 14, 'the name of an option', 'left, right, dilation'],
      ['slidingWindow(left: 3', 21, 'expected ")"'],
      ['slidingWindow(left: x)', 20, 'a number'],
      ['slidingWindow(right: 2, left: -3)', 30, 'slidingWindow.left: found -3'],
      ['slidingWindow(dilation: infinity)', 24, 'slidingWindow.dilation: found Infinity'],
      ['strided()', 0, 'strided.stride: found nothing'],
      ['globalTokens([1, 2.5])', 17, 'globalTokens.tokens[1]: found 2.5'],
      ['globalTokens([1 2])', 16, 'expected "]"'],
      ['prefix(1, 2)', 8, 'expected ")"'],
      ['prefix(1e99)', 7, 'prefix.count'],
      ['mask(queryLength: 1, keyLength: 3, words: 0x8)', 42, 'a bit past key 2'],
      ['mask(queryLength: 2, keyLength: 3, words: 0x1)', 42, 'found 1 words', '= 2 words'],
      ['mask(queryLength: 1, keyLength: 3, words: 0x0*999999999999)', 42, 'found 999999999999 words'],
      ['mask(queryLength: 1, keyLength: 3, words: 0x123456789)', 42, 'mask.words'],
      ['mask(queryLength: 1000000, keyLength: 1000000, words: 0x0*31250000000)', 0, 'at most 134217728 words'],
    ];
    for (const [text, column, ...words] of cases) {
      const message = refusal(() => parsePattern(text)).message;
      for (const word of words) expect(message).toContain(word);
      const caret = message.split('\n')[2];
      expect([text, caret]).toEqual([text, `${' '.repeat(2 + column)}^`]);
    }
  });

  it('shows the neighbourhood of an error in a long text', () => {
    const message = refusal(() =>
      parsePattern(`${'causal() or '.repeat(50)}\tcausl() or ${'causal() or '.repeat(50)}full()`),
    ).message;
    const [excerpt, caret] = message.split('\n').slice(1);
    expect(excerpt!.length).toBeLessThan(120);
    expect(excerpt!.slice(caret!.indexOf('^'))).toMatch(/^causl\(\) or/);
  });

  it('takes text only', () => {
    expect(refusal(() => parsePattern(wrong({kind: 'full'}))).cure).toContain('patternFromJSON');
  });
});

describe('patternFromJSON', () => {
  it('names the place of what is wrong', () => {
    const cases: readonly [json: unknown, thing: string, found: string][] = [
      [undefined, 'pattern', 'nothing'],
      ['{"kind": "full"}', 'pattern', '"{\\"kind\\": \\"full\\"}"'],
      [[], 'pattern', 'an array of 0'],
      [{}, 'pattern.kind', 'nothing'],
      [{kind: 'causl'}, 'pattern.kind', '"causl"'],
      [{kind: 'constructor'}, 'pattern.kind', '"constructor"'],
      [{kind: 'full', size: 1}, 'pattern field', '"size"'],
      [{kind: 'not'}, 'pattern.operand', 'nothing'],
      [{kind: 'and', operands: [{kind: 'full'}]}, 'pattern.operands', 'an array of 1'],
      [{kind: 'or', operands: [{kind: 'full'}, {kind: 'slidingWindow', left: -1}]}, 'pattern.operands[1].left', '-1'],
      [
        {kind: 'not', operand: {kind: 'or', operands: [{kind: 'strided', stride: null}, 0]}},
        'pattern.operand.operands[0].stride',
        'null',
      ],
      [{kind: 'slidingWindow', left: 'infinite'}, 'pattern.left', '"infinite"'],
      [{kind: 'globalTokens', tokens: [1, 'a']}, 'pattern.tokens[1]', '"a"'],
      [{kind: 'mask', queryLength: 1, keyLength: 2, words: 3}, 'pattern.words', '3'],
      [{kind: 'mask', queryLength: 1, keyLength: 2, words: '0x4'}, 'pattern.words', 'a bit past key 1'],
      [JSON.parse('{"kind": "full", "__proto__": 1}'), 'pattern field', '"__proto__"'],
    ];
    for (const [json, thing, found] of cases) {
      const error = refusal(() => patternFromJSON(json));
      expect([error.thing, error.found]).toEqual([thing, found]);
    }
  });

  it('refuses data nested too deep instead of overflowing the stack', () => {
    let json: unknown = {kind: 'causal'};
    for (let i = 0; i < 100_000; i++) json = {kind: 'not', operand: json};
    expect(refusal(() => patternFromJSON(json)).expected).toBe('at most 1000');
  });
});
