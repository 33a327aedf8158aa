import type {Acsr} from '../acsr/index.js';
import {INTERVAL, IntList, SPAN} from './format.js';
import {ResidueGroups} from './residue_groups.js';
import type {RowTile, StrideClass} from './row_tiles.js';

const word = SPAN.at;

/** More than the intervals of a tile: MAX_RUNS · 64 rows. start · RANK stays an exact double. */
const RANK = 65536;
/** The cut of a span that ends where its keys do. */
const NEVER = 0x7fffffff;
/** Of intervals made ready at once: 16 MiB. */
const MOST_READY = 2 ** 22;

/**
 * Cuts the keys of row tiles into spans. Inside a span each row has one interval, so a row of several needs several spans. There are two
 * ways to cut. A tile takes layers where they are nearly as few key tiles as can be, and otherwise the one with fewer:
 *
 * - by layers: span k holds the k-th interval of every row. Best while the layers lie apart (a prefix and a window).
 * - by a sweep: a span ends where some row starts its second interval, and no key is in two spans. Best where only some rows have a
 *   second one (the tile in which a window leaves the prefix).
 */
export class SpanCutter {
  /** As in format.ts. */
  readonly spans: IntList;
  /** tileRows of them a span. */
  readonly intervals: IntList;

  /** Interval number `layer` of row x, [low, high), at layer · tileRows + x; high = −1 past the last one of the row. */
  private readonly low: Int32Array;
  private readonly high: Int32Array;
  private readonly order: Float64Array;
  private layers = 0;
  /** The keys of each layer, [from, to). */
  private readonly from: Int32Array;
  private readonly to: Int32Array;
  /** No layer has a gap of a key tile. */
  private connected = true;
  /** The span being built: [lo, hi) of each row, hi = −1 where the row has none yet. */
  private readonly spanLow: Int32Array;
  private readonly spanHigh: Int32Array;
  /** All rows of the tile have the same keys. */
  private alike = false;
  /** The intervals that `emitAlike` wrote last. */
  private last = {at: -1, lo: 0, hi: 0};
  /** Of tiles of several residues. */
  private readonly group: ResidueGroups;
  /** Key tiles of the spans written since `cut` began. */
  private tiles = 0;

  constructor(
    private readonly acsr: Acsr,
    private readonly tileRows: number,
    private readonly tileKeys: number,
    maxRuns: number,
    {spans, intervals}: Partial<Record<'spans' | 'intervals', IntList>> = {},
  ) {
    this.spans = spans ?? new IntList();
    // Most runs are one interval of one span; tiles of several residues share theirs.
    this.intervals = intervals ?? new IntList(Math.min(2 * acsr.start.length, MOST_READY));
    this.low = new Int32Array(tileRows * maxRuns);
    this.high = new Int32Array(tileRows * maxRuns).fill(-1);
    this.order = new Float64Array(tileRows * maxRuns);
    this.group = new ResidueGroups(tileRows * maxRuns);
    this.from = new Int32Array(maxRuns);
    this.to = new Int32Array(maxRuns);
    this.spanLow = new Int32Array(tileRows);
    this.spanHigh = new Int32Array(tileRows);
  }

  /** Appends the spans of a tile of rows to the list. */
  cut(tile: RowTile, strideClass: Omit<StrideClass, 'tiles'>): void {
    const {residues, rows} = tile;
    const {period} = this.acsr;
    // A tile of rows that are all the same is looked at as one row.
    this.alike = rows === 1 || (period !== undefined && tile.rowStride % period === 0);
    const seen = this.alike && rows > 1 ? {...tile, rows: 1} : tile;
    if (residues.length > 1) this.group.sort(seen, strideClass, this.acsr);
    for (const [number, residue] of residues.entries()) {
      if (residues.length > 1) this.gatherGroup(number, residue, strideClass.stride);
      else this.gather(seen, strideClass, residue);
      if (this.layers === 0) continue;
      if (this.connected && this.layersAreGood()) {
        this.emitLayers(tile, residue, strideClass.stride);
        continue;
      }
      if (this.alike) this.spread(rows);
      const spans = this.spans.length;
      const intervals = this.intervals.length;
      this.tiles = 0;
      if (!this.sweep(tile, residue, strideClass.stride, this.connected ? this.layerTiles() : Infinity)) {
        this.spans.length = spans;
        this.intervals.length = intervals;
        this.emitLayers(tile, residue, strideClass.stride);
      }
    }
  }

