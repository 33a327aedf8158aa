import {each, lines, tree} from '../text/text.js';
import type {Flow} from '../tile/flow.js';
import {keyAt, rowAt} from '../tile/places.js';
import {productSteps, sumSteps, type Staged, type Staging, type Summation} from '../tile/products.js';
import type {GradientShape} from './gradient_shape.js';
import {gradientTensors, type GradientTensors, type Side} from './gradient_tensors.js';
import {GradientTrip} from './gradient_trip.js';

/**
 * One trip over a tile, as FlashAttention-2's backward pass has it (arXiv 2307.08691): scores again, probabilities from the maximum and
 * sum of the forward pass, dS = P ∘ (dO·Vᵀ − D), then what the owned side sums up: dQ += dS·K; or dV += Pᵀ·dO and dK += dSᵀ·Q.
 *
 * Names in the WGSL: s<i>_<j> score, later probability; t<i>_<j> product of value and dO, later gradient of the score; g<i>_<c> sum of
 * headDim columns, v of valueDim columns; i is own, j staged.
 */
export class TileTrip extends GradientTrip<GradientShape> {
  private readonly staging: Staging;
  private readonly tensors: GradientTensors;

  constructor(shape: GradientShape) {
    super(shape, shape.size / shape.threadsX);
    this.staging = {grid: this.grid, size: shape.size};
    this.tensors = gradientTensors(shape);
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

  protected declareMet(j: number): string {
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
