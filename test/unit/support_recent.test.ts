import fc from 'fast-check';
import {isSame, keyOf, Recent} from '../../src/support/index.js';

/** Records such as calls are looked up by. */
const records = fc.letrec<{entry: unknown; record: object}>((tie) => ({
  entry: fc.oneof(
    {depthSize: 'small', withCrossShrink: true},
    fc.integer({min: 0, max: 3}),
    fc.constantFrom('a', 'b', '1', 'null'),
    fc.boolean(),
    fc.constantFrom(undefined, null, NaN, 0.5),
    fc.array(fc.integer({min: 0, max: 2}), {maxLength: 3}),
    tie('record'),
  ),
  record: fc.dictionary(fc.constantFrom('x', 'y', 'z'), tie('entry'), {noNullPrototype: true}),
})).record;

describe('records that are compared', () => {
  it('are the same exactly where their keys are', () => {
    fc.assert(
      fc.property(records, records, (a, b) => isSame(a, b) === (keyOf(a) === keyOf(b))),
      {numRuns: 5000},
    );
  });

  it('are the same as their copies, whose entries come in another order', () => {
    const turned = (value: unknown): unknown =>
      typeof value !== 'object' || value === null || Array.isArray(value)
        ? value
        : Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([name, entry]) => [name, turned(entry)]),
          );
    fc.assert(fc.property(records, (record) => isSame(record, turned(record))));
  });

  it('are told apart by the sign of zero and the class of lists', () => {
    expect(isSame({x: 0}, {x: -0})).toBe(false);
    expect(isSame({x: []}, {x: {}})).toBe(false);
    expect(isSame({x: undefined}, {y: 1})).toBe(false);
    expect(isSame({x: undefined}, {y: undefined})).toBe(true);
  });
});

describe('what was found for recent records', () => {
  it('is found again by an equal record, and only the last few are kept', () => {
    const recent = new Recent<{x: number}, string>(3);
    for (let x = 0; x < 5; x++) expect(recent.set({x}, `${x}`)).toBe(`${x}`);
    expect(recent.size).toBe(3);
    expect([0, 1, 2, 3, 4].map((x) => recent.get({x}))).toEqual([undefined, undefined, '2', '3', '4']);
  });
});
