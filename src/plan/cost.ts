import type {CountsOf} from './counts.js';
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
  ownRows(rows: number, pairs: number, distinct: number, idle: number): number;
  /** The same of four that share a list, by the pairs that are computed. */
  fours(rows: number, pairs: number, idle: number): number;
}

/** What predictions depend on. */
export type TileSides = Pick<TileShape, 'rows' | 'keys' | 'queries'>;

/** Features of a query, key or value of which the rates of pairs were measured. */
const FEATURES = 64;
/** Workgroups that run at once on a multiprocessor, and those that keep it busy: 512 in all do (n = 2,048), 256 do not. */
const AT_ONCE = 4;
const BUSY = 3;
/** Tiles of more rows are cut into parts until there are enough. */
const MOST_UNFILLED_ROWS = 32;

/** For tiles of a shape, so many workgroups of them. */
export function ratesOf(
  tile: TileSides,
  {headDim, valueDim}: Pick<Problem, 'headDim' | 'valueDim'>,
  gpu: Gpu,
  workgroups: number,
): Rates {
  const {wide, narrow, low, matrix, lowMatrix} = gpu.flopsPerMs;
  const onMatrices = tile.queries === 'fragments';
  const isFilled = tile.rows > MOST_UNFILLED_ROWS || workgroups >= BUSY * gpu.multiprocessors;
  const slower = isFilled ? 1 : gpu.unfilled;
  const full =
    (slower * 2 * tile.rows * tile.keys * (headDim + valueDim)) /
    (onMatrices ? (tile.rows >= 128 ? matrix : lowMatrix) : tile.rows >= 64 ? wide : tile.rows >= 32 ? narrow : low);
  const features = (slower * (headDim + valueDim)) / (2 * FEATURES);
  return {
    full,
    partial: full * gpu.partialTile,
    bits: full * gpu.bitTile,
    listed: full * (onMatrices ? gpu.matrixListTile : gpu.listTile),
    item: gpu.itemMs / (AT_ONCE * gpu.multiprocessors),
    // However near keys lie to each other, caches give half of them.
    ownRows: (rows, pairs, distinct, idle) =>
      rows * gpu.ownRowMs + features * (pairs * gpu.ownPairMs + Math.max(distinct, pairs / 2) * gpu.ownKeyMs + idle * gpu.idleMs),
    fours: (rows, pairs, idle) => rows * gpu.fourRowMs + features * (pairs * gpu.fourMs + idle * gpu.idleMs),
  };
}

/** Of one trip of an item of a pass on one line: a tile, or what its rows visit at a time. */
export function tripMs({kinds, tile}: Pick<Pass, 'kinds' | 'tile'>, problem: Problem, gpu: Gpu): number {
  const rates = ratesOf(tile, problem, gpu, Infinity);
  const pairs = tile.rows * tile.keys;
  if (kinds.mask === 'own') return rates.ownRows(0, pairs, pairs, 0);
  if (kinds.mask === 'fours') return rates.fours(0, pairs, 0);
  return kinds.mask === 'interval' ? rates.partial : kinds.keys === 'list' ? rates.listed : rates.bits;
}

/** Predicted milliseconds of what is visited on each of `lines`, by the shape of tiles, in so many dispatches. */
export function predictMs(
  all: readonly CountsOf<TileSides>[],
  lines: number,
  dispatches: number,
  problem: Pick<Problem, 'headDim' | 'valueDim'>,
  gpu: Gpu,
): number {
  const onMatrices = all.some(({tile}) => tile.queries === 'fragments');
  const work = all.reduce((ms, counts) => ms + workMs(counts, ratesOf(counts.tile, problem, gpu, lines * workgroupsOf(counts))), 0);
  // The repair follows each kernel on tensor cores.
  return gpu.firstDispatchMs + ((onMatrices ? 2 : 1) * dispatches - 1) * gpu.dispatchMs + lines * work;
}

/** By its numbers, for those that `bench:calibrate` reads come from a file. */
const isFours = ({rows, keys}: TileSides): boolean => rows === FOURS.rows && keys === FOURS.keys;

/** On each line. */
const workgroupsOf = ({tile, items, ownRows}: CountsOf<TileSides>): number => items + ownRows / tile.rows;

const workMs = (
  {tile, tiles, partial, bits, listed, items, ownRows, pairs, distinct, idle}: CountsOf<TileSides>,
  rates: Rates,
): number =>
  items * rates.item +
  (tiles - partial - bits - listed) * rates.full +
  partial * rates.partial +
  bits * rates.bits +
  listed * rates.listed +
  (isFours(tile) ? rates.fours(ownRows, pairs, idle) : rates.ownRows(ownRows, pairs, distinct, idle));
