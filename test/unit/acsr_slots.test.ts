import fc from 'fast-check';
import {
  checkAcsr,
  compress,
  cutRows,
  decodeRow,
  MAX_RUNS,
  positionOf,
  reachOf,
  repeatRows,
  slotOf,
  toSlots,
  type Acsr,
  type SlotLayout,
} from '../../src/acsr/index.js';
import {causal, prefix, slidingWindow, strided, type Pattern} from '../../src/pattern/index.js';
import {arbitraryPattern} from '../support/arbitraries.js';
import {randomMask} from '../corpus.js';
import {mulberry32} from '../oracle.js';

const slotsOf = (keys: Int32Array, layout: SlotLayout): Int32Array => keys.map((key) => slotOf(key, layout)).sort();

function expectSlots(acsr: Acsr, layout: SlotLayout, what = ''): Acsr {
  const moved = toSlots(acsr, layout);
  checkAcsr(moved);
  expect(moved.keyLength).toBe(layout.sinks + layout.ring);
  expect(moved.queryLength).toBe(acsr.queryLength);
  expect(moved.nnz).toBe(acsr.nnz);
  for (let query = 0; query < acsr.queryLength; query++) {
    expect(decodeRow(moved, query))
      .withContext(`${what} row ${query}`)
      .toEqual(slotsOf(decodeRow(acsr, query), layout));
  }
  return moved;
}

const rowsAt = (pattern: Pattern, first: number, count: number): Acsr =>
  compress(pattern, {queryLength: count, keyLength: first + count, queryOffset: first});

describe('slots', () => {
  it('are the positions until the ring wraps', () => {
    const layout = {sinks: 2, ring: 3};
    expect([0, 1, 2, 3, 4, 5, 6, 7, 8].map((position) => slotOf(position, layout))).toEqual([0, 1, 2, 3, 4, 2, 3, 4, 2]);
    expect(slotOf(2, {sinks: 3, ring: 0})).toBe(2);
  });

  it('know the newest token they hold', () => {
    fc.assert(
      fc.property(fc.nat(5), fc.integer({min: 1, max: 7}), fc.nat(40), (sinks, ring, length) => {
        const newest = new Array<number>(sinks + ring).fill(-1);
        for (let position = 0; position < length; position++) newest[slotOf(position, {sinks, ring})] = position;
        newest.forEach((position, slot) =>
          expect(Math.max(-1, positionOf(slot, length, {sinks, ring})))
            .withContext(`slot ${slot}`)
            .toBe(position),
        );
      }),
    );
  });

  it('hold the rows of every bounded causal pattern, however often the ring has wrapped', () => {
    fc.assert(
      fc.property(arbitraryPattern(), fc.nat(200), fc.integer({min: 1, max: 8}), fc.nat(6), (any, first, count, spare) => {
        const pattern = any.and(slidingWindow({left: 30}).or(prefix(5)).and(causal()));
        const {sinks, back} = reachOf(pattern);
        expectSlots(rowsAt(pattern, first, count), {sinks, ring: back + count + spare}, String(pattern));
      }),
      {numRuns: 300},
    );
  });

  it('keep a run whole inside a lap, with its stride, and cut it where the ring wraps', () => {
    const layout = {sinks: 0, ring: 40};
    const strides = strided({stride: 4}).and(slidingWindow({left: 31}));
    const inside = toSlots(rowsAt(strides, 39, 1), layout);
    expect([inside.start, inside.stride, inside.count]).toEqual([Int32Array.of(11), Int32Array.of(4), Int32Array.of(8)]);
    const cut = toSlots(rowsAt(strides, 57, 1), layout);
    expect([cut.start, cut.stride, cut.count]).toEqual([Int32Array.of(1, 29), Int32Array.of(4, 4), Int32Array.of(5, 3)]);
  });

  it('cut a run where the sinks end, and join what is together again', () => {
    const layout = {sinks: 3, ring: 8};
    const rows = toSlots(rowsAt(causal(), 6, 1), layout);
    expect([rows.start, rows.count]).toEqual([Int32Array.of(0), Int32Array.of(7)]);
    expectSlots(rowsAt(strided({stride: 2}).and(causal()), 9, 2), layout);
  });

  it('hold rows of bits', () => {
    const rows = compress(randomMask(5, 600, 0.5, 3), {queryLength: 5, keyLength: 600});
    expect(rows.irregularRows.length).toBe(5);
    expect(expectSlots(rows, {sinks: 7, ring: 600}).irregularRows.length).toBe(5);
    // Keys 100 … 699 in a ring of 600, which wraps.
    const late = randomMask(5, 700, 0.5, 4).and(prefix(100).not());
    expect(expectSlots(compress(late, {queryLength: 5, keyLength: 700}), {sinks: 0, ring: 600}).irregularRows.length).toBe(5);
  });

  it('turn to bits where the cuts make too many runs', () => {
    // 64 runs of 5 keys that all cross the end of a lap, at distances that no reader of bits finds a pattern in.
    const random = mulberry32(1);
    const starts = new Set<number>();
    while (starts.size < MAX_RUNS) starts.add(1000 + Math.floor(200 * random()));
    const row: Acsr = {
      queryLength: 1,
      keyLength: 2000,
      nnz: 5 * MAX_RUNS,
      rowRuns: Int32Array.of(0, MAX_RUNS),
      start: Int32Array.from(starts).sort(),
      stride: new Int32Array(MAX_RUNS).fill(200),
      count: new Int32Array(MAX_RUNS).fill(5),
      irregularRows: new Int32Array(0),
      bits: new Uint32Array(0),
    };
    checkAcsr(row);
    expect(expectSlots(row, {sinks: 0, ring: 1500}).irregularRows).toEqual(Int32Array.of(0));
  });

  it('leave rows that were asked for beyond the last one empty', () => {
    const moved = cutRows(toSlots(rowsAt(causal(), 3, 2), {sinks: 0, ring: 8}), 0, 2, 4);
    checkAcsr(moved);
    expect([0, 1, 2, 3].map((query) => decodeRow(moved, query).length)).toEqual([4, 5, 0, 0]);
  });

  it('take no memory for the past of a window', () => {
    const moved = toSlots(rowsAt(prefix(4).or(slidingWindow({left: 99})), 2 ** 30, 1), {sinks: 4, ring: 100});
    expect(moved.nnz).toBe(104);
    expect(moved.start.length).toBeLessThanOrEqual(2);
  });
});

describe('repeatRows', () => {
  it('gives every row again, runs and bits alike', () => {
    fc.assert(
      fc.property(arbitraryPattern(70, {maskQueryLength: 3}), fc.integer({min: 1, max: 4}), (pattern, times) => {
        const rows = compress(pattern, {queryLength: 3, keyLength: 70});
        const repeated = repeatRows(rows, times);
        checkAcsr(repeated);
        expect(repeated.queryLength).toBe(3 * times);
        for (let query = 0; query < 3 * times; query++) expect(decodeRow(repeated, query)).toEqual(decodeRow(rows, query % 3));
      }),
    );
    const rows = compress(randomMask(4, 600, 0.5, 9), {queryLength: 4, keyLength: 600});
    const repeated = repeatRows(rows, 3);
    checkAcsr(repeated);
    expect(repeated.irregularRows.length).toBe(12);
    for (let query = 0; query < 12; query++) expect(decodeRow(repeated, query)).toEqual(decodeRow(rows, query % 4));
  });
});
