import type {Gpu} from '../plan/index.js';
import {batchOf, type ProductProblem} from './problem.js';
import {invocationsOf, type ProductTile} from './tiles.js';

/** What one dispatch costs, and each further one, in milliseconds; rates are of a GPU whose 64 × 64 tiles reach 33 TFLOPS in attention. */
const [FIRST_MS, FURTHER_MS] = [0.006, 0.002];
const REFERENCE_RATE = 33e9;

/** tf.matMul on an H200 in 10⁹ operations a millisecond, by operations: 256³ .0114, 512³ .0203, 1024³ .137, 2048³ .793, 4096³ 5.96 ms (2026-11-30). */
const DENSE_RATES: readonly (readonly [flops: number, rate: number])[] = [[3.36e7, 6.2], [2.68e8, 18.8], [2.15e9, 16.4], [1.72e10, 21.8], [1.37e11, 23.1]]; // prettier-ignore

/** Bytes that masking an operand moves for each number: the mask is spread, then read with the operand, and the result is written. */
const MASK_BYTES = 20;
const BYTES_PER_MS = 3e9;
const MASK_DISPATCHES = 4;

const speedOf = ({flopsPerMs}: Gpu): number => flopsPerMs.wide / REFERENCE_RATE;

/**
 * Workgroups to a multiprocessor below which it waits, where none is cut: all ones 1024³ in 256 of 64 × 64 by 64 take 1.46 of what they take cut in
 * 768; by 128 512 are enough; all ones 512³ in 256 of 32 × 32 .0153 ms, 256³ in 64 .0079.
 */
const enough = (tile: ProductTile): number => (tile.rows * tile.columns >= 4096 && invocationsOf(tile) < 128 ? 4 : 2);

function unfilled(tile: ProductTile, items: number, {multiprocessors}: Gpu): number {
  const wanted = enough(tile);
  if (items >= wanted * multiprocessors) return 1;
  return items >= multiprocessors
    ? Math.sqrt((wanted * multiprocessors) / items)
    : (Math.sqrt(wanted) * multiprocessors) / Math.max(1, items);
}

/** Parts are written and read again, mostly in the cache. */
const PART_BYTES_PER_MS = 6e9;

/** Predicted milliseconds of our kernels. `items`, and those of them that wait to be merged, on all layers of the grid. */
export function predictProductMs(tile: ProductTile, computedFlops: number, items: number, slots: number, gpu: Gpu): number {
  const speed = speedOf(gpu);
  const merge = slots > 0 ? FURTHER_MS + (8 * tile.rows * tile.columns * slots) / (PART_BYTES_PER_MS * speed) : 0;
  const slower = slots > 0 ? 1 : unfilled(tile, items, gpu);
  return FIRST_MS + merge + (slower * computedFlops) / (tile.rate * 1e9 * speed);
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
