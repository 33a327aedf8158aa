import {power} from '../terms/unit.js';
import {rowAccess, type RowAccess} from '../text/row_access.js';
import {each, lines, tree} from '../text/text.js';
import type {Flow} from '../tile/flow.js';
import {hide, type Masked} from '../tile/mask.js';
import {keyAt, keyRowAt, rowAt} from '../tile/places.js';
import {productSteps, sumSteps, type Staged, type Staging, type Summation} from '../tile/products.js';
import {Scoring} from '../tile/scoring.js';
import type {Grid} from '../tile/tile_math.js';
import type {GradientShape} from './gradient_shape.js';

/** A tensor as a gradient kernel reaches its own rows: by number. */
interface Side {
  readonly access: RowAccess;
  /** The base of own row i. */
  own(i: number): string;
}

/** What the two kinds of kernel say differently. */
interface GradientTensors {
  /** Query and gradient of the output, or key and value: what the workgroup owns. */
  readonly ownHead: Side;
  readonly ownValue: Side;
  /** The others: what is staged. */
  readonly head: Staged;
  readonly value: Staged;
}

/**
 * One trip over a tile, as FlashAttention-2's backward pass has it (arXiv 2307.08691): scores again, probabilities from the maximum and
 * sum of the forward pass, dS = P ∘ (dO·Vᵀ − D), then what the owned side sums up: dQ += dS·K; or dV += Pᵀ·dO and dK += dSᵀ·Q.
 *
 * Names in the WGSL: s<i>_<j> score, later probability; t<i>_<j> product of value and dO, later gradient of the score; g<i>_<c> sum of
 * headDim columns, v of valueDim columns; i is own, j staged.
 */
export class GradientTrip {
  readonly grid: Grid;
  readonly scoring: Scoring;
  private readonly staging: Staging;
  private readonly tensors: GradientTensors;

  constructor(readonly shape: GradientShape) {
    const {size, threadsX, threadsY, features} = shape;
    this.grid = {threadsX, threadsY, rows: size / threadsY, keys: size / threadsX};
    this.staging = {grid: this.grid, size};
    this.tensors = gradientTensors(shape);
    this.scoring = new Scoring(features);
  }

  tile(): Flow[] {
    const {shape, tensors, staging} = this;
    const {headColumns, valueColumns, headSum, valueSum, product: region} = shape;
    const {ownHead, ownValue, head, value} = tensors;
    const unroll = shape.unroll.scores;
    const own =
      ({access, own: base}: Side, factor: string) =>
      (i: number, column: string) =>
        access.load(base(i), column) + factor;
    const sum = (name: string, weights: string, of: Summation, staged: Staged, what: string): Flow[] =>
      sumSteps(staging, {name, weights, what: `gradients of ${what}`, staged, sum: of, unroll: shape.unroll.values});
    const keys = {name: 's', what: 'keys', staged: head, ranges: headColumns, region, unroll, own: own(ownHead, head.factor)};
    const values = {name: 't', what: 'values', staged: value, ranges: valueColumns, region, unroll, own: own(ownValue, '')};
    return [
      ...productSteps(staging, keys),
      ...productSteps(staging, values),
      {name: 'gradients of scores', reads: [], writes: [], code: this.scoreGradients()},
      ...(valueSum === null ? [] : sum('v', 's', valueSum, value, 'values')),
      ...(headSum === null ? [] : sum('g', 't', headSum, head, shape.owns === 'rows' ? 'queries' : 'keys')),
      ...(shape.wants === 'scores' ? [{name: 'gradients wanted', reads: [], writes: [], code: this.keepScores()}] : []),
    ];
  }

  /** The scores of a tile, as the mask sees them. */
  get masked(): Masked {
    const {owns, kinds, size} = this.shape;
    return {owns, kinds, clip: this.scoring.clip(kinds), size: 'SIZE', width: size, grid: this.grid};
  }

  /** Query and key of own i and staged j, by the numbers under which they are declared. */
  private pair(i: number, j: number): [query: number, key: number] {
    return this.shape.owns === 'rows' ? [i, j] : [j, i];
  }

