import {ceilDiv, type Sliced} from '../support/index.js';
import {someRows, type BitRows} from './bit_rows.js';
import type {Rates} from './cost.js';
import type {Draft} from './draft.js';
import {addListTiles} from './list_tiles.js';
import {orders} from './orders.js';
import {addOwnRows} from './own_rows.js';
import type {Kinds, TileShape} from './plan.js';
import {FOURS, ROW_WISE} from './row_wise.js';
import {Unions} from './unions.js';

/** How rows without arithmetic are tiled: in which order, and granules of successive rows, each by lists of keys in tiles of some shape, or row by row. */
export interface Granules {
  readonly rows: BitRows;
  /** Rows of a granule; the last may have fewer. */
  readonly granule: number;
  /** Index of the first row of each granule, by the shape that it has. */
  readonly of: ReadonlyMap<TileShape, readonly number[]>;
  /** Predicted, of one line. */
  readonly ms: number;
  readonly pairs: number;
  /** Each shape alone, in each order. */
  readonly tried: readonly Tried[];
  /** Orders that were not, and why. */
  readonly untried: readonly string[];
}

/** One shape for all rows of a line: pairs that it computes, and how long. */
export interface Tried {
  readonly name: string;
  readonly computed: number;
  readonly ms: number;
}

/** The shapes to choose from, the row-wise one among them, and what each costs. */
export interface TileChoices {
  readonly all: readonly TileShape[];
  /** Where there are so many workgroups of the shape. */
  rates(shape: TileShape, workgroups: number): Rates;
  /** What workgroups of so many trips cost beside, on all lines: where long ones are cut into parts, a dispatch that merges these. */
  mergeMs(weights: readonly number[], shape: TileShape): number;
  /** What a further shape must gain, on all lines. */
  readonly kernelMs: number;
}

/**
 * Chooses an order of rows, and for each `granule` of them what is predicted to be fastest: a tile computes every pair of its rows and of the keys that
 * any of them attends to, and lower ones do so faster; row by row costs more a pair, but only pairs that attend. `lines`: how many have these rows.
 */
export function* chooseIrregular(bitRows: BitRows, shapes: TileChoices, lines: number): Sliced<Granules> {
  let best = yield* chooseTiles(bitRows, shapes, lines, '');
  // Of rows that have most keys, any order has most keys.
  if (shapes.all.length === 1 || best.pairs > MOST_ORDERED * bitRows.rows.length * 32 * bitRows.wordsPerRow) return best;
  const tried = [...best.tried];
  const untried: string[] = [];
  for (const order of orders(bitRows, best.pairs)) {
    yield;
    if (order === undefined) continue;
    if (order.rows === null) {
      untried.push(order.name);
      continue;
    }
    const chosen = yield* chooseTiles(order.rows, shapes, lines, order.name);
    tried.push(...chosen.tried);
    if (chosen.ms < best.ms / WORTH_ORDER) best = chosen;
  }
  return {...best, tried, untried};
}

/** Above this density orders are not looked for. */
const MOST_ORDERED = 0.5;

/** Another order must be faster by so much, for its rows are a list that takes memory, and whatever is near in the given one may lie near in caches. */
const WORTH_ORDER = 1.1;

function* chooseTiles(
  bitRows: BitRows,
  {all: shapes, rates, mergeMs, kernelMs}: TileChoices,
  lines: number,
  order: string,
): Sliced<Granules> {
  const granule = Math.max(...shapes.map(({rows}) => rows));
  const costs = shapes.map((): number[] => []);
  const weights = shapes.map((): number[] => []);
  const computed = shapes.map(() => 0);
  let pairs = 0;
  const unions = new Unions(bitRows, Math.min(...shapes.map((shape) => (shape === FOURS ? 4 : shape.rows))), granule);
  const count = bitRows.rows.length;
  const byShape = shapes.map((shape) => rates(shape, lines * ceilDiv(count, shape.rows)));
  for (let at = 0; at < count; at += granule) {
    const end = Math.min(count, at + granule);
    unions.visit(at, end);
    yield;
    pairs += unions.pairs;
    shapes.forEach((shape, index) => {
      const {item, listed, ownRows, fours} = byShape[index]!;
      const ms =
        shape === ROW_WISE
          ? ownRows(end - at, unions.pairs, unions.distinct, unions.idle)
          : shape === FOURS
            ? fours(end - at, 4 * unions.inFours, unions.idleInFours)
            : ceilDiv(end - at, shape.rows) * item + unions.tiles(shape) * listed;
      costs[index]!.push(ms);
      weights[index]!.push(...unions.weights(shape));
      computed[index]! += unions.computed(shape);
    });
  }
  shapes.forEach((shape, index) => {
    const each = mergeMs(weights[index]!, shape) / lines / Math.max(1, costs[index]!.length);
    costs[index] = costs[index]!.map((cost) => cost + each);
  });
  const {of: chosen, ms} = cheapest(costs, kernelMs / lines);
  const granules = new Map<TileShape, number[]>();
  chosen.forEach((index, number) => {
    const shape = shapes[index]!;
    if (!granules.has(shape)) granules.set(shape, []);
    granules.get(shape)!.push(number * granule);
  });
  const tried = shapes.map((shape, index) => ({
    name: nameOf(shape, order),
    computed: computed[index]!,
    ms: costs[index]!.reduce((sum, cost) => sum + cost, 0),
  }));
  return {rows: bitRows, granule, of: granules, ms, pairs, tried, untried: []};
}

function nameOf(shape: TileShape, order: string): string {
  const tiles =
    shape === ROW_WISE ? 'row by row' : shape === FOURS ? 'rows in fours' : `lists of keys in ${shape.rows} × ${shape.keys}`;
  return order === '' ? tiles : `${tiles}, ${order}`;
}

/** For each column of costs the cheapest row, of as few rows as gain `worth` each: the best alone, then the one that gains most, and so on. */
function cheapest(costs: readonly (readonly number[])[], worth: number): {readonly of: number[]; readonly ms: number} {
  const columns = costs[0]!.length;
  let least = new Array<number>(columns).fill(Infinity);
  let of = new Array<number>(columns).fill(0);
  let ms = Infinity;
  for (;;) {
    let best = -1;
    let bestMs = ms;
    costs.forEach((own, index) => {
      const sum = own.reduce((all, cost, column) => all + Math.min(cost, least[column]!), 0);
      if (sum < bestMs) [best, bestMs] = [index, sum];
    });
    if (best < 0 || (ms < Infinity && bestMs > ms - worth)) return {of, ms};
    const own = costs[best]!;
    of = of.map((index, column) => (own[column]! < least[column]! ? best : index));
    least = least.map((cost, column) => Math.min(cost, own[column]!));
    ms = bestMs;
  }
}

export function* addIrregular(
  draft: Draft,
  {rows: ordered, granule, of}: Granules,
  kinds: Kinds,
  order: number,
  lines: readonly number[],
  owns: 'rows' | 'keys' = 'rows',
): Sliced<void> {
  for (const [shape, starts] of of) {
    const rows = yield* someRows(ordered, starts, granule);
    if (shape === ROW_WISE || shape === FOURS) yield* addOwnRows(draft, rows, shape === FOURS, kinds, order, lines, owns);
    else yield* addListTiles(draft, rows, shape, kinds, order, lines, owns);
  }
}
