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

  /** Returns the number of keys in the row. */
  add(row: RunList): number {
    const {length} = row;
    if (this.length + length > this.start.length) this.grow();
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

  /** Adds the last row again, which begins with run `from`, one key further. */
  shift(from: number): void {
    const end = this.length;
    if (2 * end - from > this.start.length) this.grow();
    const {start, stride, count} = this;
    for (let run = from, at = end; run < end; run++, at++) {
      start[at] = start[run]! + 1;
      stride[at] = stride[run]!;
      count[at] = count[run]!;
    }
    this.length = 2 * end - from;
  }

  finish(): Pick<Acsr, 'start' | 'stride' | 'count'> {
    const {start, stride, count, length} = this;
    if (start.length > room.start.length && start.length <= KEPT_RUNS) room = {start, stride, count};
    return {start: start.slice(0, length), stride: stride.slice(0, length), count: count.slice(0, length)};
  }

  private grow(): void {
    const grown = (old: Int32Array) => {
      const array = new Int32Array(2 * old.length + 4096);
      array.set(old);
      return array;
    };
    this.start = grown(this.start);
    this.stride = grown(this.stride);
    this.count = grown(this.count);
  }
}

/** The rows that take more runs than a row may have. */
export class Irregular {
  /** Keys in the rows that stayed bits. */
  nnz = 0;
  private readonly queries: number[] = [];
  private readonly words: Uint32Array;
  private bits = new Uint32Array(0);
  private readonly row = new RunList();
  private recogniser: Recogniser | undefined;

  constructor(private readonly keyLength: number) {
    this.words = new Uint32Array(ceilDiv(keyLength, 32));
  }

  /** The runs that a row turns out to have once it is worked out as bits, or none when it is kept as bits. */
  settle(query: number, position: number, rows: Rows): RunList {
    const {words, row} = this;
    rows.bits(query, words);
    if (rows.looked !== true) {
      this.recogniser ??= new Recogniser(this.keyLength);
      this.recogniser.read(words, 0, position, row);
      if (!row.overflow) return row;
    }

    const at = this.queries.length * words.length;
    if (at + words.length > this.bits.length) {
      const grown = new Uint32Array(2 * this.bits.length + words.length);
      grown.set(this.bits);
      this.bits = grown;
    }
    this.bits.set(words, at);
    this.queries.push(query);
    this.nnz += countBits(words);
    return row.clear();
  }

  finish(): Pick<Acsr, 'irregularRows' | 'bits'> {
    return {irregularRows: Int32Array.from(this.queries), bits: this.bits.slice(0, this.queries.length * this.words.length)};
  }
}