  /** Gives every row the intervals of row 0. */
  private spread(rows: number): void {
    const {low, high, tileRows} = this;
    for (let at = 0; at < this.layers * tileRows; at += tileRows) {
      low.fill(low[at]!, at, at + rows);
      high.fill(high[at]!, at, at + rows);
    }
  }

  /** Collects the intervals of a tile of one residue, in keys of the residue class. */
  private gather({firstRow, rowStride, rows}: RowTile, {stride, owner, index}: Omit<StrideClass, 'tiles'>, residue: number): void {
    const {rowRuns, start, count} = this.acsr;
    this.forget();
    for (let x = 0; x < rows; x++) {
      const row = firstRow + rowStride * x;
      const end = rowRuns[row + 1]!;
      let layer = 0;
      for (let run = rowRuns[row]!; run < end; run++) {
        if (owner !== null && owner[run] !== index) continue;
        let lo = start[run]!;
        if (stride !== 1) lo = ((lo - residue) / stride) | 0;
        this.place(x, layer++, lo, lo + count[run]!);
      }
    }
  }

  /** The same of the residue of this number, among several. */
  private gatherGroup(number: number, residue: number, stride: number): void {
    const {ends, order, rowOf, runOf} = this.group;
    const {start, count} = this.acsr;
    this.forget();
    let layer = 0;
    let before = -1;
    for (let i = number === 0 ? 0 : ends[number - 1]!; i < ends[number]!; i++) {
      const x = rowOf[order[i]!]!;
      const run = runOf[order[i]!]!;
      layer = x === before ? layer + 1 : 0;
      before = x;
      const lo = ((start[run]! - residue) / stride) | 0;
      this.place(x, layer, lo, lo + count[run]!);
    }
  }

  private forget(): void {
    this.high.fill(-1, 0, this.layers * this.tileRows);
    this.layers = 0;
    this.connected = true;
  }

  /** Interval number `layer` of row x. */
  private place(x: number, layer: number, lo: number, hi: number): void {
    const {from, to} = this;
    if (layer === this.layers) {
      this.layers++;
      from[layer] = lo;
      to[layer] = hi;
    } else {
      if (lo > to[layer]! + this.tileKeys || hi < from[layer]! - this.tileKeys) this.connected = false;
      if (lo < from[layer]!) from[layer] = lo;
      if (hi > to[layer]!) to[layer] = hi;
    }
    this.low[layer * this.tileRows + x] = lo;
    this.high[layer * this.tileRows + x] = hi;
  }

  /**
   * Whether layers visit hardly more key tiles than the keys they span would fill: one more, or an eighth. A sweep that cuts at all takes
   * one more as well, unless the cut happens to end a key tile.
   */
  private layersAreGood(): boolean {
    let from = Infinity;
    let to = 0;
    for (let layer = 0; layer < this.layers; layer++) {
      from = Math.min(from, this.from[layer]!);
      to = Math.max(to, this.to[layer]!);
    }
    const least = Math.ceil((to - from) / this.tileKeys);
    return this.layerTiles() <= Math.max(least + 1, 1.125 * least);
  }

  private layerTiles(): number {
    let tiles = 0;
    for (let layer = 0; layer < this.layers; layer++) tiles += Math.ceil((this.to[layer]! - this.from[layer]!) / this.tileKeys);
    return tiles;
  }

  private emitLayers(tile: RowTile, residue: number, stride: number): void {
    for (let at = 0; at < this.layers * this.tileRows; at += this.tileRows) {
      if (this.alike) this.emitAlike(tile, residue, stride, this.low[at]!, this.high[at]!);
      else this.emit(tile, residue, stride, this.low, this.high, at, NEVER);
    }
  }

