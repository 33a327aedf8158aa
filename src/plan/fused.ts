import {MAX_RUNS, type Acsr} from '../acsr/index.js';
import {ceilDiv} from '../support/index.js';
import type {Pass, Plan, TileShape} from './plan.js';
import type {Device, Problem} from './problem.js';
import {IntList, ITEM_PAIRS, MERGE_PAIRS, SPAN_PAIRS} from './schedule.js';
import {partsOf} from './parts.js';
import {strideClasses, type RowTile} from './row_tiles.js';
import {SpanCutter} from './spans.js';

/** The tiles of a plan and what they amount to. */
export type Tiling = Pick<Plan, 'passes' | 'schedule' | 'offsets' | 'slots'> & {
  /** Key tiles visited, of one head: tileKeys · tileRows pairs computed each. */
  readonly keyTiles: number;
  /** Key tiles that need a mask test. */
  readonly partialTiles: number;
  readonly items: number;
};

/** Lays the runs of an ACSR out as tiles. Null when it has too many strides, or irregular rows, to be worth it. */
export function tileFused(acsr: Acsr, problem: Problem, device: Device, tile: TileShape): Tiling | null {
  if (acsr.irregularRows.length > 0) return null;
  const classes = strideClasses(acsr, tile.rows);
  if (classes === null) return null;

  const cutter = new SpanCutter(acsr, tile.rows, tile.keys, MAX_RUNS);
  const draft = new Draft(tile, cutter);
  for (const strideClass of classes) {
    draft.beginPass();
    for (const rowTile of strideClass.tiles) {
      const spanBegin = cutter.spans.length / 8;
      cutter.cut(rowTile, strideClass);
      draft.add(rowTile, spanBegin, cutter.spans.length / 8);
    }
  }
  return draft.pack(problem, device);
}

/** Row tiles with their spans, in the order they were found, before they are cut into parts and sorted. */
export class Draft {
  keyTiles = 0;
  private partialTiles = 0;
  private readonly passStarts: number[] = [];
  private readonly rowTiles: RowTile[] = [];
  /** (spanBegin, spanEnd, key tiles) of each row tile. */
  private readonly extents = new IntList();

  constructor(
    private readonly tile: TileShape,
    private readonly cutter: {readonly spans: IntList; readonly intervals: IntList},
  ) {}

  beginPass(): void {
    this.passStarts.push(this.rowTiles.length);
  }

  add(rowTile: RowTile, spanBegin: number, spanEnd: number): void {
    const {data} = this.cutter.spans;
    const {keys} = this.tile;
    let total = 0;
    for (let span = spanBegin; span < spanEnd; span++) {
      const yBegin = data[8 * span + 2]!;
      const tiles = ceilDiv(data[8 * span + 3]! - yBegin, keys);
      const firstFull = ceilDiv(data[8 * span + 4]! - yBegin, keys);
      const lastFull = Math.floor((data[8 * span + 5]! - yBegin) / keys);
      total += tiles;
      this.partialTiles += tiles - Math.max(0, lastFull - firstFull);
    }
    this.keyTiles += total;
    this.rowTiles.push(rowTile);
    this.extents.push(spanBegin, spanEnd, total);
  }

