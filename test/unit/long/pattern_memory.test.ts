import fc from 'fast-check';
import {compress} from '../../../src/acsr/index.js';
import {documents, fromMask, parsePattern, patternFromJSON, planAttention} from '../../../src/index.js';
import {refusal} from '../../support/errors.js';

const HUGE = 'mask(queryLength: 65536, keyLength: 65536, words: 0x0*134217728)';

/** Bytes of typed arrays that `act` leaves or asks for on the way. */
function bytesOf(act: () => void): number {
  const [begin, stock] = [process.memoryUsage().arrayBuffers, Uint32Array];
  let most = 0;
  // What is made and dropped again counts too.
  const watched = new Proxy(stock, {
    construct: (target, [length]: [unknown]) => {
      most += typeof length === 'number' ? 4 * length : 0;
      return new target(length as number);
    },
  });
  globalThis.Uint32Array = watched;
  try {
    act();
  } finally {
    globalThis.Uint32Array = stock;
  }
  return Math.max(most, process.memoryUsage().arrayBuffers - begin);
}

describe('a pattern that is read from a few characters', () => {
  it('takes no more memory than they do, as text and as JSON', () => {
    const json = {kind: 'mask', queryLength: 65536, keyLength: 65536, words: '0x0*134217728'};
    const bytes = bytesOf(() => {
      const shape = {queryLength: 65536, keyLength: 65536};
      const pattern = parsePattern(HUGE);
      expect(String(pattern)).toBe(HUGE);
      expect(pattern.toJSON()).toEqual(json as never);
      expect(String(patternFromJSON(json))).toBe(HUGE);
      expect(pattern.attends(1000, 60000, shape)).toBeFalse();
      expect(pattern.not().attends(65535, 65535, shape)).toBeTrue();
      const many = Array<string>(300).fill(HUGE).join(' or ');
      expect(String(parsePattern(many))).toBe(many);
    });
    expect(bytes).toBeLessThan(2 ** 20);
  });

  it('is planned from its rows, one at a time', () => {
    const blocks = 'mask(queryLength: 4096, keyLength: 65536, words: 0xffffffff*4194304 0x0*4194304)';
    let nnz = 0;
    const bytes = bytesOf(
      () => (nnz = planAttention(parsePattern(blocks), {queryLength: 4096, keyLength: 65536, headDim: 64}).nnz),
    );
    expect(nnz).toBe(2048 * 65536);
    expect(bytes).toBeLessThan(2 ** 22);
  });

  it('means what the same bits mean at length', () =>
    fc.assert(
      fc.property(
        fc.integer({min: 1, max: 9}),
        fc.integer({min: 1, max: 100}),
        fc.array(fc.tuple(fc.constantFrom(0, 1), fc.integer({min: 1, max: 300})), {minLength: 1, maxLength: 6}),
        (queryLength, keyLength, runs) => {
          const shape = {queryLength, keyLength};
          const cycle = runs.flatMap(([bit, count]) => Array<number>(count).fill(bit));
          const bits = Array.from({length: queryLength * keyLength}, (_, i) => cycle[i % cycle.length]!);
          const whole = fromMask(bits, shape);
          const read = parsePattern(String(whole));
          expect(String(read)).toBe(String(whole));
          for (const [i, bit] of bits.entries())
            if (read.attends(Math.floor(i / keyLength), i % keyLength, shape) !== (bit === 1)) throw new Error(`pair ${i}`);
          const {rowRuns, start, stride, count, bits: irregular} = compress(whole, shape);
          expect(compress(read, shape)).toEqual(jasmine.objectContaining({rowRuns, start, stride, count, bits: irregular}));
        },
      ),
      {numRuns: 60},
    ));

  it('is refused where its runs leave a bit past the keys of any row', () => {
    // Rows of 2 words, 40 keys: the second word of a row may have 8 bits.
    const tailed = (words: string): string => `mask(queryLength: 3, keyLength: 40, words: ${words})`;
    for (const words of ['0xff*6', '0x0 0xff 0xffff 0x0*3', '0xffff 0xff 0xffff 0xff*3'])
      expect(String(parsePattern(tailed(words)))).toBe(tailed(words));
    for (const words of ['0x1ff*6', '0x0*4 0x100*2', '0x0 0x100 0x0*4', '0x0*2 0x100*2 0x0*2', '0x0*5 0x100'])
      expect(refusal(() => parsePattern(tailed(words))).found).toBe('a bit past key 39');
    expect(parsePattern(tailed('0x0*4 0x100 0x0')).attends(2, 8, {queryLength: 3, keyLength: 40})).toBeTrue();
  });
});

describe('a list of a million', () => {
  const lengths = Array<number>(1_000_000).fill(1);

  it('is read in less than a second', () => {
    const text = `documents([${lengths.join(', ')}])`;
    const times = Array.from({length: 3}, () => {
      const start = performance.now();
      expect(parsePattern(text).node).toEqual(jasmine.objectContaining({kind: 'documents'}));
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(1000);
    const start = performance.now();
    patternFromJSON({kind: 'documents', lengths});
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it('keeps its columns: errors point at the entry', () => {
    const {message} = refusal(() => parsePattern('documents([1,  2,-3 , 4])'));
    expect(message).toMatch(/^documents\.lengths\[2\]: found -3/);
    expect(message).toMatch(/\n {2}documents\(\[1, {2}2,-3 , 4\]\)\n {2} {17}\^$/);
    expect(refusal(() => parsePattern('documents([1, 2, x])')).message).toContain('"x" at column 18');
    expect(refusal(() => parsePattern('documents([1, 2,])')).message).toContain('"]" at column 17');
    expect(refusal(() => parsePattern('documents([1 2])')).message).toContain('"2" at column 14');
    expect(String(parsePattern('documents([ 1 ,2,3 ])'))).toBe(String(documents([1, 2, 3])));
    expect(String(parsePattern('globalTokens([])'))).toBe('globalTokens([])');
  });
});
