import {gpuOf, type Device} from '../plan/index.js';
import {draftItems, partsOfLists, type ProductDraft} from './items.js';
import {predictDenseMs, predictProductMs} from './predict.js';
import {batchOf, withoutFull, type ProductProblem} from './problem.js';
import {packSchedule, type ProductSchedule} from './schedule.js';
import {chooseProductTile, invocationsOf, type ProductTile} from './tiles.js';

/** How a product is computed: block by block with kernels of ours, or by tf.matMul over operands whose masked blocks are zeros. */
export type ProductChoice = 'blocks' | 'dense';

/** What is to know of the lists of a plan: blocks along the sum that both operands hold, for each tile of the output. */
export interface ListLengths {
  /** In numbers along the sum. */
  readonly longest: number;
  readonly mean: number;
  /** Tiles without any, which are zeros. */
  readonly empty: number;
  /** BlockLists that are distinct. */
  readonly distinct: number;
}

/** The work of a product on a device, and what it is predicted to cost. */
export interface ProductPlan {
  /** Masks that leave nothing out are gone. */
  readonly problem: ProductProblem;
  readonly tile: ProductTile;
  readonly schedule: ProductSchedule;
  /** Products on an axis of the grid: all of the batch where they share their lists, else 1. */
  readonly layers: number;
  /** Tiles of the output, of all products. */
  readonly tiles: number;
  readonly lists: ListLengths;
  /** Floating-point operations that masks leave, those that the kernels do, and those of dense products. */
  readonly usefulFlops: number;
  readonly computedFlops: number;
  readonly denseFlops: number;
  /** Milliseconds of kernels of ours, and of tf.matMul. */
  readonly predictedMs: number;
  readonly predictedDenseMs: number;
  readonly choice: ProductChoice;
}

/** `tile`: default the one that suits. `listWords`: words of lists above which lists are bits. */
export function makeProductPlan(
  given: ProductProblem,
  device: Device,
  {tile: asked, listWords}: {readonly tile?: ProductTile; readonly listWords?: number} = {},
): ProductPlan {
  const problem = withoutFull(given);
  const {m, k, n} = problem;
  const gpu = gpuOf(device);
  const tile = asked ?? chooseProductTile(problem, device);
  const draft = draftItems(problem, tile, listWords);
  const batch = batchOf(problem);
  const layers = draft.shared ? batch : 1;
  const lists = lengthsOf(draft);
  const schedule = packSchedule(problem, draft, partsOfLists(draft, layers, invocationsOf(tile), gpu.multiprocessors));
  let steps = 0;
  for (const each of schedule.steps) steps += each;
  const computedFlops = 2 * tile.rows * tile.columns * tile.step * steps * layers;
  const predictedMs = predictProductMs(tile, computedFlops, schedule.items * layers, schedule.slots * layers, gpu);
  const predictedDenseMs = predictDenseMs(problem, gpu);
  return Object.freeze({
    problem,
    tile,
    schedule,
    layers,
    tiles: draft.list.length * layers,
    lists,
    usefulFlops: draft.usefulFlops,
    computedFlops,
    denseFlops: 2 * m * k * n * batch,
    predictedMs,
    predictedDenseMs,
    // Lists of very many tiles of 8 × 8 may be longer than what a device binds.
    choice: predictedMs <= predictedDenseMs && schedule.words.byteLength <= device.maxBindingBytes ? 'blocks' : 'dense',
  });
}

function lengthsOf({lists, list}: ProductDraft): ListLengths {
  let [longest, sum, empty] = [0, 0, 0];
  for (const each of list) {
    const numbers = lists.numbers(each);
    longest = Math.max(longest, numbers);
    sum += numbers;
    if (numbers === 0) empty++;
  }
  return Object.freeze({longest, mean: sum / Math.max(1, list.length), empty, distinct: lists.count - 1});
}