  /** As `emit`, of rows that all have the interval [lo, hi). */
  private emitAlike({residues}: RowTile, residue: number, stride: number, lo: number, hi: number): void {
    const {intervals, tileRows, last} = this;
    const before = intervals.length - 2 * tileRows;
    if (residues.length === 1 || last.at !== before || last.lo !== lo || last.hi !== hi) {
      const at = intervals.grow(2 * tileRows);
      for (let i = at; i < at + 2 * tileRows; i += 2) {
        intervals.data[i] = lo;
        intervals.data[i + 1] = hi;
      }
      this.last = {at, lo, hi};
    }
    this.tiles += Math.ceil((hi - lo) / this.tileKeys);
    this.writeSpan(residue, stride, lo, hi, lo, hi, this.last.at);
  }

  /**
   * Visits the intervals by ascending start; ends a span at a gap of a key tile or more, and where a row starts its second interval. Gives
   * up, false, when that takes more than `most` key tiles.
   */
  private sweep(tile: RowTile, residue: number, stride: number, most: number): boolean {
    const {low, high, spanLow, spanHigh, tileRows, tileKeys} = this;
    const order = this.ascending();
    spanHigh.fill(-1);
    let end = -1;
    for (let k = 0; k < order.length; k++) {
      const index = order[k]! % RANK;
      const x = index % tileRows;
      const lo = low[index]!;
      if (spanHigh[x]! >= 0 || (end >= 0 && lo >= end + tileKeys)) {
        this.emit(tile, residue, stride, spanLow, spanHigh, 0, lo);
        if (this.tiles >= most) return false; // and the span to come makes it more
        for (let row = 0; row < tile.rows; row++) {
          if (spanHigh[row]! > lo) spanLow[row] = lo;
          else spanHigh[row] = -1;
        }
      }
      spanLow[x] = lo;
      spanHigh[x] = high[index]!;
      if (high[index]! > end) end = high[index]!;
    }
    this.emit(tile, residue, stride, spanLow, spanHigh, 0, NEVER);
    return this.tiles <= most;
  }

  /** The intervals by ascending start, each as start · RANK + index. Layer by layer they mostly are in order already. */
  private ascending(): Float64Array {
    const {low, high, order} = this;
    let length = 0;
    let sorted = true;
    for (let index = 0; index < this.layers * this.tileRows; index++) {
      if (high[index]! < 0) continue;
      order[length] = low[index]! * RANK + index;
      sorted &&= length === 0 || order[length - 1]! < order[length]!;
      length++;
    }
    const intervals = order.subarray(0, length);
    return sorted ? intervals : intervals.sort();
  }

  /** Writes the span whose row x has the interval at `base` + x of `low` and `high`, ended at `cut`. */
  private emit(
    {rows, residues}: RowTile,
    residue: number,
    stride: number,
    low: Int32Array,
    high: Int32Array,
    base: number,
    cut: number,
  ): void {
    const at = this.intervals.grow(2 * this.tileRows);
    const {data} = this.intervals;
    this.last.at = -1;
    let yBegin = 0x7fffffff;
    let yEnd = 0;
    let fullBegin = 0;
    let fullEnd = 0x7fffffff;
    let missing = false;
    for (let x = 0, write = at; x < rows; x++, write += 2) {
      let hi = high[base + x]!;
      if (hi < 0) {
        missing = true;
        continue;
      }
      if (hi > cut) hi = cut;
      const lo = low[base + x]!;
      data[write] = lo;
      data[write + 1] = hi;
      if (lo < yBegin) yBegin = lo;
      if (hi > yEnd) yEnd = hi;
      if (lo > fullBegin) fullBegin = lo;
      if (hi < fullEnd) fullEnd = hi;
    }
    if (missing) {
      for (let x = 0; x < rows; x++) if (high[base + x]! < 0) data.fill(yBegin, at + 2 * x, at + 2 * x + 2);
    }
    // Rows past the tile repeat its last one, so they never make a full tile partial.
    for (let x = rows; x < this.tileRows; x++) data.copyWithin(at + 2 * x, at + 2 * rows - 2, at + 2 * rows);
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
    data[span + word.mask] = intervals / INTERVAL.words;
    data[span + word.bitStride] = 0;
  }

  /** Where the intervals just written at `at` lie: where the last ones do, if they are the same. */
  private shareLast(at: number): number {
    const {intervals, tileRows} = this;
    const before = at - 2 * tileRows;
    const {data} = intervals;
    if (before < 0) return at;
    for (let i = 0; i < 2 * tileRows; i++) if (data[before + i] !== data[at + i]) return at;
    intervals.length = at;
    return before;
  }
}
