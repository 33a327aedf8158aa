import fc from 'fast-check';
import {
  causal,
  fromMask,
  full,
  parsePattern,
  patternFromJSON,
  perBatch,
  perHead,
  prefix,
  slidingWindow,
  type Pattern,
} from '../../src/pattern/index.js';
import {equals} from '../../src/acsr/index.js';
import {arbitraryListCase, arbitraryPattern, type ListCase} from '../support/arbitraries.js';
import {refusal} from '../support/errors.js';

const LENGTHS = {queryLength: 4, keyLength: 4};

const forAll = (holds: (given: ListCase) => void, numRuns = 40, masks = true): void =>
  expect(() => fc.assert(fc.property(arbitraryListCase({masks}), holds), {numRuns})).not.toThrow();

function same(found: unknown, expected: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(expected))
    throw new Error(`${JSON.stringify(found)} is not ${JSON.stringify(expected)}`);
}

/** Every pair of every head of every sequence. */
function pairsOf(pattern: Pattern, {shape, heads, batch}: ListCase): boolean[] {
  const pairs: boolean[] = [];
  for (let b = 0; b < batch; b++)
    for (let head = 0; head < heads; head++)
      for (let query = 0; query < shape.queryLength; query++)
        for (let key = 0; key < shape.keyLength; key++) pairs.push(pattern.attends(query, key, {...shape, head, batch: b}));
  return pairs;
}

