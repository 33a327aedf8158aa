import {ceilDiv} from '../support/index.js';
import {ones, someRows, type BitRows} from './bit_rows.js';
import type {Rates} from './cost.js';
import type {Draft} from './draft.js';
import {addListTiles} from './list_tiles.js';
import {addOwnRows} from './own_rows.js';
import type {Kinds, TileShape} from './plan.js';
import {ROW_WISE} from './row_wise.js';

/** How rows without arithmetic are tiled: each tile of successive rows by a list of keys, or row by row. */
export interface Irregular {
  /** Index of the first row of each tile. */
  readonly listed: readonly number[];
  readonly own: readonly number[];
  /** Predicted, of one line. */
  readonly ms: number;
}

/** Milliseconds that a second kernel must gain beside the first: what a kernel takes to compile is thousands of small calls. */
const WORTH_KERNEL = 0.02;

/**
 * Chooses for each tile of rows what is predicted to be faster: a tile computes every pair of its rows and of the keys that any of them attends to,
 * row by row costs more a pair, but only pairs that attend. Where most tiles want the same, all have it. `lines`: how many have these rows.
 */
export function chooseTiles({rows, words, wordsPerRow}: BitRows, tile: TileShape, rates: Rates, lines: number): Irregular {
  const group = new Uint32Array(wordsPerRow);
  const union = new Uint32Array(wordsPerRow);
  const [listed, own]: [number[], number[]] = [[], []];
  const ms = {listed: 0, own: 0, both: 0};
  for (let at = 0; at < rows.length; at += tile.rows) {
    const end = Math.min(rows.length, at + tile.rows);
    let [pairs, distinct, keys] = [0, 0, 0];
    union.fill(0);
    for (let from = at; from < end; from += ROW_WISE.rows) {
      group.fill(0);
      for (let row = from; row < Math.min(end, from + ROW_WISE.rows); row++)
        for (let w = 0, word = row * wordsPerRow; w < wordsPerRow; w++, word++) {
          if (words[word] === 0) continue;
          pairs += ones(words[word]!);
          group[w]! |= words[word]!;
        }
      for (let w = 0; w < wordsPerRow; w++) {
        if (group[w] === 0) continue;
        distinct += ones(group[w]!);
        union[w]! |= group[w]!;
      }
    }
    for (let w = 0; w < wordsPerRow; w++) if (union[w] !== 0) keys += ones(union[w]!);
    const byList = rates.item + ceilDiv(keys, tile.keys) * rates.listed;
    const byRows = rates.ownRows(end - at, pairs, distinct);
    ms.listed += byList;
    ms.own += byRows;
    ms.both += Math.min(byList, byRows);
    (byList <= byRows ? listed : own).push(at);
  }
  const all = [...listed, ...own].sort((a, b) => a - b);
  const least = Math.min(ms.listed, ms.own);
  if (ms.both < least - WORTH_KERNEL / lines) return {listed, own, ms: ms.both};
  return ms.listed <= ms.own ? {listed: all, own: [], ms: ms.listed} : {listed: [], own: all, ms: ms.own};
}

export function addIrregular(
  draft: Draft,
  bitRows: BitRows,
  {listed, own}: Irregular,
  width: number,
  kinds: Kinds,
  order: number,
  lines: readonly number[],
): void {
  if (listed.length > 0) addListTiles(draft, someRows(bitRows, listed, width), width, kinds, order, lines);
  if (own.length > 0) addOwnRows(draft, someRows(bitRows, own, width), kinds, order, lines);
}
