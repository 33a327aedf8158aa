import {readOptions, refuse, say} from '../../support/index.js';
import {checkDevice, CORE_DEVICE, makeProductPlan, productText, type ProductPlan} from '../../pure.js';
import {BLOCK_SPARSE_PLAN_NAMES, BLOCK_SPARSE_WORDS, type BlockSparsePlanOptions} from './options.js';
import {productCall} from './product_call.js';

/** What `blockSparseMatMul` would do, frozen. Milliseconds are of the GPU that plans assume. */
export interface BlockSparsePlan extends Pick<
  ProductPlan,
  'tile' | 'tiles' | 'lists' | 'usefulFlops' | 'computedFlops' | 'denseFlops' | 'predictedMs' | 'predictedDenseMs' | 'choice'
> {
  /** Workgroups: tiles of the output, or parts of their sums. */
  readonly items: number;
  /** Tiles whose sums are computed in parts. */
  readonly merged: number;
  /** All of it in words. */
  toString(): string;
}

/**
 * Plans a `blockSparseMatMul` without running it: which blocks meet, in how many work items, what is computed, and whether tf.matMul is
 * predicted to be faster.
 *
 * ```js
 * const plan = planBlockSparse([512, 4096], [4096, 4096], {blockSize: 64, maskB: new Uint8Array(64 * 64).fill(1, 0, 400)});
 * plan.choice; // 'blocks'
 * console.log(plan.toString());
 * ```
 *
 * @param a The shape of a, or a tensor of that shape; b the same.
 * @throws SplatError as `blockSparseMatMul` does.
 */
export function planBlockSparse(
  a: readonly number[] | {readonly shape: readonly number[]},
  b: readonly number[] | {readonly shape: readonly number[]},
  options: BlockSparsePlanOptions,
): BlockSparsePlan {
  const {device, ...given} = readOptions(options, BLOCK_SPARSE_PLAN_NAMES, BLOCK_SPARSE_WORDS);
  const {problem} = productCall(shapeGiven('a', a), shapeGiven('b', b), given);
  const plan = makeProductPlan(problem, checkDevice(device ?? CORE_DEVICE));
  const {tile, tiles, lists, usefulFlops, computedFlops, denseFlops, predictedMs, predictedDenseMs, choice, schedule, layers} =
    plan;
  return Object.freeze({
    ...{tile, tiles, lists, usefulFlops, computedFlops, denseFlops, predictedMs, predictedDenseMs, choice},
    items: schedule.items * layers,
    merged: schedule.merges * layers,
    toString: () => productText(plan),
  });
}

function shapeGiven(name: string, given: readonly number[] | {readonly shape: readonly number[]}): readonly number[] {
  const shape: unknown = typeof given === 'object' && given !== null && 'shape' in given ? given.shape : given;
  const isShape =
    Array.isArray(shape) && shape.every((size: unknown) => typeof size === 'number' && Number.isInteger(size) && size >= 0);
  if (!isShape) refuse(name, say(shape), 'a shape such as [512, 4096], or a tensor', 'Pass a.shape and b.shape.');
  return shape as number[];
}