  private scoreGradients(): string {
    const {features, owns, wants} = this.shape;
    const {rows, keys} = this.grid;
    const {keeps} = this.scoring;
    const slopeOf = (i: number, j: number): string =>
      wants === 'features' ? this.scoring.slope(`s${i}_${j}`, ...this.pair(i, j)) : '';
    const all = (text: (i: number, j: number) => string): string => each(rows, (i) => each(keys, (j) => text(i, j)));
    const gradient = (i: number, j: number): string => {
      const [a, b] = this.pair(i, j);
      const [s, t] = [`s${i}_${j}`, `t${i}_${j}`];
      const kept = keeps ? `let kept = ${this.scoring.kept(a, b)}; ` : '';
      const product = keeps ? `${t} * kept` : t;
      const slope = slopeOf(i, j) === '' ? '' : ` * slope${i}_${j}`;
      // What does not attend must bring in no NaN, of its value or of the sum of its row.
      const weight = keeps ? 'p * kept' : 'p';
      return lines(
        `{ ${kept}let hides = ${s} == HIDDEN; let p = exp2(${power(`${s} - stats${a}.x`, features)}) * stats${a}.y;`,
        `${t} = select(p * (${product} - stats${a}.z)${slope}, 0.0, hides);`,
        owns === 'keys' ? `${s} = select(${weight}, 0.0, hides); }` : '}',
      );
    };
    const staged = each(keys, (j) => this.declareStaged(j));
    return lines(
      '{',
      staged,
      all((i, j) =>
        lines(
          slopeOf(i, j) === '' ? '' : `let slope${i}_${j} = ${slopeOf(i, j)};`,
          this.scoring.pair(`s${i}_${j}`, ...this.pair(i, j)),
        ),
      ),
      hide(this.masked),
      all(gradient),
      '}',
    );
  }

  /** A pair that attends has one writer: also where several lines share a bias, for the same invocation visits them in turn. */
  private keepScores(): string {
    const {rows, keys, threadsX} = this.grid;
    if (this.shape.owns === 'keys') {
      return each(
        rows,
        (i) =>
          `r${i} += ${tree(
            Array.from({length: keys}, (_, j) => `t${i}_${j}`),
            (a, b) => `(${a} + ${b})`,
          )};`,
      );
    }
    const key = (j: number): string => `y0 + i32(tx) + ${threadsX * j}`;
    const pair = (i: number, j: number): string => {
      const at = `pairs${i} + u32(${keyAt(this.shape.kinds, `(${key(j)})`)})`;
      return `if (${key(j)} < y.y && s${i}_${j} != HIDDEN) { dScores[${at}] += t${i}_${j}; }`;
    };
    return each(rows, (i) =>
      lines(
        `if (i32(x${i}) < owned.x) {`,
        each(keys, (j) => pair(i, j)),
        '}',
      ),
    );
  }

  /** What staged key (or row) number j is, and brings. */
  private declareStaged(j: number): string {
    const at = `tx + ${this.grid.threadsX * j}u`;
    if (this.shape.owns === 'rows') return this.scoring.key(j, keyAt(this.shape.kinds, `min(y0 + i32(${at}), y.y - 1)`));
    return lines(
      `let place${j} = min(begin + i32(${at}), visited.y - 1);`,
      `let row${j} = ${rowAt(this.shape.kinds, `place${j}`)};`,
      `let stats${j} = scratch[shareLine * params.queryLength + row${j}];`,
      this.scoring.query(j, `row${j}`, `line * params.queryLength + row${j}`),
    );
  }
}

/** The two kinds of tensors, by what the workgroup owns. A far scale that came only at the end would find products and sums past float32. */
function gradientTensors({owns, headDim, valueDim, features, kinds}: GradientShape): GradientTensors {
  const factor = features.farScale ? ' * params.sideScale' : '';
  const query = rowAccess('query', headDim);
  const key = rowAccess('key', headDim);
  const value = rowAccess('value', valueDim);
  const dOutput = rowAccess('dOutput', valueDim);
  const side = (access: RowAccess, name: string): Side => ({access, own: (i) => `${name}${i}`});
  if (owns === 'rows') {
    const row = (place: string): string => `(keyLine + ${keyRowAt(kinds, `min(y0 + i32(${place}), y.y - 1)`)})`;
    return {
      ownHead: side(query, 'query'),
      ownValue: side(dOutput, 'dOutput'),
      head: {access: key, row, factor},
      value: {access: value, row, factor: ''},
    };
  }
  const row = (place: string): string =>
    `(queryLine + ${rowAt(kinds, `min(begin + i32(${place}), visited.y - 1)`)} * params.queryStrides.y)`;
  return {
    ownHead: side(key, 'ownKey'),
    ownValue: side(value, 'ownValue'),
    head: {access: query, row, factor},
    value: {access: dOutput, row, factor: ''},
  };
}
