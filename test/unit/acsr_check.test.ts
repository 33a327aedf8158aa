import {checkAcsr, compress, decodeRow, MAX_RUNS, type Acsr} from '../../src/acsr/index.js';
import {causal, fromMask, slidingWindow, strided} from '../../src/pattern/index.js';

/** Three queries of 40 keys: {0 … 4, 10, 12, 14}, none, and bits {1, 35}. */
const SOUND: Acsr = {
  queryLength: 3,
  keyLength: 40,
  nnz: 10,
  rowRuns: Int32Array.of(0, 2, 2, 2),
  start: Int32Array.of(0, 10),
  stride: Int32Array.of(1, 2),
  count: Int32Array.of(5, 3),
  irregularRows: Int32Array.of(2),
  bits: Uint32Array.of(2, 8),
};

describe('checkAcsr', () => {
  it('accepts a sound record', () => expect(() => checkAcsr(SOUND)).not.toThrow());

  it('accepts what compress makes', () => {
    const shape = {queryLength: 30, keyLength: 70};
    const mask = Array.from({length: 30 * 70}, (_, pair) => (pair * 7919) % 13 < 5);
    for (const pattern of [
      causal(),
      strided({stride: 9})
        .or(slidingWindow({left: 3}))
        .not(),
      fromMask(mask, shape),
    ]) {
      expect(() => checkAcsr(compress(pattern, shape)))
        .withContext(String(pattern))
        .not.toThrow();
    }
  });

  const faults: readonly [law: string, fault: Partial<Acsr>][] = [
    ['rowRuns has queryLength + 1 entries', {rowRuns: Int32Array.of(0, 2, 2)}],
    ['rowRuns begins with 0', {rowRuns: Int32Array.of(1, 2, 2, 2)}],
    ['rowRuns never descends', {rowRuns: Int32Array.of(0, 2, 1, 2)}],
    ['rowRuns ends with the number of runs', {rowRuns: Int32Array.of(0, 1, 1, 1)}],
    ['rowRuns ends with the number of runs', {stride: Int32Array.of(1)}],
    ['runs of a row ascend by start', {start: Int32Array.of(20, 10)}],
    ['runs of a row are disjoint', {start: Int32Array.of(0, 4)}],
    ['runs of a row are disjoint', {start: Int32Array.of(8, 10), stride: Int32Array.of(3, 2)}],
    ['keys are in range', {start: Int32Array.of(-1, 10)}],
    ['keys are in range', {start: Int32Array.of(0, 36)}],
    ['counts are at least 1', {count: Int32Array.of(5, 0)}],
    ['strides are at least 1', {stride: Int32Array.of(1, 0)}],
    ['nnz is the number of pairs', {nnz: 9}],
    ['irregular rows own ⌈keyLength/32⌉ words each', {bits: Uint32Array.of(2)}],
    ['irregular rows are queries', {irregularRows: Int32Array.of(3)}],
    ['irregular rows ascend', {irregularRows: Int32Array.of(2, 1), bits: Uint32Array.of(1, 0, 1, 0)}],
    ['irregular rows ascend', {irregularRows: Int32Array.of(2, 2), bits: Uint32Array.of(1, 0, 1, 0)}],
    ['irregular rows own no runs', {irregularRows: Int32Array.of(0)}],
    ['bits past keyLength are 0', {bits: Uint32Array.of(2, 256)}],
  ];
  for (const [law, fault] of faults) {
    it(`knows that ${law}: ${JSON.stringify(fault)}`, () => {
      expect(() => checkAcsr({...SOUND, ...fault})).toThrowError(new RegExp(law.replace('+', '\\+')));
    });
  }

  it(`knows that a row has at most ${MAX_RUNS} runs`, () => {
    const runs = MAX_RUNS + 1;
    const many = {
      ...SOUND,
      queryLength: 1,
      keyLength: 200,
      nnz: runs,
      rowRuns: Int32Array.of(0, runs),
      start: Int32Array.from({length: runs}, (_, i) => 2 * i),
      stride: new Int32Array(runs).fill(1),
      count: new Int32Array(runs).fill(1),
      irregularRows: new Int32Array(0),
      bits: new Uint32Array(0),
    };
    expect(() => checkAcsr(many)).toThrowError(/a row has at most 64 runs/);
  });
});

describe('decodeRow', () => {
  it('lists the keys of runs and of bits, ascending', () => {
    expect(decodeRow(SOUND, 0)).toEqual(Int32Array.of(0, 1, 2, 3, 4, 10, 12, 14));
    expect(decodeRow(SOUND, 1)).toEqual(new Int32Array(0));
    expect(decodeRow(SOUND, 2)).toEqual(Int32Array.of(1, 35));
    expect(decodeRow(compress(strided({stride: 4}), {queryLength: 8, keyLength: 8}), 5)).toEqual(Int32Array.of(1, 5));
  });

  it('puts the keys of interleaved runs in order', () => {
    const acsr = {...SOUND, start: Int32Array.of(0, 1), stride: Int32Array.of(4, 4), count: Int32Array.of(3, 2)};
    expect(decodeRow(acsr, 0)).toEqual(Int32Array.of(0, 1, 4, 5, 8));
  });

  it('refuses a period that is none', () => {
    const acsr = compress(strided({stride: 3}).or(strided({stride: 4})), {queryLength: 30, keyLength: 40});
    const {recurrence} = acsr;
    expect(recurrence?.period).toBe(12);
    expect(() => checkAcsr(acsr)).not.toThrow();
    for (const period of [6, 9, 16, 0, 1.5]) {
      expect(() => checkAcsr({...acsr, recurrence: {...recurrence!, period}})).toThrowError(/recur|a period has its runs/);
    }
    const moved = acsr.rowRuns.slice();
    moved[20]!--;
    expect(() => checkAcsr({...acsr, rowRuns: moved})).toThrowError(/rows recur|disjoint|ascend/);
    expect(() => checkAcsr({...acsr, recurrence: {...recurrence!, most: recurrence!.most.map((keys) => keys + 1)}})).toThrowError(
      /most keys/,
    );
    expect(() => checkAcsr({...SOUND, recurrence: {...recurrence!, period: 1}})).toThrowError(/holds runs alone/);
  });
});
