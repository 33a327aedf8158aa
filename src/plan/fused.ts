import {MAX_RUNS, type Acsr} from '../acsr/index.js';
import {toWords} from './bits.js';
import type {Draft} from './draft.js';
import {addListTiles, restOf} from './list_tiles.js';
import type {Kinds} from './plan.js';
import {strideClasses} from './row_tiles.js';
import {SpanCutter} from './spans.js';

/** The tiles that a pattern touches: those of its stride classes, then of what these leave, by lists of keys. */
export function addFused(
  draft: Draft,
  acsr: Acsr,
  tile: {rows: number; keys: number},
  kinds: Kinds,
  lines: readonly number[],
): void {
  const {classes, owner} = strideClasses(acsr, tile.rows);
  const cutter = new SpanCutter(acsr, tile.rows, tile.keys, MAX_RUNS, draft);
  classes.forEach((strideClass, order) => {
    const tiles = draft.group(kinds, order, lines);
    for (const rowTile of strideClass.tiles) {
      const spanBegin = draft.nextSpan;
      if (strideClass.recurring === undefined) cutter.cut(rowTile, strideClass);
      else cutter.cutRecurring(rowTile, strideClass.recurring);
      draft.add(tiles, rowTile.firstRow, rowTile.rowStride, rowTile.rows, spanBegin);
    }
  });
  if (classes.length === 0) return addListed(draft, acsr, tile, kinds, lines);
  const rest = restOf(acsr, owner);
  if (rest !== null) addListTiles(draft, rest, tile.rows, kinds, classes.length, lines);
}

/** All pairs of a pattern by lists of keys. */
export function addListed(draft: Draft, acsr: Acsr, tile: {rows: number}, kinds: Kinds, lines: readonly number[]): void {
  const rows = Int32Array.from({length: acsr.queryLength}, (_, row) => row);
  addListTiles(draft, {rows, words: toWords(acsr), wordsPerRow: Math.ceil(acsr.keyLength / 32)}, tile.rows, kinds, 0, lines);
}