  /** Cuts long row tiles into equal parts, sorts the parts of each pass longest first, packs everything. */
  pack(problem: Problem, device: Device): Tiling {
    const items = new IntList();
    const spans = new IntList();
    const merges = new IntList();
    const passes: Pass[] = [];
    let slots = 0;
    for (let pass = 0; pass < this.passStarts.length; pass++) {
      const itemBegin = items.length / (2 * ITEM_PAIRS);
      const mergeBegin = merges.length / (2 * MERGE_PAIRS);
      const weights: number[] = [];
      const drafts = new IntList();
      const end = this.passStarts[pass + 1] ?? this.rowTiles.length;
      const begin = this.passStarts[pass]!;
      const lengths = Array.from({length: end - begin}, (_, i) => this.extents.data[3 * (begin + i) + 2]!);
      const {longest, part: partTiles} = partsOf(lengths, problem, device, this.tile);
      for (let index = begin; index < end; index++) {
        const {firstRow, rowStride, rows} = this.rowTiles[index]!;
        const total = this.extents.data[3 * index + 2]!;
        if (total === 0 && pass > 0) continue;
        // A merge cannot both read and replace a row's maximum and sum, so rows of a pass between two others stay whole.
        const middle = pass > 0 && pass < this.passStarts.length - 1;
        const parts = middle || total <= longest ? 1 : ceilDiv(total, partTiles);
        const perPart = Math.max(1, ceilDiv(total, parts));
        // Rows without keys are one part too: somebody has to write their zeros.
        const cuts = Math.max(1, ceilDiv(total, perPart));
        if (cuts > 1) merges.push(firstRow, rowStride, rows, slots, slots + cuts, 0, 0, 0);
        for (let part = 0; part < cuts; part++) {
          const spanBegin = spans.length / (2 * SPAN_PAIRS);
          const from = part * perPart;
          const to = Math.min(total, from + perPart);
          this.copyPart(spans, index, from, to);
          weights.push(to - from);
          drafts.push(firstRow, rowStride, rows, cuts > 1 ? slots++ : -1, spanBegin, spans.length / (2 * SPAN_PAIRS), -1, 0);
        }
      }
      for (const index of longestFirst(weights)) items.append(drafts.data.subarray(8 * index, 8 * index + 8));
      passes.push({
        itemBegin,
        itemEnd: items.length / (2 * ITEM_PAIRS),
        continues: pass > 0,
        mergeBegin,
        mergeEnd: merges.length / (2 * MERGE_PAIRS),
      });
    }
    const {schedule, offsets} = join(items, spans, this.cutter.intervals, merges);
    return {
      passes,
      schedule,
      offsets,
      slots,
      keyTiles: this.keyTiles,
      partialTiles: this.partialTiles,
      items: items.length / (2 * ITEM_PAIRS),
    };
  }

  /** Appends the spans that hold key tiles [from, to) of a row tile. */
  private copyPart(out: IntList, index: number, from: number, to: number): void {
    const {data} = this.cutter.spans;
    const {keys} = this.tile;
    let at = 0;
    for (let span = this.extents.data[3 * index]!; span < this.extents.data[3 * index + 1]! && at < to; span++) {
      const yBegin = data[8 * span + 2]!;
      const yEnd = data[8 * span + 3]!;
      const tiles = ceilDiv(yEnd - yBegin, keys);
      const first = Math.max(from - at, 0);
      const last = Math.min(to - at, tiles);
      if (first < last) {
        const copy = out.grow(8);
        out.data.set(data.subarray(8 * span, 8 * span + 8), copy);
        out.data[copy + 2] = yBegin + first * keys;
        out.data[copy + 3] = Math.min(yEnd, yBegin + last * keys);
      }
      at += tiles;
    }
  }
}

/** Indices by descending weight, equal ones in their order: long items first leave no long one to finish alone. */
function longestFirst(weights: readonly number[]): number[] {
  return weights.map((_, index) => index).sort((a, b) => weights[b]! - weights[a]! || a - b);
}

function join(items: IntList, spans: IntList, intervals: IntList, merges: IntList): Pick<Plan, 'schedule' | 'offsets'> {
  const sections = [items, spans, intervals, merges];
  const schedule = new Int32Array(sections.reduce((sum, {length}) => sum + length, 0));
  const at: number[] = [];
  let offset = 0;
  for (const section of sections) {
    at.push(offset / 2);
    schedule.set(section.view(), offset);
    offset += section.length;
  }
  return {schedule, offsets: {items: at[0]!, spans: at[1]!, intervals: at[2]!, merges: at[3]!}};
}
