import {INTERVAL, SPAN, type IntList} from './format.js';
import type {RowTile} from './row_tiles.js';

const {
  words: WORDS,
  at: {lo, hi},
} = INTERVAL;
const word = SPAN.at;

/** Intervals [low + lowStep·x, high + highStep·x) of the rows x of a tile; steps are not negative. */
export interface Line {
  readonly low: number;
  readonly high: number;
  readonly lowStep: number;
  readonly highStep: number;
}

/** Writes spans and the intervals of their rows. */
export class SpanWriter {
  /** Key tiles of the spans written since this was set. */
  tiles = 0;
  /** The line that was written last, and where. */
  private last = {at: -1, rows: 0, low: 0, high: 0, lowStep: 0, highStep: 0};

  constructor(
    private readonly tileRows: number,
    private readonly tileKeys: number,
    /** As in format.ts. */
    readonly spans: IntList,
    /** One a row of a span. */
    readonly intervals: IntList,
  ) {}

  /** As `emit`, of rows whose intervals lie on a line. */
  emitLine({rows, residues}: RowTile, residue: number, stride: number, {low, high, lowStep, highStep}: Line): void {
    const {intervals, tileRows, last} = this;
    const same =
      residues.length > 1 &&
      last.at === intervals.length - WORDS * tileRows &&
      last.rows === rows &&
      last.low === low &&
      last.high === high &&
      last.lowStep === lowStep &&
      last.highStep === highStep;
    if (!same) {
      const at = intervals.grow(WORDS * tileRows);
      for (let x = 0; x < tileRows; x++) {
        // Rows past the tile repeat its last one, so they never make a full tile partial.
        const step = x < rows ? x : rows - 1;
        intervals.data[at + WORDS * x + lo] = low + lowStep * step;
        intervals.data[at + WORDS * x + hi] = high + highStep * step;
      }
      const held = residues.length > 1 ? this.shareLast(at) : at;
      this.last = {at: held, rows, low, high, lowStep, highStep};
    }
    const yEnd = high + highStep * (rows - 1);
    const fullBegin = low + lowStep * (rows - 1);
    this.tiles += Math.ceil((yEnd - low) / this.tileKeys);
    if (high < fullBegin) this.writeSpan(residue, stride, low, yEnd, low, low, this.last.at);
    else this.writeSpan(residue, stride, low, yEnd, fullBegin, high, this.last.at);
  }

  /** Copies spans, of keys of another residue. */
  repeat(begin: number, end: number, residue: number, stride: number): void {
    const at = this.spans.grow(SPAN.words * (end - begin));
    const {data} = this.spans;
    data.copyWithin(at, SPAN.words * begin, SPAN.words * end);
    for (let span = at; span < this.spans.length; span += SPAN.words) {
      data[span + word.firstKey] = residue;
      data[span + word.keyStride] = stride;
    }
  }

  /** Writes the span whose row x has the interval at `base` + x of `low` and `high`, ended at `cut`. */
  emit(
    {rows, residues}: RowTile,
    residue: number,
    stride: number,
    low: Int32Array,
    high: Int32Array,
    base: number,
    cut: number,
  ): void {
    const at = this.intervals.grow(WORDS * this.tileRows);
    const {data} = this.intervals;
    let yBegin = 0x7fffffff;
    let yEnd = 0;
    let fullBegin = 0;
    let fullEnd = 0x7fffffff;
    let missing = false;
    for (let x = 0, write = at; x < rows; x++, write += WORDS) {
      let to = high[base + x]!;
      if (to < 0) {
        missing = true;
        continue;
      }
      if (to > cut) to = cut;
      const from = low[base + x]!;
      data[write + lo] = from;
      data[write + hi] = to;
      if (from < yBegin) yBegin = from;
      if (to > yEnd) yEnd = to;
      if (from > fullBegin) fullBegin = from;
      if (to < fullEnd) fullEnd = to;
    }
    if (missing) {
      for (let x = 0; x < rows; x++) if (high[base + x]! < 0) data.fill(yBegin, at + WORDS * x, at + WORDS * (x + 1));
    }
    // Rows past the tile repeat its last one, so they never make a full tile partial.
    for (let x = rows; x < this.tileRows; x++) data.copyWithin(at + WORDS * x, at + WORDS * (rows - 1), at + WORDS * rows);
    if (missing || fullEnd < fullBegin) fullBegin = fullEnd = yBegin;
    this.tiles += Math.ceil((yEnd - yBegin) / this.tileKeys);
    // Neighbours among several residues mostly have the same keys; a tile of one continues the one before, which the transpose relies on.
    const held = residues.length > 1 ? this.shareLast(at) : at;
    this.writeSpan(residue, stride, yBegin, yEnd, fullBegin, fullEnd, held);
  }

  private writeSpan(
    residue: number,
    stride: number,
    yBegin: number,
    yEnd: number,
    fullBegin: number,
    fullEnd: number,
    intervals: number,
  ): void {
    const span = this.spans.grow(SPAN.words);
    const {data} = this.spans;
    data[span + word.firstKey] = residue;
    data[span + word.keyStride] = stride;
    data[span + word.begin] = yBegin;
    data[span + word.end] = yEnd;
    data[span + word.fullBegin] = fullBegin;
    data[span + word.fullEnd] = fullEnd;
    data[span + word.mask] = intervals / WORDS;
    data[span + word.bitStride] = 0;
  }

  /** Where the intervals just written at `at` lie: where the last ones do, if they are the same. */
  private shareLast(at: number): number {
    const {intervals, tileRows} = this;
    const before = at - WORDS * tileRows;
    const {data} = intervals;
    if (before < 0) return at;
    for (let i = 0; i < WORDS * tileRows; i++) if (data[before + i] !== data[at + i]) return at;
    intervals.length = at;
    return before;
  }
}
