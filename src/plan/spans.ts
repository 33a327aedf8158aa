import type {Acsr} from '../acsr/index.js';
import type {IntList} from './format.js';
import {SPAN} from './format.js';
import type {ClipLine, RecurringRows} from './recurring_rows.js';
import {Repeats} from './repeats.js';
import {ResidueGroups} from './residue_groups.js';
import type {RowTile, StrideClass} from './row_tiles.js';
import {SpanWriter, type Line} from './span_writer.js';

/** More than the intervals of a tile: MAX_RUNS · 64 rows. start · RANK stays an exact double. */
const RANK = 65536;
/** The cut of a span that ends where its keys do. */
const NEVER = 0x7fffffff;
/** Of intervals made ready at once: 32 MiB, of which memory takes what is written. */
const MOST_READY = 2 ** 23;

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
  /** The next run of each row, of rows that recur. */
  private readonly cursor: Int32Array;
  /** Of tiles of several residues. */
  private readonly group: ResidueGroups;
  private readonly repeats = new Repeats();
  private readonly writer: SpanWriter;

  constructor(
    private readonly acsr: Acsr,
    private readonly tileRows: number,
    private readonly tileKeys: number,
    maxRuns: number,
    {spans, intervals}: Readonly<Record<'spans' | 'intervals', IntList>>,
  ) {
    this.spans = spans;
    this.intervals = intervals;
    // Most runs are one interval of one span; tiles of several residues share theirs.
    const runs = (acsr.recurrence ?? acsr).start.length;
    intervals.reserve(Math.min(Math.ceil(2.25 * runs), MOST_READY));
    this.writer = new SpanWriter(tileRows, tileKeys, this.spans, this.intervals);
    this.low = new Int32Array(tileRows * maxRuns);
    this.high = new Int32Array(tileRows * maxRuns).fill(-1);
    this.order = new Float64Array(tileRows * maxRuns);
    this.group = new ResidueGroups(tileRows * maxRuns);
    this.from = new Int32Array(maxRuns);
    this.to = new Int32Array(maxRuns);
    this.spanLow = new Int32Array(tileRows);
    this.spanHigh = new Int32Array(tileRows);
    this.cursor = new Int32Array(tileRows);
  }

  /** Appends the spans of a tile of rows to the list. */
  cut(tile: RowTile, strideClass: Omit<StrideClass, 'tiles'>): void {
    const {residues} = tile;
    const {stride} = strideClass;
    if (residues.length > 1) this.group.sort(tile, strideClass, this.acsr);
    for (let number = 0; number < residues.length; number++) {
      const residue = residues[number]!;
      if (residues.length > 1) this.gatherGroup(number, residue, stride);
      else this.gather(tile, strideClass, residue);
      this.emitGathered(tile, residue, stride);
    }
  }

  /** The same of rows that recur. Where all rows of the tile do, and their ends move in a line, a residue is looked at once. */
  cutRecurring(tile: RowTile, rows: RecurringRows): void {
    const {firstRow, rowStride} = tile;
    // Rows of a single residue are left to `Repeats`.
    const isLine = tile.residues.length > 1 || rowStride === 1;
    const clip = isLine ? rows.lineOf(firstRow, rowStride, tile.rows) : null;
    const {cursor} = this;
    for (let x = 0; x < tile.rows; x++) cursor[x] = rows.ends[(firstRow + rowStride * x) % rows.period]!;
    const end = rows.ends[(firstRow % rows.period) + 1]!;
    for (const residue of tile.residues) {
      if (clip !== null) {
        let run = cursor[0]!;
        while (run < end && rows.residue[run]! < residue) run++;
        cursor[0] = run;
        // In the class of stride 1 tiles own all rows, also those without keys.
        if (run === end || rows.residue[run] !== residue) continue;
        const alone = run + 1 === end || rows.residue[run + 1] !== residue;
        const line = alone ? this.lineOf(rows, run, clip, tile.rows) : null;
        if (line !== null) {
          this.writer.emitLine(tile, residue, rows.stride, line);
          continue;
        }
        cursor.fill(run, 0, tile.rows);
      }
      this.gatherRecurring(tile, rows, residue);
      this.emitGathered(tile, residue, rows.stride);
    }
  }

  /** The intervals of a run of recurring rows, or null where they are no line. */
  private lineOf({from, to, residue, stride, steps}: RecurringRows, run: number, clip: ClipLine, rows: number): Line | null {
    const low = clip.low - residue[run]!;
    const high = clip.high - residue[run]!;
    const lowStep = clip.lowStep / stride;
    const highStep = clip.highStep / stride;
    if (!(Number.isInteger(lowStep) && lowStep >= 0 && lowStep <= this.tileKeys)) return null;
    if (!(Number.isInteger(highStep) && highStep >= 0)) return null;
    const line = {low: from[run]!, high: to[run]!, lowStep: 0, highStep: 0};
    const firstLow = steps.below(low);
    if (firstLow + lowStep * (rows - 1) > line.low) {
      if (firstLow < line.low || low <= -stride) return null;
      line.low = firstLow;
      line.lowStep = lowStep;
    }
    const firstHigh = steps.upTo(high);
    if (firstHigh < line.high) {
      if (firstHigh + highStep * (rows - 1) > line.high || high < -stride) return null;
      line.high = firstHigh;
      line.highStep = highStep;
    }
    const isPresent = line.low < line.high && line.low + line.lowStep * (rows - 1) < line.high + line.highStep * (rows - 1);
    return isPresent ? line : null;
  }

  /** Spans of the intervals just collected. */
  private emitGathered(tile: RowTile, residue: number, stride: number): void {
    if (this.layers === 0) return;
    const {writer} = this;
    const repeats = tile.residues.length === 1 && tile.rowStride > 1;
    if (repeats) {
      const before = this.repeats.find(tile, this.layers, this.tileRows, this.low, this.high);
      if (before !== null) return writer.repeat(before.begin, before.end, residue, stride);
    }
    const spans = this.spans.length;
    if (this.connected && this.layersAreGood()) {
      this.emitLayers(tile, residue, stride);
    } else {
      const intervals = this.intervals.length;
      writer.tiles = 0;
      if (!this.sweep(tile, residue, stride, this.connected ? this.layerTiles() : Infinity)) {
        this.spans.length = spans;
        this.intervals.length = intervals;
        this.emitLayers(tile, residue, stride);
      }
    }
    if (repeats) this.repeats.keep(spans / SPAN.words, this.spans.length / SPAN.words);
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

  /** The same of recurring rows: `cursor` holds the next interval of each row. */
  private gatherRecurring({firstRow, rowStride, rows}: RowTile, recurring: RecurringRows, residue: number): void {
    const {ends, residue: residues, from, to, clip, steps, period} = recurring;
    const {cursor} = this;
    this.forget();
    for (let x = 0; x < rows; x++) {
      const row = firstRow + rowStride * x;
      const end = ends[(row % period) + 1]!;
      let run = cursor[x]!;
      while (run < end && residues[run]! < residue) run++;
      const low = clip === null ? 0 : steps.below(clip.low[row]! - residue);
      const high = clip === null ? NEVER : steps.upTo(clip.high[row]! - residue);
      let layer = 0;
      for (; run < end && residues[run] === residue; run++) {
        const lo = from[run]! > low ? from[run]! : low;
        const hi = to[run]! < high ? to[run]! : high;
        if (lo < hi) this.place(x, layer++, lo, hi);
      }
      cursor[x] = run;
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
    for (let at = 0; at < this.layers * this.tileRows; at += this.tileRows)
      this.writer.emit(tile, residue, stride, this.low, this.high, at, NEVER);
  }

  /**
   * Visits the intervals by ascending start; ends a span at a gap of a key tile or more, and where a row starts its second interval. Gives
   * up, false, when that takes more than `most` key tiles.
   */
  private sweep(tile: RowTile, residue: number, stride: number, most: number): boolean {
    const {low, high, spanLow, spanHigh, tileRows, tileKeys, writer} = this;
    const order = this.ascending();
    spanHigh.fill(-1);
    let end = -1;
    for (let k = 0; k < order.length; k++) {
      const index = order[k]! % RANK;
      const x = index % tileRows;
      const lo = low[index]!;
      if (spanHigh[x]! >= 0 || (end >= 0 && lo >= end + tileKeys)) {
        writer.emit(tile, residue, stride, spanLow, spanHigh, 0, lo);
        if (writer.tiles >= most) return false; // and the span to come makes it more
        for (let row = 0; row < tile.rows; row++) {
          if (spanHigh[row]! > lo) spanLow[row] = lo;
          else spanHigh[row] = -1;
        }
      }
      spanLow[x] = lo;
      spanHigh[x] = high[index]!;
      if (high[index]! > end) end = high[index]!;
    }
    writer.emit(tile, residue, stride, spanLow, spanHigh, 0, NEVER);
    return writer.tiles <= most;
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
}
