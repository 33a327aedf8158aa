import {compress, packedKeys, rowOffsets} from '../../src/acsr/index.js';
import {strided, type Pattern, type PatternShape} from '../../src/pattern/index.js';
import {CORPUS} from '../corpus.js';
import {drawMask, MASK_ZOO} from '../support/mask_zoo.js';

describe('pairs that are packed', () => {
  const shape = {queryLength: 90, keyLength: 90};
  const cases: [string, Pattern, PatternShape][] = [
    ...CORPUS.map(({name, pattern, shape}): [string, Pattern, PatternShape] => [name, pattern, shape]),
    ...MASK_ZOO.map((mask): [string, Pattern, PatternShape] => {
      const {pattern, n} = {...drawMask(mask, 256), n: 256};
      return [mask.name, pattern, {queryLength: n, keyLength: n}];
    }),
    ['strides that mesh', strided({stride: 2}).or(strided({stride: 3})), shape],
    ['nothing', strided({stride: 2}).and(strided({stride: 2}).not()), shape],
  ];
  for (const [name, pattern, given] of cases)
    it(`stand row by row, keys ascending: ${name}`, () => {
      const acsr = compress(pattern, given);
      const offsets = rowOffsets(acsr);
      const keys = packedKeys(acsr);
      expect(offsets.length).toBe(given.queryLength + 1);
      expect([offsets[0], offsets.at(-1), keys.length]).toEqual([0, acsr.nnz, acsr.nnz]);
      const wanted: number[] = [];
      for (let query = 0; query < given.queryLength; query++) {
        if (offsets[query] !== wanted.length) fail(`row ${query} begins at ${offsets[query]}, expected ${wanted.length}`);
        for (let key = 0; key < given.keyLength!; key++) if (pattern.attends(query, key, given)) wanted.push(key);
      }
      expect(keys).toEqual(Int32Array.from(wanted));
      const [from, end] = [Math.floor(given.queryLength / 3), Math.floor((2 * given.queryLength) / 3)];
      expect(packedKeys(acsr, from, end)).toEqual(keys.slice(offsets[from], offsets[end]));
    });
});
