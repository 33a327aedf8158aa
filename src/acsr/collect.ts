import {ceilDiv} from '../support/index.js';
import type {Acsr} from './acsr.js';
import {countBits} from './bits.js';
import {Recogniser} from './recognise.js';
import type {Rows} from './rows.js';
import {RunList} from './runs.js';

/** Where runs are gathered: one set of arrays, kept from call to call, since fresh memory costs more than the runs written to it. */
let room = {start: new Int32Array(0), stride: new Int32Array(0), count: new Int32Array(0)};
/** 3 MiB. Larger arrays are not kept. */
const KEPT_RUNS = 2 ** 18;

/** The runs of all rows, one after another. */
export class Runs {
  length = 0;
  private start = room.start;
  private stride = room.stride;
  private count = room.count;

  /** Has room for so many. */
  reserve(runs: number): void {
    if (runs > this.start.length) this.grow(runs);
  }

  /** Returns the number of keys in the row. */
  add(row: RunList): number {
    const {length} = row;
    if (this.length + length > this.start.length) this.grow(this.length + length + 4096);
    const {start, stride, count} = this;
    let keys = 0;
    for (let i = 0, at = this.length; i < length; i++, at++) {
      start[at] = row.start[i]!;
      stride[at] = row.stride[i]!;
      count[at] = row.count[i]!;
      keys += row.count[i]!;
    }
    this.length += length;
    return keys;
  }

  /**
   * Adds the runs of the rows `query … to` of `rowRuns`, which go on as those of the two periods before, and says where they end. Returns
   * the number of their keys.
   */
  goOn(rowRuns: Int32Array, query: number, to: number, period: number): number {
    const from = this.length;
    const step = from - rowRuns[query - period]!;
    for (let row = query; row <= to; row++) rowRuns[row + 1] = rowRuns[row + 1 - period]! + step;
    const end = rowRuns[to + 1]!;
    if (end > this.start.length) this.grow(end);
    const {start, stride, count} = this;
    let keys = 0;
    for (let at = from, near = from - step, far = near - step; at < end; at++, near++, far++) {
      start[at] = 2 * start[near]! - start[far]!;
      stride[at] = stride[near]!;
      keys += count[at] = 2 * count[near]! - count[far]!;
    }
    this.length = end;
    return keys;
  }

  finish(): Pick<Acsr, 'start' | 'stride' | 'count'> {
    const {start, stride, count, length} = this;
    const isKept = start.length <= KEPT_RUNS;
    if (isKept && start.length > room.start.length) room = {start, stride, count};
    const take = (array: Int32Array): Int32Array =>
      !isKept && isMost(length, array) ? array.subarray(0, length) : array.slice(0, length);
    return {start: take(start), stride: take(stride), count: take(count)};
  }

  /** Makes room for `least` runs at least. */
  private grow(least: number): void {
    const length = Math.max(least, this.length === 0 ? 0 : 2 * this.start.length);
    const grown = (old: Int32Array) => {
      const array = new Int32Array(length);
      array.set(old.subarray(0, this.length));
      return array;
    };
    this.start = grown(this.start);
    this.stride = grown(this.stride);
    this.count = grown(this.count);
  }
}

/** Arrays with little to spare are not copied: a million rows of two runs have 24 MiB, bits of 16,384 tokens squared 32. */
const isMost = (length: number, array: Int32Array | Uint32Array): boolean => length >= 0.9 * array.length;

/** Rows whose bits take little room, if others follow or not. */
const FEW_ROWS = 64;
/** Words that are made ready after these, 64 MiB, of which memory takes what is written: 32 of 16,384 tokens squared were copied twice. */
const MOST_READY = 2 ** 24;
const NO_BITS = new Uint32Array(0);

/** The rows that take more runs than a row may have. */
export class Irregular {
  /** Keys in the rows that stayed bits. */
  nnz = 0;
  private readonly queries: number[] = [];
  /** Made for the first row that needs them, as most patterns have none. */
  private room: {readonly words: Uint32Array; readonly row: RunList} | undefined;
  private readonly wordsPerRow: number;
  private bits: Uint32Array = NO_BITS;
  private recogniser: Recogniser | undefined;

  constructor(
    private readonly keyLength: number,
    private readonly queryLength: number,
  ) {
    this.wordsPerRow = ceilDiv(keyLength, 32);
  }

  /** Rows that stayed bits. */
  get rows(): number {
    return this.queries.length;
  }

  /** The runs that a row turns out to have once it is worked out as bits, or none when it is kept as bits. */
  settle(query: number, position: number, rows: Rows): RunList {
    const {words, row} = (this.room ??= {words: new Uint32Array(this.wordsPerRow), row: new RunList()});
    rows.bits(query, words);
    if (rows.looked !== true) {
      this.recogniser ??= new Recogniser(this.keyLength);
      this.recogniser.read(words, 0, position, row);
      if (!row.overflow) return row;
    }

    const at = this.queries.length * words.length;
    if (at + words.length > this.bits.length) {
      const likely = this.rows < FEW_ROWS ? 0 : Math.min(this.queryLength, Math.floor(MOST_READY / words.length));
      const grown = new Uint32Array(Math.max(2 * this.rows + 1, likely) * words.length);
      grown.set(this.bits);
      this.bits = grown;
    }
    this.bits.set(words, at);
    this.queries.push(query);
    this.nnz += countBits(words);
    return row.clear();
  }

  finish(): Pick<Acsr, 'irregularRows' | 'bits'> {
    const {bits} = this;
    const length = this.rows * this.wordsPerRow;
    return {
      irregularRows: new Int32Array(this.queries),
      bits: isMost(length, bits) ? bits.subarray(0, length) : bits.slice(0, length),
    };
  }
}
