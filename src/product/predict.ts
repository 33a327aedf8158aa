import type {Gpu} from '../plan/index.js';
import {batchOf, type ProductProblem} from './problem.js';
import type {ProductTile} from './tiles.js';

/** What one dispatch costs, and each further one, in milliseconds; rates are of a GPU whose 64 × 64 tiles reach 33 TFLOPS in attention. */
const [FIRST_MS, FURTHER_MS] = [0.007, 0.002];
const REFERENCE_RATE = 33e9;

/** tf.matMul on an H200 in 10⁹ operations a millisecond, by operations: 1024³ .1395, 2048³ .799, 4096³ 5.95 ms. */
const DENSE_RATES: readonly (readonly [flops: number, rate: number])[] = [[2.15e9, 15.4], [1.72e10, 21.5], [1.37e11, 23.1]]; // prettier-ignore

/** Bytes that masking an operand moves for each number: the mask is spread, then read with the operand, and the result is written. */
const MASK_BYTES = 20;
const BYTES_PER_MS = 3e9;
const MASK_DISPATCHES = 4;

const speedOf = ({flopsPerMs}: Gpu): number => flopsPerMs.wide / REFERENCE_RATE;

/**
 * What too few workgroups cost where none is cut: all ones 1024³ in 256 items take 1.46 of what they take cut in 768, and a workgroup alone on
 * a multiprocessor half of its rate.
 */
const ENOUGH = 4;
const ALONE = 2;

function unfilled(items: number, {multiprocessors}: Gpu): number {
  if (items >= ENOUGH * multiprocessors) return 1;
  return items >= multiprocessors ? Math.sqrt((ENOUGH * multiprocessors) / items) : (ALONE * multiprocessors) / Math.max(1, items);
}

/** Predicted milliseconds of our kernels. `items` on all layers of the grid. */
export function predictProductMs(tile: ProductTile, computedFlops: number, items: number, merges: number, gpu: Gpu): number {
  const slower = merges > 0 ? 1 : unfilled(items, gpu);
  return FIRST_MS + (merges > 0 ? FURTHER_MS : 0) + (slower * computedFlops) / (tile.rate * 1e9 * speedOf(gpu));
}

/** Predicted milliseconds of tf.matMul over operands whose masked blocks are replaced by zeros first. */
export function predictDenseMs(problem: ProductProblem, gpu: Gpu): number {
  const {m, k, n, maskA, maskB, maskC, matricesA, matricesB} = problem;
  const batch = batchOf(problem);
  const flops = 2 * m * k * n * batch;
  const masked = (mask: object | null, numbers: number): number =>
    mask === null ? 0 : MASK_DISPATCHES * FURTHER_MS + (MASK_BYTES * numbers) / (BYTES_PER_MS * speedOf(gpu));
  const matrices = (of: Int32Array): number => new Set(of).size;
  return (
    FIRST_MS +
    flops / (denseRate(flops) * 1e9 * speedOf(gpu)) +
    masked(maskA, matrices(matricesA) * m * k) +
    masked(maskB, matrices(matricesB) * k * n) +
    masked(maskC, batch * m * n)
  );
}

function denseRate(flops: number): number {
  const above = DENSE_RATES.findIndex(([known]) => known >= flops);
  if (above <= 0) return DENSE_RATES.at(above)![1];
  const [[from, low], [to, high]] = [DENSE_RATES[above - 1]!, DENSE_RATES[above]!];
  return low + ((high - low) * Math.log(flops / from)) / Math.log(to / from);
}
