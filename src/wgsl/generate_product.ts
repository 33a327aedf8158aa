import {batchOf, type ProductPlan} from '../product/index.js';
import {matrixProductProgram} from './product/matrix_product.js';
import {mergePartsProgram, groupsOfTile} from './product/merge_parts.js';
import {productProgram} from './product/product.js';
import type {ProductShape} from './product/product_shape.js';
import {packProductParams, type ProductNumbers} from './product/product_params.js';
import {gridOf} from './text/grid.js';
import type {BindingRole, Launch, LaunchPart, Program} from './text/program.js';

/** Launches of a product, with the schedule that they read. */
export interface ProductLaunches {
  readonly plan: null;
  readonly launches: readonly Launch[];
  readonly tail: {readonly pairs: 0};
  readonly workBytes: Readonly<Partial<Record<BindingRole, number>>>;
  readonly schedule: Uint32Array;
}

/** One launch over the items, and one over the tiles that are computed in parts. */
export function generateProduct(plan: ProductPlan): ProductLaunches {
  const {problem, tile, schedule, layers} = plan;
  const {m, k, n, transposeA, transposeB} = problem;
  const shape = productShape(plan);
  const [aRows, aColumns] = transposeA ? [k, m] : [m, k];
  const [bRows, bColumns] = transposeB ? [n, k] : [k, n];
  const numbers: Omit<ProductNumbers, 'first' | 'end'> = {
    ...{rows: m, columns: n, aRows, aColumns, bRows, bColumns},
    ...{itemsAt: schedule.itemsAt, mergesAt: schedule.mergesAt, slots: schedule.slots},
  };
  /** `groups`: workgroups of a record. */
  const over = (
    program: Program,
    of: 'items' | 'merges',
    count: number,
    groups: number,
    weights: Int32Array,
    ms: number,
  ): Launch => {
    let sum = 0;
    for (const weight of weights) sum += weight;
    const each = ms / Math.max(1, sum);
    const part = (begin: number, end: number): LaunchPart => {
      let weight = 0;
      for (let item = begin; item < Math.min(end, weights.length); item++) weight += weights[item]!;
      const range = {of, begin, end, weight: of === 'items' ? weight : null, ms: weight * each};
      return {
        grid: Object.freeze(gridOf(groups * (end - begin), 1, layers)),
        range: Object.freeze(range),
        params: () => packProductParams({...numbers, first: begin, end}),
        cut: (most) => rangesOf(weights, begin, end, most / each).map(([from, to]) => part(from, to)),
      };
    };
    return Object.freeze({program, ...part(0, count)});
  };
  const launches = [over(programOf(shape), 'items', schedule.items, 1, schedule.steps, plan.predictedMs)];
  if (shape.inParts)
    launches.push(over(mergePartsProgram(shape), 'merges', schedule.merges, groupsOfTile(tile), new Int32Array(0), 0));
  const scratch = 4 * tile.rows * tile.columns * schedule.slots * layers;
  return Object.freeze({
    plan: null,
    launches: Object.freeze(launches),
    tail: Object.freeze({pairs: 0}),
    workBytes: Object.freeze(shape.inParts ? {scratch} : {}),
    schedule: schedule.words,
  });
}

function programOf(shape: ProductShape): Program {
  const {matrix} = shape.tile;
  return matrix === null ? productProgram(shape) : matrixProductProgram({...shape, matrix});
}

/** What its text depends on. */
export function productShape({problem, tile, schedule, layers}: ProductPlan): ProductShape {
  const {m, k, n, block, transposeA, transposeB, maskA, maskB} = problem;
  const inFours = [transposeA ? m : k, transposeB ? k : n, n].map((columns) => columns % 4 === 0);
  return {
    tile,
    block: maskA === null && maskB === null ? tile.step : block.k,
    transposeA,
    transposeB,
    inFours: inFours as [boolean, boolean, boolean],
    ragged: m % tile.rows !== 0 || n % tile.columns !== 0 || k % tile.step !== 0,
    inParts: schedule.merges > 0,
    bitWords: schedule.bitWords,
    products: batchOf(problem) === 1 ? 'one' : layers > 1 ? 'grid' : 'items',
  };
}

/** Ranges of records that weigh at most `most` together, or are alone. */
function rangesOf(weights: Int32Array, begin: number, end: number, most: number): (readonly [begin: number, end: number])[] {
  const ranges: (readonly [number, number])[] = [];
  for (let from = begin, to: number; from < end; from = to) {
    let sum = weights[from] ?? 0;
    for (to = from + 1; to < end && sum + (weights[to] ?? 0) <= most; to++) sum += weights[to] ?? 0;
    ranges.push([from, to]);
  }
  return ranges;
}
