import type {Acsr} from '../acsr/index.js';
import {IntList} from './schedule.js';
import type {RowTile, StrideClass} from './row_tiles.js';

/**
 * Cuts the keys of row tiles into spans. Inside a span each row has one interval, so spans end where a row starts its second one: the
 * spans of a tile never overlap and no key tile is visited twice for the sake of the format.
 */
export class SpanCutter {
  /** 8 ints a span, as in schedule.ts. */
  readonly spans = new IntList();
  /** 2 ints a row of a span. */
  readonly intervals = new IntList();

  private readonly rowOf: Int32Array;
  private readonly low: Int32Array;
  private readonly high: Int32Array;
  /** The span being built: [lo, hi) of each row, hi = −1 where the row has none yet. */
  private readonly spanLow: Int32Array;
  private readonly spanHigh: Int32Array;
  private found = 0;

  constructor(
    private readonly acsr: Acsr,
    private readonly tileRows: number,
    private readonly tileKeys: number,
    maxRuns: number,
  ) {
    this.rowOf = new Int32Array(tileRows * maxRuns);
    this.low = new Int32Array(tileRows * maxRuns);
    this.high = new Int32Array(tileRows * maxRuns);
    this.spanLow = new Int32Array(tileRows);
    this.spanHigh = new Int32Array(tileRows);
  }

  /** Appends the spans of a tile of rows to the list. */
  cut(tile: RowTile, strideClass: StrideClass): void {
    for (const residue of tile.residues) {
      const connected = this.gather(tile, strideClass, residue);
      if (this.found === 0) continue;
      if (connected) this.emitGathered(tile, residue, strideClass.stride);
      else this.sweep(tile, residue, strideClass.stride);
    }
  }

  /** Collects the intervals of the tile, in keys of the residue class. True when they form one span as they are. */
  private gather({firstRow, rowStride, rows}: RowTile, {stride, owns}: StrideClass, residue: number): boolean {
    const {rowRuns, start, count} = this.acsr;
    let found = 0;
    let connected = true;
    let from = 0;
    let to = 0;
    for (let x = 0; x < rows; x++) {
      const row = firstRow + rowStride * x;
      const before = found;
      for (let run = rowRuns[row]!; run < rowRuns[row + 1]!; run++) {
        if (owns !== null && owns[run] === 0) continue;
        let lo = start[run]!;
        if (stride !== 1) {
          if (lo % stride !== residue) continue;
          lo = (lo - residue) / stride;
        }
        const hi = lo + count[run]!;
        if (found === 0) [from, to] = [lo, hi];
        else if (lo > to + this.tileKeys || hi < from - this.tileKeys) connected = false;
        if (lo < from) from = lo;
        if (hi > to) to = hi;
        this.rowOf[found] = x;
        this.low[found] = lo;
        this.high[found] = hi;
        found++;
      }
      if (found - before > 1) connected = false;
    }
    this.found = found;
    return connected;
  }

  private emitGathered(tile: RowTile, residue: number, stride: number): void {
    this.spanHigh.fill(-1);
    for (let k = 0; k < this.found; k++) {
      this.spanLow[this.rowOf[k]!] = this.low[k]!;
      this.spanHigh[this.rowOf[k]!] = this.high[k]!;
    }
    this.emit(tile, residue, stride, Infinity);
  }

  /** Visits the intervals by ascending start; ends a span at a gap of a key tile or more, and where a row starts its second interval. */
  private sweep(tile: RowTile, residue: number, stride: number): void {
    const order = new Float64Array(this.found);
    for (let k = 0; k < this.found; k++) order[k] = this.low[k]! * 65536 + k;
    order.sort();
    this.spanHigh.fill(-1);
    let end = -1;
    for (const ranked of order) {
      const k = ranked % 65536;
      const x = this.rowOf[k]!;
      const lo = this.low[k]!;
      const second = this.spanHigh[x]! >= 0;
      if (second || (end >= 0 && lo >= end + this.tileKeys)) {
        this.emit(tile, residue, stride, lo);
        for (let row = 0; row < tile.rows; row++) {
          if (this.spanHigh[row]! > lo) this.spanLow[row] = lo;
          else this.spanHigh[row] = -1;
        }
      }
      this.spanLow[x] = lo;
      this.spanHigh[x] = this.high[k]!;
      end = Math.max(end, this.high[k]!);
    }
    this.emit(tile, residue, stride, Infinity);
  }

  /** Writes the span under construction, ended at `cut`. */
  private emit({rows}: RowTile, residue: number, stride: number, cut: number): void {
    let yBegin = Infinity;
    let yEnd = 0;
    let fullBegin = 0;
    let fullEnd = Infinity;
    for (let x = 0; x < rows; x++) {
      const hi = Math.min(this.spanHigh[x]!, cut);
      if (hi < 0) {
        fullEnd = -1;
        continue;
      }
      const lo = this.spanLow[x]!;
      if (lo < yBegin) yBegin = lo;
      if (hi > yEnd) yEnd = hi;
      if (lo > fullBegin) fullBegin = lo;
      if (hi < fullEnd) fullEnd = hi;
    }
    if (fullEnd < fullBegin) fullBegin = fullEnd = yBegin;
    const at = this.intervals.grow(2 * this.tileRows);
    const data = this.intervals.data;
    for (let x = 0; x < this.tileRows; x++) {
      const row = x < rows ? x : rows - 1; // rows past the tile repeat its last one, so they never make a full tile partial
      const hi = Math.min(this.spanHigh[row]!, cut);
      data[at + 2 * x] = hi < 0 ? yBegin : this.spanLow[row]!;
      data[at + 2 * x + 1] = hi < 0 ? yBegin : hi;
    }
    this.spans.push(residue, stride, yBegin, yEnd, fullBegin, fullEnd, at / 2, -1);
  }
}
