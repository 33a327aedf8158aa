import type {TileShape} from './plan.js';

/** What visiting the tiles of a draft amounts to, summed over the lines of passes of one shape. */
export interface CountsOf<Tile> {
  readonly tile: Tile;
  /** Tiles visited, and those that test intervals, bits of affine keys, and bits of listed keys. */
  tiles: number;
  partial: number;
  bits: number;
  listed: number;
  items: number;
  /** Row-wise: rows, their pairs, how many keys these have where keys of a workgroup count once, and pairs that its shorter rows lack to its longest. */
  ownRows: number;
  pairs: number;
  distinct: number;
  idle: number;
}

export type Counts = CountsOf<TileShape>;

export const NO_COUNTS: Readonly<Omit<Counts, 'tile'>> = Object.freeze({
  ...{tiles: 0, partial: 0, bits: 0, listed: 0, items: 0},
  ...{ownRows: 0, pairs: 0, distinct: 0, idle: 0},
});

/** Pairs that are computed, whether they attend or not. */
export const computedPairs = ({tile, tiles, pairs}: Counts): number => tiles * tile.rows * tile.keys + pairs;

export const sum = (all: readonly Counts[], of: (counts: Counts) => number): number =>
  all.reduce((total, counts) => total + of(counts), 0);
