import {columnsIn, formatsOf, operandBytes, rowBytes, type Formats} from '../../src/plan/index.js';
import {operandAccess, rowAccess} from '../../src/wgsl/text/row_access.js';
import {problemFor} from '../support/plans.js';

describe('the format of an operand', () => {
  it('says how long a row is: four bytes a number, or two in rows filled up to a multiple of 16', () => {
    for (let features = 1; features <= 256; features++) {
      expect(rowBytes('float32', features)).toBe(4 * features);
      expect(rowBytes('float16', features)).toBe(32 * Math.ceil(features / 16));
    }
  });

  it('has the columns that kernels read', () => {
    for (let features = 1; features <= 256; features++) {
      expect(columnsIn('float32', features)).toBe(rowAccess('query', features).columns);
      expect(columnsIn('float16', features)).toBe(operandAccess('query', formatsOf('float16'), features).columns);
    }
  });

  it('is each operand’s own: bytes and access follow the record, not the others', () => {
    const mixed: Formats = {...formatsOf('float32'), value: 'float16'};
    const problem = problemFor(
      {queryLength: 10, keyLength: 20, queryOffset: 10},
      {batch: 2, heads: 4, keyHeads: 2, headDim: 6, valueDim: 20},
    );
    expect(operandBytes(problem, mixed)).toEqual({query: 2 * 4 * 10 * 24, key: 2 * 2 * 20 * 24, value: 2 * 2 * 20 * 64});
    expect(operandAccess('key', mixed, 8).load('at', 'c')).toBe('key[at + c]');
    expect(operandAccess('value', mixed, 8).load('at', 'c')).toBe('valueHalves[at + c]');
    expect([operandAccess('key', mixed, 8).element, operandAccess('value', mixed, 8).element]).toEqual(['vec4f', 'vec4u']);
  });
});
