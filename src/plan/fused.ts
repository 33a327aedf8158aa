import {MAX_RUNS, type Acsr} from '../acsr/index.js';
import type {Sliced} from '../support/index.js';
import {everyRow, restOf} from './bit_rows.js';
import type {Draft} from './draft.js';
import {addIrregular, chooseIrregular, type TileChoices} from './irregular.js';
import type {Kinds, TileShape} from './plan.js';
import {strideClasses} from './row_tiles.js';
import {SpanCutter} from './spans.js';

/** Which lines have a pattern: those that items name, and how many are on the grid of a dispatch. */
export interface Place {
  readonly kinds: Kinds;
  readonly lines: readonly number[];
  readonly onGrid: number;
}

/** The tiles that a pattern touches: those of its stride classes, then of what these leave, by lists of keys or row by row. Returns the orders of these that were not tried. */
export function* addFused(
  draft: Draft,
  acsr: Acsr,
  tile: TileShape,
  {kinds, lines, onGrid}: Place,
  shapes: TileChoices,
): Sliced<readonly string[]> {
  const {classes, owner} = strideClasses(acsr, tile.rows);
  const cutter = new SpanCutter(acsr, tile.rows, tile.keys, MAX_RUNS, draft);
  classes.forEach((strideClass, order) => {
    const group = draft.group(kinds, order, lines);
    for (const rowTile of strideClass.tiles) {
      const spanBegin = draft.nextSpan;
      if (strideClass.recurring === undefined) cutter.cut(rowTile, strideClass);
      else cutter.cutRecurring(rowTile, strideClass.recurring);
      draft.add(group, rowTile.firstRow, rowTile.rowStride, rowTile.rows, spanBegin);
    }
  });
  const rest = classes.length === 0 ? everyRow(acsr) : restOf(acsr, owner);
  if (rest === null) return [];
  const chosen = yield* chooseIrregular(rest, shapes, lines.length * onGrid);
  yield* addIrregular(draft, chosen, kinds, classes.length, lines);
  return chosen.untried;
}
