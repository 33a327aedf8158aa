import {MAX_RUNS, type Acsr} from '../acsr/index.js';
import type {Sliced} from '../support/index.js';
import {everyRow, restOf} from './bit_rows.js';
import {NO_COUNTS, type Counts} from './counts.js';
import type {Draft, DraftGroup} from './draft.js';
import {addIrregular, chooseIrregular, type TileChoices} from './irregular.js';
import type {Kinds, TileShape} from './plan.js';
import {strideClasses, type StrideClass} from './row_tiles.js';
import {SpanCutter} from './spans.js';

/** Which lines have a pattern: those that items name, and how many are on the grid of a dispatch. */
export interface Place {
  readonly kinds: Kinds;
  readonly lines: readonly number[];
  readonly onGrid: number;
}

/** Words of runs and intervals that are read and written in one slice. */
const CUT = 2 ** 15;

/** Cuts the tiles of a class from number `at` on, as many as a slice takes, but `most`; returns the number of the next. */
function cutSome(
  draft: Draft,
  group: DraftGroup,
  cutter: SpanCutter,
  strideClass: StrideClass,
  at: number,
  most = CUT / MAX_RUNS,
): number {
  const {tiles, recurring} = strideClass;
  const end = draft.intervals.length + CUT;
  const last = Math.min(tiles.length, at + most);
  for (; at < last && draft.intervals.length < end; at++) {
    const tile = tiles[at]!;
    const spanBegin = draft.nextSpan;
    if (recurring === undefined) cutter.cut(tile, strideClass);
    else cutter.cutRecurring(tile, recurring);
    draft.add(group, tile.firstRow, tile.rowStride, tile.rows, spanBegin);
  }
  return at;
}

/** The tiles that a pattern touches: those of its stride classes, then of what these leave, by lists of keys or row by row. Returns the orders of these that were not tried. */
export function* addFused(
  draft: Draft,
  acsr: Acsr,
  tile: TileShape,
  {kinds, lines, onGrid}: Place,
  shapes: TileChoices,
): Sliced<readonly string[]> {
  const {classes, owner} = yield* strideClasses(acsr, tile.rows);
  const cutter = new SpanCutter(acsr, tile.rows, tile.keys, MAX_RUNS, draft);
  for (const [order, strideClass] of classes.entries()) {
    const group = draft.group(kinds, order, lines);
    const {tiles} = strideClass;
    for (let at = 0; at < tiles.length; yield) at = cutSome(draft, group, cutter, strideClass, at);
  }
  const rest = yield* classes.length === 0 ? everyRow(acsr) : restOf(acsr, owner);
  if (rest === null) return [];
  const chosen = yield* chooseIrregular(rest, shapes, lines.length * onGrid);
  yield* addIrregular(draft, chosen, kinds, classes.length, lines);
  return chosen.untried;
}

/** Tiles of a class that are cut to see what all come to. */
const TRIALS = 4;

/**
 * What `addFused` would come to by a few tiles of each class, and at least, of rows without runs, which lists compute pair by pair: cutting all
 * rows of `not` of nearest neighbours at 16,384 tokens takes 4 s. Nothing is added.
 */
export function* foreseeFused(draft: Draft, acsr: Acsr, tile: TileShape, {kinds, lines}: Place): Sliced<readonly Counts[]> {
  const {classes} = yield* strideClasses(acsr, tile.rows);
  const cutter = new SpanCutter(acsr, tile.rows, tile.keys, MAX_RUNS, draft);
  const before = draft.mark();
  const all: Counts[] = [];
  for (const [order, strideClass] of classes.entries()) {
    const count = strideClass.tiles.length;
    const trials = Math.min(TRIALS, count);
    const group = draft.group(kinds, order, lines);
    for (let trial = 0; trial < trials; trial++, yield)
      cutSome(draft, group, cutter, strideClass, Math.floor(((trial + 0.5) * count) / trials), 1);
    for (const {tiles, partial} of draft.counts(before)) {
      const share = count / Math.max(1, trials);
      all.push({...NO_COUNTS, tile, tiles: tiles * share, partial: partial * share, items: count * lines.length});
    }
    draft.rollback(before);
  }
  const {irregularRows, nnz, count} = acsr;
  let left = nnz;
  for (let run = 0; run < count.length; run++) left -= count[run]!;
  const tiles = (left * lines.length) / (tile.rows * tile.keys);
  const items = (irregularRows.length * lines.length) / tile.rows;
  if (irregularRows.length > 0) all.push({...NO_COUNTS, tile, tiles, listed: tiles, items});
  return all;
}
