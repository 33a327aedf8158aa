import {IntList, SPAN, VISIT, write, type Section} from '../../src/plan/format.js';
import {FOUR_BITS, type Kinds} from '../../src/plan/index.js';

/** Rows of a tile. */
export const SIZE = 32;

export const range = (length: number): number[] => Array.from({length}, (_, i) => i);

/** Slots of a line on the grid: one after another for all lines that items name. */
export class Slots {
  most = 0;

  take(count: number): number {
    this.most += count;
    return this.most - count;
  }
}

export class Lists {
  readonly items = new IntList();
  readonly spans = new IntList();
  readonly merges = new IntList();
  private readonly intervals = new IntList();
  private readonly numbers = new IntList();
  private readonly bits = new IntList();

  get sections(): Record<Section, Int32Array> {
    const {items, spans, merges, intervals, numbers, bits} = this;
    return {
      items: items.view(),
      spans: spans.view(),
      merges: merges.view(),
      intervals: intervals.view(),
      numbers: numbers.view(),
      bits: bits.view(),
    };
  }

  /** A list of numbers; returns its pair. */
  number(list: readonly number[]): number {
    const pair = this.numbers.length / 2;
    this.numbers.push(...list, ...(list.length % 2 === 0 ? [] : [0]));
    return pair;
  }

  /** Intervals or bits of rows over the keys of a span. */
  mask(
    {mask}: Kinds,
    rows: readonly number[],
    keys: readonly number[],
    shown: (row: number, key: number) => boolean,
  ): [number, number] {
    if (mask === 'tensor') return [0, 0];
    if (mask === 'interval') {
      const number = this.intervals.length / 2;
      for (let x = 0; x < Math.max(SIZE, rows.length); x++) {
        const attended = keys.map((key) => x < rows.length && shown(rows[x]!, key));
        const [lo, hi] = [attended.indexOf(true), attended.lastIndexOf(true) + 1];
        if (attended.slice(Math.max(0, lo), hi).includes(false)) throw new Error(`the keys of row ${rows[x]} are no interval`);
        this.intervals.push(Math.max(0, lo), hi);
      }
      return [number, 0];
    }
    const stride = Math.ceil(keys.length / 64);
    const pair = this.bits.length / 2;
    for (let x = 0; x < SIZE; x++) this.word(keys.length, 2 * stride, (y) => x < rows.length && shown(rows[x]!, keys[y]!));
    return [pair, stride];
  }

  /** What each row, or every four of them, attends to, as a list: its pair and its length. */
  own(
    {mask}: Pick<Kinds, 'mask'>,
    rows: readonly number[],
    keys: readonly number[],
    shown: (row: number, key: number) => boolean,
  ): {readonly pair: number; readonly length: number}[] {
    const perSpan = mask === 'fours' ? 4 : 1;
    return range(Math.ceil(rows.length / perSpan)).map((span) => {
      const some = rows.slice(perSpan * span, perSpan * (span + 1));
      const attended = keys.filter((key) => some.some((row) => shown(row, key)));
      const bitsOf = (key: number): number => some.reduce((bits, row, x) => bits | (Number(shown(row, key)) << (FOUR_BITS + x)), 0);
      return {pair: this.number(mask === 'fours' ? attended.map((key) => key | bitsOf(key)) : attended), length: attended.length};
    });
  }

  /** A span, or a visit, of each of these for what lies between two numbers. */
  ownSpans(
    format: typeof SPAN | typeof VISIT,
    owned: readonly {readonly pair: number; readonly length: number}[],
    from: number,
    to: number,
  ): void {
    for (const {pair, length} of owned) {
      const range = {begin: Math.min(length, from), end: Math.min(length, to), mask: 0, bitStride: 0};
      if (format === SPAN) write(this.spans, SPAN, {firstKey: pair, keyStride: 0, fullBegin: 0, fullEnd: 0, ...range});
      else write(this.spans, VISIT, {firstRow: pair, rowStride: 0, full: 1, none: 0, ...range});
    }
  }

  /** Bits of the keys of a tile, the first of which is number `number`: a pair for each row. */
  columns(
    rows: readonly number[],
    keys: readonly number[],
    number: number,
    shown: (row: number, key: number) => boolean,
  ): [number, number] {
    const pair = this.bits.length / 2;
    for (const row of rows)
      this.word(64, 2, (bit) => bit >= number % 64 && bit - (number % 64) < keys.length && shown(row, keys[bit - (number % 64)]!));
    return [pair, 1];
  }

  private word(count: number, words: number, bit: (index: number) => boolean): void {
    const from = this.bits.grow(words);
    this.bits.data.fill(0, from, from + words);
    for (let index = 0; index < count; index++) if (bit(index)) this.bits.data[from + (index >>> 5)]! |= 1 << (index & 31);
  }
}