describe('patterns per head and per batch', () => {
  const [a, b, c] = [causal(), slidingWindow({left: 4}), prefix(1)];

  it('print as calls of their entries, and operators go to the entries', () => {
    const texts = [
      perHead([a, b]),
      perBatch([a.or(c), b]),
      perHead([a, b]).and(c),
      c.or(perHead([a, b])),
      perHead([a, b]).not(),
      perHead([a, b]).and(perHead([c, a])),
      perHead([a, b]).or(perBatch([c, a])),
      perBatch([perHead([a, b]), c]).not(),
    ].map(String);
    expect(texts).toEqual([
      'perHead(causal(), slidingWindow(left: 4))',
      'perBatch(causal() or prefix(1), slidingWindow(left: 4))',
      'perHead(causal() and prefix(1), slidingWindow(left: 4) and prefix(1))',
      'perHead(prefix(1) or causal(), prefix(1) or slidingWindow(left: 4))',
      'perHead(not causal(), not slidingWindow(left: 4))',
      'perHead(causal() and prefix(1), slidingWindow(left: 4) and causal())',
      'perBatch(perHead(causal() or prefix(1), slidingWindow(left: 4) or prefix(1)), perHead(causal() or causal(), slidingWindow(left: 4) or causal()))',
      'perBatch(perHead(not causal(), not slidingWindow(left: 4)), not prefix(1))',
    ]);
  });

  it('have one form: sequences outside, heads inside', () => {
    expect(String(perHead([perBatch([a, b]), c]))).toBe(String(perBatch([perHead([a, c]), perHead([b, c])])));
    expect(JSON.stringify(perHead([a, b]))).toBe(
      '{"kind":"perHead","patterns":[{"kind":"causal"},{"kind":"slidingWindow","left":4,"right":0,"dilation":1}]}',
    );
  });

  it('read back from their text, in any case, and from their JSON', () => {
    forAll(({pattern}) => {
      same(parsePattern(String(pattern)).node, pattern.node);
      same(parsePattern(String(pattern).toUpperCase()).node, pattern.node);
      same(patternFromJSON(JSON.parse(JSON.stringify(pattern))).node, pattern.node);
    });
    expect(String(parsePattern('( perhead (causal(),full ( )) and not perBatch(prefix(1), prefix(2) ) )'))).toBe(
      'perBatch(perHead(causal() and not prefix(1), full() and not prefix(1)), perHead(causal() and not prefix(2), full() and not prefix(2)))',
    );
  });

  it('combine pair by pair: and, or, not of the lists are those of every line', () => {
    const holds = fc.property(
      arbitraryListCase().chain((given) => fc.tuple(fc.constant(given), arbitraryPattern(given.shape.keyLength))),
      ([given, other]) => {
        const [left, right] = [pairsOf(given.pattern, given), pairsOf(other, given)];
        same(
          pairsOf(given.pattern.and(other), given),
          left.map((x, i) => x && right[i]!),
        );
        same(
          pairsOf(other.or(given.pattern), given),
          left.map((x, i) => x || right[i]!),
        );
        same(
          pairsOf(given.pattern.not(), given),
          left.map((x) => !x),
        );
        same(pairsOf(given.pattern.and(given.pattern.not()), given).includes(true), false);
      },
    );
    expect(() => fc.assert(holds, {numRuns: 8})).not.toThrow();
  });

  it('ask which head is meant where heads differ, and only there', () => {
    const pattern = perHead([causal(), full()]);
    expect(pattern.attends(0, 1, {...LENGTHS, head: 0})).toBe(false);
    expect(pattern.attends(0, 1, {...LENGTHS, head: 1, batch: 7})).toBe(true);
    expect(refusal(() => pattern.attends(0, 1, LENGTHS)).thing).toBe('shape.head');
    expect(refusal(() => pattern.attends(0, 1, {...LENGTHS, head: 2})).message).toContain('an index below 2');
    expect(refusal(() => pattern.attends(0, 1, {...LENGTHS, head: -1})).thing).toBe('shape.head');
    expect(refusal(() => perBatch([causal(), full()]).attends(0, 1, {...LENGTHS, head: 0})).thing).toBe('shape.batch');
    expect(refusal(() => perBatch([pattern, full()]).attends(0, 1, {...LENGTHS, head: 0})).thing).toBe('shape.batch');
    expect(perHead([causal(), causal()]).attends(0, 1, LENGTHS)).toBe(false);
    expect(causal().attends(0, 1, {...LENGTHS, head: null, batch: undefined})).toBe(false);
  });

  it('are equal where all lines are, and say the line where one is not', () => {
    expect(equals(perHead([a, a]), a, LENGTHS)).toEqual({equal: true});
    expect(equals(perHead([a, full()]), a, LENGTHS)).toEqual({equal: false, counterexample: {query: 0, key: 1, head: 1}});
    expect(equals(perBatch([a, perHead([a, full()])]), a, LENGTHS)).toEqual({
      equal: false,
      counterexample: {query: 0, key: 1, head: 1, batch: 1},
    });
    expect(refusal(() => equals(perHead([a, a]), perHead([a]), LENGTHS)).thing).toBe('perHead');
    forAll((given) => {
      const {pattern, shape} = given;
      same(equals(pattern, pattern.not().not(), shape).equal, true);
      const found = equals(pattern, pattern.not(), shape);
      same(found.equal, shape.queryLength * shape.keyLength === 0);
    }, 20);
  });

  it('refuse lists that are none', () => {
    const message = (make: () => unknown): string => refusal(make).message;
    expect(message(() => perHead([]))).toContain('found an empty array, expected an array of patterns, one for each query head');
    expect(message(() => perHead(causal() as never))).toContain('Write perHead([first, second])');
    expect(message(() => perBatch(undefined as never))).toContain('perBatch: found nothing');
    expect(message(() => perHead([causal(), 'full()' as never]))).toContain('perHead[1]');
    expect(message(() => perHead(new Array(2) as never))).toContain('perHead[0]');
    expect(message(() => perHead([causal, full] as never))).toContain('Call it: causal()');
    expect(message(() => perHead([perHead([a]), b]))).toContain('a perHead inside a perHead');
    expect(message(() => perBatch([a, perBatch([b])]))).toContain('perBatch[1]: found a perBatch inside a perBatch');
    expect(message(() => perHead([perBatch([a, perHead([b])])]))).toContain('a perHead inside a perHead');
    expect(message(() => perBatch([perHead([a]), perHead([a, b])]))).toContain('found a perHead of 2 patterns, expected 1');
    expect(message(() => perHead([perBatch([a, b]), perBatch([a])]))).toContain('found a perBatch of 1 patterns, expected 2');
    expect(message(() => perHead([a, b]).and(perHead([a])))).toContain('found 2 patterns beside 1');
    expect(message(() => perBatch([perHead([a]), b]).or(perBatch([a, perHead([b, a])])))).toContain('lists of the same length');
    expect(message(() => causal().and([a, b] as never))).toContain('One for each query head is perHead(patterns)');
  });

  it('refuse texts and data that are none, and point at the place', () => {
    const caret = (text: string): number => {
      const lines = refusal(() => parsePattern(text)).message.split('\n');
      return lines.at(-1)!.indexOf('^') - 2;
    };
    for (const text of [
      'perHead()',
      'perHead(causal()',
      'perHead(causal() full())',
      'perHead(causal(),)',
      'perHead',
      'causal(), full()',
      'perHead(perHead(causal()))',
      'perHead(causal(), perBatch(full(), perHead(causal())))',
      'perHead((causal(), full())',
      'perHead(causal()))',
    ])
      expect(refusal(() => parsePattern(text)).cure)
        .withContext(text)
        .toContain('^');
    expect(caret('perHead(causal(), perHead(full()))')).toBe(18);
    expect(caret('perBatch(perHead(full()), perHead(full(), full()))')).toBe(26);
    expect(caret('perHaed(full())')).toBe(0);
    expect(refusal(() => parsePattern('perHaed(full())')).message).toContain('Did you mean perHead?');
    expect(refusal(() => parsePattern('perHead('.repeat(100_000))).message).toContain('no perHead');
    const json = (value: unknown): string => refusal(() => patternFromJSON(value)).thing;
    expect(json({kind: 'perHead', patterns: []})).toBe('pattern.patterns');
    expect(json({kind: 'perHead', patterns: {}})).toBe('pattern.patterns');
    expect(json({kind: 'perHead', patterns: [{kind: 'causal'}, {kind: 'perHead', patterns: [{kind: 'full'}]}]})).toBe(
      'pattern.patterns[1]',
    );
    expect(json({kind: 'perBatch', patterns: [{kind: 'prefix', count: -1}]})).toBe('pattern.patterns[0].count');
    expect(json({kind: 'perBatch', pattern: []})).toBe('pattern field');
  });

  it('come of masks with heads, flat or nested, equal ones held once', () => {
    const masks = [
      [1, 0, 1, 1, 1, 0],
      [1, 1, 1, 0, 0, 1],
      [1, 0, 1, 1, 1, 0],
    ];
    const shape = {queryLength: 2, keyLength: 3};
    const expected = perHead(masks.map((mask) => fromMask(mask, shape)));
    const nested = masks.map((mask) => [mask.slice(0, 3), mask.slice(3)]);
    for (const found of [
      fromMask(masks.flat(), {...shape, heads: 3}),
      fromMask(Uint8Array.from(masks.flat()), {...shape, heads: 3}),
      fromMask(masks, {...shape, heads: 3}),
      fromMask(nested, {heads: 3}),
      fromMask(
        nested.map((rows) => rows.map((row) => row.map((x) => x === 1))),
        {...shape, heads: 3},
      ),
      fromMask(
        nested.map((rows) => rows.map((row) => BigInt64Array.from(row, BigInt))),
        {heads: 3},
      ),
    ]) {
      expect(String(found)).toBe(String(expected));
      const {patterns} = found.node as {readonly patterns: readonly unknown[]};
      expect(patterns[2]).toBe(patterns[0]);
      expect(patterns[1]).not.toBe(patterns[0]);
    }
    expect(String(fromMask(masks[0]!, {...shape, heads: null}))).toBe(String(fromMask(masks[0]!, shape)));
    expect(String(fromMask(masks[0]!, {...shape, heads: 1}))).toContain('perHead(mask(');
  });

  it('refuse masks that do not fit their heads', () => {
    const thing = (make: () => unknown): string => refusal(make).thing;
    const shape = {queryLength: 2, keyLength: 3};
    expect(thing(() => fromMask([1, 0, 1], {...shape, heads: 2}))).toBe('fromMask.mask');
    expect(thing(() => fromMask([1], {...shape, heads: 0}))).toBe('fromMask.heads');
    expect(thing(() => fromMask([1], {...shape, heads: 1.5}))).toBe('fromMask.heads');
    expect(thing(() => fromMask([1], {heads: 1} as never))).toBe('fromMask.queryLength');
    expect(thing(() => fromMask([[[1]], [[1]]], {heads: 3}))).toBe('fromMask.mask');
    expect(thing(() => fromMask([[[1]], [[1, 1]]], {heads: 2}))).toBe('fromMask.mask[1]');
    expect(thing(() => fromMask([[[1, 1], [1]], [[1, 1]]], {heads: 2}))).toBe('fromMask.mask[0][1]');
    expect(thing(() => fromMask([[[1]], 1] as never, {heads: 2}))).toBe('fromMask.mask[1]');
    expect(thing(() => fromMask([[[1, 1]], [[1, -1]]], {heads: 2}))).toBe('fromMask.mask[1][0][1]');
    expect(thing(() => fromMask([1, 1, 1, NaN], {queryLength: 1, keyLength: 2, heads: 2}))).toBe('fromMask.mask[3]');
    expect(thing(() => fromMask([[[1, 1]]], {queryLength: 2, keyLength: 2, heads: 1}))).toBe('fromMask.mask[0]');
    expect(thing(() => fromMask([[1, 1]], {queryLength: 1, keyLength: 2} as never))).toBe('fromMask.mask');
    expect(thing(() => fromMask([], {queryLength: 2 ** 16, keyLength: 2 ** 16, heads: 2}))).toBe('fromMask');
  });
});
