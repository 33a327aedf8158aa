import {addsInSubgroups, ownTile, REGULAR, type GradientPlan, type Kinds, type TileShape} from '../../plan/index.js';
import {ceilDiv} from '../../support/index.js';
import type {Region} from '../tile/flow.js';
import {partRegions} from '../tile/own_trips.js';
import type {Features} from '../text/features.js';
import {split, type Columns} from '../tile/columns.js';
import type {Summation} from '../tile/products.js';

/** What the texts of all gradient kernels depend on. */
export interface OwnedShape {
  readonly owns: 'rows' | 'keys';
  /** What becomes of the gradients of scores: sums of features, or they are wanted themselves: for each pair (rows), summed over rows (keys). */
  readonly wants: 'features' | 'scores';
  readonly headDim: number;
  readonly valueDim: number;
  /** Rows and keys of a tile: the same number. */
  readonly size: number;
  readonly threadsX: number;
  readonly threadsY: number;
  readonly kinds: Kinds;
  /** Key tiles without a slot write gradients of keys and values themselves. */
  readonly direct: boolean;
  readonly features: Features;
  /** Sums over rows meet in a vec4 for each invocation and own key. */
  readonly meeting: Region | null;
  /** Units of 16 bytes of workgroup memory. */
  readonly memory: number;
}

/** Everything the text of a gradient kernel over tiles depends on. The side that a workgroup owns stays in registers, the other is staged. */
export interface GradientShape extends OwnedShape {
  readonly unroll: {readonly scores: number; readonly values: number};
  /** The products with staged keys (or queries), and with staged values (or gradients of the output), a range of columns at a time. */
  readonly headColumns: readonly Columns[];
  readonly valueColumns: readonly Columns[];
  readonly product: Region;
  /** Sums of headDim columns, and for keys of valueDim columns. */
  readonly headSum: Summation | null;
  readonly valueSum: Summation | null;
}

/** The same row by row, or key by key, or by four of them that share a list. */
export interface OwnGradientShape extends OwnedShape {
  /** Trips of those that meet nothing are branched around. */
  readonly branches: boolean;
  /** Where neighbours leave their parts of both products, in turns; none where they shuffle them. */
  readonly parts: readonly (readonly Region[])[];
}

export function ownGradientShape(
  {rows, results}: GradientPlan,
  owns: 'rows' | 'keys',
  features: Features,
  kinds: Kinds,
): OwnGradientShape {
  const {headDim, valueDim} = rows.problem;
  const {rows: size, threadsX, threadsY} = ownTile(kinds);
  const shuffles = addsInSubgroups(rows.device);
  const parts = partRegions(shuffles, threadsX * threadsY, (2 * size) / threadsY);
  return {
    owns,
    wants: 'features',
    headDim,
    valueDim,
    size,
    threadsX,
    threadsY,
    kinds,
    direct: owns === 'keys' && results === 'gradients',
    features,
    meeting: null,
    memory: parts.at(-1)?.at(-1)?.end ?? 0,
    parts,
    branches: rows.device.software && kinds.mask === 'fours',
  };
}

export function gradientShape(
  {rows: plan, results}: GradientPlan,
  owns: 'rows' | 'keys',
  features: Features,
  wants: 'features' | 'scores' = 'features',
  kinds: Kinds = REGULAR,
  tile: TileShape = plan.tile,
): GradientShape {
  const {problem} = plan;
  const {headDim, valueDim} = problem;
  const {rows: size, threadsX, threadsY, unroll} = tile;
  const limit = tile.workgroupBytes / 16;
  const products = (dim: number): Columns[] => split(ceilDiv(dim, 4), ceilDiv(size * ceilDiv(dim, 4), limit));
  const [headColumns, valueColumns] = [products(headDim), products(valueDim)];
  const sum = (dim: number): Summation => summation(size, threadsX, ceilDiv(dim, 4), limit);
  const headSum = wants === 'features' ? sum(headDim) : null;
  const valueSum = wants === 'features' && owns === 'keys' ? sum(valueDim) : null;
  const product = size * Math.max(headColumns[0]!.count, valueColumns[0]!.count);
  const meeting = wants === 'scores' && owns === 'keys' ? {begin: 0, end: size * threadsX} : null;
  const ends = [product, headSum?.weights.end ?? 0, valueSum?.weights.end ?? 0, meeting?.end ?? 0];
  return {
    owns,
    wants,
    headDim,
    valueDim,
    size,
    threadsX,
    threadsY,
    kinds,
    direct: owns === 'keys' && wants === 'features' && results === 'gradients',
    features,
    unroll,
    headColumns,
    valueColumns,
    product: {begin: 0, end: product},
    headSum,
    valueSum,
    meeting,
    memory: Math.max(...ends),
  };
}

/** The fewest steps that fit into workgroup memory. */
function summation(size: number, threadsX: number, width: number, limit: number): Summation {
  const own = ceilDiv(width, threadsX);
  for (let steps = 1; steps <= size * own; steps++) {
    for (let groups = 1; groups <= steps; groups++) {
      const ranges = steps / groups;
      // A vec4 of weights holds four staged rows of one invocation, so a group has at least 4·threadsX.
      if (!Number.isInteger(ranges) || size % (4 * threadsX * groups) !== 0 || ranges > own) continue;
      const columns = split(own, ranges);
      const staged = (size / groups) * Math.min(width, columns[0]!.count * threadsX);
      const weights = (size * size) / groups / 4;
      if (staged + weights > limit) continue;
      return {groups, columns, width, staged: {begin: 0, end: staged}, weights: {begin: staged, end: staged + weights}};
    }
  }
  throw new Error(`no way to fit sums of ${width} columns over ${size} rows into ${16 * limit} bytes`);
}
