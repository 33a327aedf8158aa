import fc from 'fast-check';
import {checkAcsr, compress, decodeRow, type Acsr} from '../../src/acsr/index.js';
import {fromMask, type Pattern} from '../../src/pattern/index.js';

const LENGTH = 256;

/** A square mask of the pairs that `holds` names. */
function maskOf(holds: (query: number, key: number) => boolean, length = LENGTH): Pattern {
  const mask = Array.from({length: length * length}, (_, pair) => holds(Math.floor(pair / length), pair % length));
  return fromMask(mask, {queryLength: length, keyLength: length});
}

/** The mask, recognised: every law of the record and every pair is checked. */
function recognised(holds: (query: number, key: number) => boolean, length = LENGTH): Acsr {
  const acsr = compress(maskOf(holds, length), {queryLength: length, keyLength: length});
  checkAcsr(acsr);
  for (let query = 0; query < length; query++) {
    const keys = Array.from({length}, (_, key) => key).filter((key) => holds(query, key));
    expect([...decodeRow(acsr, query)])
      .withContext(`query ${query}`)
      .toEqual(keys);
  }
  return acsr;
}

const runCounts = (acsr: Acsr) =>
  Array.from({length: acsr.queryLength}, (_, query) => acsr.rowRuns[query + 1]! - acsr.rowRuns[query]!);
const strides = (acsr: Acsr) => [...new Set(acsr.stride)].sort((a, b) => a - b);
/** Repeatable coin flips. */
function flips(probability: number): () => boolean {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 < probability;
  };
}

describe('a mask is recognised', () => {
  it('whatever its pairs, exactly', () => {
    const property = fc.property(
      fc.integer({min: 1, max: 9}),
      fc.integer({min: 1, max: 150}),
      fc.infiniteStream(fc.boolean()),
      (queryLength, keyLength, bits) => {
        const mask = [...bits.take(queryLength * keyLength)];
        const acsr = compress(fromMask(mask, {queryLength, keyLength}), {queryLength, keyLength});
        checkAcsr(acsr);
        for (let query = 0; query < queryLength; query++) {
          const keys = Array.from({length: keyLength}, (_, key) => key).filter((key) => mask[query * keyLength + key]);
          expect([...decodeRow(acsr, query)]).toEqual(keys);
        }
      },
    );
    fc.assert(property, {numRuns: 50});
  });

  it('as one run a row where it is a window, also across words and up to the last key', () => {
    for (const length of [31, 32, 33, 64, 256]) {
      const acsr = recognised((query, key) => Math.abs(query - key) <= 20, length);
      expect(runCounts(acsr).every((runs) => runs === 1))
        .withContext(`${length} keys`)
        .toBeTrue();
      expect(strides(acsr)).toEqual([1]);
    }
  });

  it('as one run a row where it is strided, single keys included', () => {
    const acsr = recognised((query, key) => key <= query && (query - key) % 48 === 0);
    expect(acsr.start.length).toBe(LENGTH);
    expect(strides(acsr)).toEqual([48]);
  });

  it('as one run a row where it is a dilated window, down to two keys', () => {
    expect(strides(recognised((query, key) => Math.abs(query - key) <= 64 && (query - key) % 8 === 0))).toEqual([8]);
    const pairs = recognised((query, key) => key === query || key === query - 8);
    expect(pairs.start.length).toBe(LENGTH);
    expect(strides(pairs)).toEqual([8]);
  });

  it('as window and stride where both are, neither cut by the other', () => {
    const acsr = recognised((query, key) => key <= query && (query - key < 32 || (query - key) % 32 === 0));
    expect(Math.max(...runCounts(acsr))).toBe(2);
    expect(strides(acsr)).toEqual([1, 32]);
    const centred = recognised((query, key) => Math.abs(query - key) <= 2 || (query - key) % 16 === 0);
    expect(Math.max(...runCounts(centred))).toBe(3);
    expect(strides(centred)).toEqual([1, 16]);
  });

  it('as strides side by side where they interleave', () => {
    expect(Math.max(...runCounts(recognised((query, key) => (query - key + 12 * LENGTH) % 12 < 2)))).toBe(2);
    const acsr = recognised((query, key) => (query - key) % 3 !== 0, 400);
    expect(Math.max(...runCounts(acsr))).toBe(2);
    // Segments of seven keys are runs until there are too many of them.
    const long = recognised((query, key) => (query - key) % 8 !== 0, 640);
    expect(long.irregularRows.length).toBe(0);
    expect(Math.max(...runCounts(long))).toBeLessThan(8);
  });

  it('without strides where equal distances are chance', () => {
    const coin = flips(0.02);
    const random = Array.from({length: LENGTH * LENGTH}, coin);
    expect(strides(recognised((query, key) => random[query * LENGTH + key]!))).toEqual([1]);
  });

  it('with a lone key beside a stride left alone', () => {
    const acsr = recognised((query, key) => key === 3 || (query >= 32 && key >= 5 && key % 7 === 5));
    expect(runCounts(acsr).every((runs, query) => runs === (query < 32 ? 1 : 2))).toBeTrue();
    expect(strides(acsr)).toEqual([1, 7]);
  });

  it('as bits where it has no structure', () => {
    const coin = flips(0.5);
    const random = Array.from({length: 512 * 512}, coin);
    const acsr = recognised((query, key) => random[query * 512 + key]!, 512);
    expect(acsr.irregularRows.length).toBe(512);
    expect(acsr.start.length).toBe(0);
  });
});
