import fc from 'fast-check';
import {keyOf} from '../../src/support/index.js';

const entry = fc.oneof(fc.integer(), fc.boolean(), fc.string(), fc.constant(null), fc.array(fc.integer(), {maxLength: 3}));
const record = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.oneof(entry, fc.dictionary(fc.constantFrom('x', 'y'), entry)));

describe('keyOf', () => {
  it('ignores the order of entries', () => {
    fc.assert(
      fc.property(record, (values) => {
        const turned = Object.fromEntries(Object.entries(values).reverse());
        expect(keyOf(turned)).toBe(keyOf(values));
      }),
    );
  });

  it('tells records apart that differ in one entry', () => {
    fc.assert(
      fc.property(record, fc.constantFrom('a', 'b', 'c', 'd'), entry, (values, name, other) => {
        fc.pre(JSON.stringify(values[name]) !== JSON.stringify(other));
        expect(keyOf({...values, [name]: other})).not.toBe(keyOf(values));
      }),
    );
  });

  it('takes an undefined entry for a missing one, and no text for anything else', () => {
    expect(keyOf({a: 1, b: undefined})).toBe(keyOf({a: 1}));
    const different = [
      undefined,
      null,
      NaN,
      Infinity,
      0,
      '',
      '0',
      'null',
      [],
      {},
      ['1,2'],
      ['1', '2'],
      [1, 2],
      {a: '1,b:2'},
      {a: 1, b: 2},
    ];
    expect(new Set(different.map(keyOf)).size).toBe(different.length);
  });
});
