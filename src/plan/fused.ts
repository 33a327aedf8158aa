import {MAX_RUNS, type Acsr} from '../acsr/index.js';
import {ceilDiv} from '../support/index.js';
import type {Pass, Plan, TileShape} from './plan.js';
import type {Device, Problem} from './problem.js';
import {IntList, ITEM_PAIRS, longestFirst, MERGE_PAIRS, packSections, SPAN_PAIRS} from './schedule.js';
import {partsOf} from './parts.js';
import {strideClasses, type RowTile} from './row_tiles.js';
import {copyTiles} from './copy_tiles.js';
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
        const parts = total <= longest ? 1 : ceilDiv(total, partTiles);
        const perPart = Math.max(1, ceilDiv(total, parts));
        // Rows without keys are one part too: somebody has to write their zeros.
        const cuts = Math.max(1, ceilDiv(total, perPart));
        if (cuts > 1) merges.push(firstRow, rowStride, rows, slots, slots + cuts, 0, 0, 0);
        for (let part = 0; part < cuts; part++) {
          const spanBegin = spans.length / (2 * SPAN_PAIRS);
          const from = part * perPart;
          const to = Math.min(total, from + perPart);
          const {data} = this.extents;
          copyTiles(this.cutter.spans, data[3 * index]!, data[3 * index + 1]!, this.tile.keys, from, to, spans);
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
    const {schedule, at} = packSections([items, spans, this.cutter.intervals, merges].map((section) => section.view()));
    const [itemsAt, spansAt, intervalsAt, mergesAt] = at as [number, number, number, number];
    return {
      passes,
      schedule,
      offsets: {items: itemsAt, spans: spansAt, intervals: intervalsAt, merges: mergesAt},
      slots,
      keyTiles: this.keyTiles,
      partialTiles: this.partialTiles,
      items: items.length / (2 * ITEM_PAIRS),
    };
  }
}
