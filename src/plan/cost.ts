import type {Counts} from './draft.js';
import type {Pass, TileShape} from './plan.js';
import type {Problem} from './problem.js';
import type {Gpu} from './reference.js';
import {FOURS} from './row_wise.js';

/** Predicted milliseconds of what a plan counts, each on one line, on a GPU that is full. */
export interface Rates {
  /** Tiles of pairs that all attend, and those that test intervals, bits of affine keys, and bits of listed keys. */
  readonly full: number;
  readonly partial: number;
  readonly bits: number;
  readonly listed: number;
  /** A work item beside its tiles. */
  readonly item: number;
  /** Rows that are computed one by one. */
  ownRows(rows: number, pairs: number, distinct: number): number;
  /** The same of four that share a list, by the pairs that are computed. */
  fours(rows: number, pairs: number): number;
}

/** Features of a query, key or value of which the rates of pairs were measured. */
const FEATURES = 64;

export function ratesOf(tile: TileShape, {headDim, valueDim}: Pick<Problem, 'headDim' | 'valueDim'>, gpu: Gpu): Rates {
  const {wide, narrow, low, matrix, lowMatrix} = gpu.flopsPerMs;
  const onMatrices = tile.queries === 'fragments';
  const full =
    (2 * tile.rows * tile.keys * (headDim + valueDim)) /
    (onMatrices ? (tile.rows >= 128 ? matrix : lowMatrix) : tile.rows >= 64 ? wide : tile.rows >= 32 ? narrow : low);
  const features = (headDim + valueDim) / (2 * FEATURES);
  return {
    full,
    partial: full * gpu.partialTile,
    bits: full * gpu.bitTile,
    listed: full * (onMatrices ? gpu.matrixListTile : gpu.listTile),
    item: gpu.itemMs / (4 * gpu.multiprocessors),
    // However near keys lie to each other, caches give half of them.
    ownRows: (rows, pairs, distinct) =>
      rows * gpu.ownRowMs + features * (pairs * gpu.ownPairMs + Math.max(distinct, pairs / 2) * gpu.ownKeyMs),
    fours: (rows, pairs) => rows * gpu.fourRowMs + features * pairs * gpu.fourMs,
  };
}

/** Of one trip of an item of a pass on one line: a tile, or what its rows visit at a time. */
export function tripMs({kinds, tile}: Pick<Pass, 'kinds' | 'tile'>, problem: Problem, gpu: Gpu): number {
  const rates = ratesOf(tile, problem, gpu);
  const pairs = tile.rows * tile.keys;
  if (kinds.mask === 'own') return rates.ownRows(0, pairs, pairs);
  if (kinds.mask === 'fours') return rates.fours(0, pairs);
  return kinds.mask === 'interval' ? rates.partial : kinds.keys === 'list' ? rates.listed : rates.bits;
}

/** Predicted milliseconds of what is visited on each of `lines`, by the shape of tiles, in so many dispatches. */
export function predictMs(all: readonly Counts[], lines: number, dispatches: number, problem: Problem, gpu: Gpu): number {
  const onMatrices = all.some(({tile}) => tile.queries === 'fragments');
  const work = all.reduce((ms, counts) => ms + workMs(counts, ratesOf(counts.tile, problem, gpu)), 0);
  // The repair follows each kernel on tensor cores.
  return gpu.firstDispatchMs + ((onMatrices ? 2 : 1) * dispatches - 1) * gpu.dispatchMs + lines * work;
}

const workMs = ({tile, tiles, partial, bits, listed, items, ownRows, pairs, distinct}: Counts, rates: Rates): number =>
  items * rates.item +
  (tiles - partial - bits - listed) * rates.full +
  partial * rates.partial +
  bits * rates.bits +
  listed * rates.listed +
  (tile === FOURS ? rates.fours(ownRows, pairs) : rates.ownRows(ownRows, pairs, distinct));
