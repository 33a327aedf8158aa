import {MAX_RUNS, type Acsr} from '../acsr/index.js';
import {ceilDiv} from '../support/index.js';
import {REGULAR, type Kinds, type Pass, type Tiling, type TileShape} from './plan.js';
import type {Device, Problem} from './problem.js';
import {IntList, ITEM, longestFirst, MERGE, pack, SPAN, write} from './format.js';
import {partsOf} from './parts.js';
import {strideClasses, type RowTile} from './row_tiles.js';
import {copyTiles} from './copy_tiles.js';
import {SpanCutter} from './spans.js';

/** The tiles of a plan and what they amount to. */
export interface CountedTiling extends Tiling {
  /** Key tiles visited, of one head: tileKeys · tileRows pairs computed each. */
  readonly keyTiles: number;
  /** Key tiles that need a mask test. */
  readonly partialTiles: number;
}

/** Lays the runs of an ACSR out as tiles. Null when it has too many strides, or irregular rows, to be worth it. */
export function tileFused(acsr: Acsr, problem: Problem, device: Device, tile: TileShape): CountedTiling | null {
  if (acsr.irregularRows.length > 0) return null;
  const classes = strideClasses(acsr, tile.rows);
  if (classes === null) return null;

  const cutter = new SpanCutter(acsr, tile.rows, tile.keys, MAX_RUNS);
  const draft = new Draft(tile, cutter);
  for (const strideClass of classes) {
    draft.beginPass(REGULAR);
    for (const rowTile of strideClass.tiles) {
      const spanBegin = cutter.spans.length / SPAN.words;
      if (strideClass.recurring === undefined) cutter.cut(rowTile, strideClass);
      else cutter.cutRecurring(rowTile, strideClass.recurring);
      draft.add(rowTile, spanBegin, cutter.spans.length / SPAN.words);
    }
  }
  return draft.pack(problem, device);
}

/** Row tiles with their spans, in the order they were found, before they are cut into parts and sorted. */
export class Draft {
  keyTiles = 0;
  private partialTiles = 0;
  private readonly passes: {readonly kinds: Kinds; readonly start: number}[] = [];
  private readonly rowTiles: RowTile[] = [];
  /** (spanBegin, spanEnd, key tiles) of each row tile. */
  private readonly extents = new IntList();

  constructor(
    private readonly tile: TileShape,
    private readonly cutter: {readonly spans: IntList; readonly intervals: IntList},
  ) {}

  beginPass(kinds: Kinds): void {
    this.passes.push({kinds, start: this.rowTiles.length});
  }

  add(rowTile: RowTile, spanBegin: number, spanEnd: number): void {
    const {data} = this.cutter.spans;
    const {keys} = this.tile;
    let total = 0;
    for (let span = spanBegin; span < spanEnd; span++) {
      const at = SPAN.words * span;
      const begin = data[at + SPAN.at.begin]!;
      const tiles = ceilDiv(data[at + SPAN.at.end]! - begin, keys);
      const firstFull = ceilDiv(data[at + SPAN.at.fullBegin]! - begin, keys);
      const lastFull = Math.floor((data[at + SPAN.at.fullEnd]! - begin) / keys);
      total += tiles;
      this.partialTiles += tiles - Math.max(0, lastFull - firstFull);
    }
    this.keyTiles += total;
    this.rowTiles.push(rowTile);
    this.extents.push(spanBegin, spanEnd, total);
  }

  /** Cuts long row tiles into equal parts, sorts the parts of each pass longest first, packs everything. */
  pack(problem: Problem, device: Device): CountedTiling {
    const items = new IntList();
    const spans = new IntList();
    const merges = new IntList();
    const passes: Pass[] = [];
    const weightOf = new IntList();
    let slots = 0;
    for (let pass = 0; pass < this.passes.length; pass++) {
      const itemBegin = items.length / ITEM.words;
      const mergeBegin = merges.length / MERGE.words;
      const weights: number[] = [];
      const drafts = new IntList();
      const end = this.passes[pass + 1]?.start ?? this.rowTiles.length;
      const {kinds, start: begin} = this.passes[pass]!;
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
        if (cuts > 1)
          write(merges, MERGE, {firstRow, rowStride, rows, slotBegin: slots, slotEnd: slots + cuts, unused: 0, none: 0, line: 0});
        for (let part = 0; part < cuts; part++) {
          const spanBegin = spans.length / SPAN.words;
          const from = part * perPart;
          const to = Math.min(total, from + perPart);
          const {data} = this.extents;
          copyTiles(this.cutter.spans, data[3 * index]!, data[3 * index + 1]!, this.tile.keys, from, to, spans);
          weights.push(to - from);
          const slot = cuts > 1 ? slots++ : -1;
          write(drafts, ITEM, {firstRow, rowStride, rows, slot, spanBegin, spanEnd: spans.length / SPAN.words, none: 0, line: 0});
        }
      }
      for (const index of longestFirst(weights)) {
        items.append(drafts.data.subarray(ITEM.words * index, ITEM.words * (index + 1)));
        weightOf.push(weights[index]!);
      }
      passes.push({
        kinds,
        itemBegin,
        itemEnd: items.length / ITEM.words,
        continues: pass > 0,
        mergeBegin,
        mergeEnd: merges.length / MERGE.words,
      });
    }
    const sections = {items: items.view(), spans: spans.view(), intervals: this.cutter.intervals.view(), merges: merges.view()};
    return {
      ...pack(sections),
      passes,
      weights: weightOf.view(),
      slots,
      keyTiles: this.keyTiles,
      partialTiles: this.partialTiles,
    };
  }
}
