import type {Acsr} from '../acsr/index.js';
import {atOnce, ceilDiv} from '../support/index.js';
import {choicesOf} from './choose_tiling.js';
import {tile as tileShape} from './configurations.js';
import {computedPairs, sum} from './counts.js';
import {Draft, EVERY_LINE} from './draft.js';
import {TENSORS} from './formats.js';
import {addFused} from './fused.js';
import type {KeyTiling} from './gradient_plan.js';
import {gpuOf} from './gpu_of.js';
import {gridLines} from './lines.js';
import {freezeTiling} from './make_plan.js';
import {partsOf, WHOLE, type Parts} from './parts.js';
import {REGULAR, type TileShape, type Work} from './plan.js';
import {isWide, type Device, type Problem} from './problem.js';
import {placePairs, spansAreUsed} from './packed_places.js';
import {transpose} from './transpose.js';

/** What is computed of packed numbers: products of query and key, or sums of values by rows or, transposed, by keys. */
export type ScoreProduct = 'sddmm' | 'spmm' | 'transposed';

/**
 * Tiles over packed numbers. The section `numbers` of the schedule has a word for each interval: what is added to the number of a key in its span to
 * make the place of the pair among those of its head.
 */
export interface ScorePlan {
  readonly product: ScoreProduct;
  readonly rows: Work;
  /** Of a transposed product. Offsets are those in the schedule of `rows`. */
  readonly keys: KeyTiling | null;
  /** Numbers of a head. */
  readonly nnz: number;
  /** Of the pairs computed, the share that attends. */
  readonly tileDensity: number;
  /** The faster as predicted: over tiles, or row by row. */
  readonly choice: 'tiles' | 'rows';
  /** Milliseconds over tiles, and row by row, on the GPU of reference.ts. */
  readonly predictedMs: Readonly<Record<'tiles' | 'rows', number>>;
}

/** Invocations in x, each with a vec4 column or several. */
const THREADS_X = 8;

/**
 * The tile of a product: rows are queries, keys are keys. Measured on an H200 with 8 heads of 64, n = 4,096 (window ±256, causal; ms; 2026-12-01):
 * sddmm 64 × 64 .096, .316; spmm of short rows 32 × 16 .090, of long ones 64 × 16 .294; transposed 32 keys × 16 .110, 64 × 16 .342.
 */
function scoreTile(product: ScoreProduct, {headDim}: Problem, {software}: Device, isLong: boolean): TileShape {
  const unroll = (scores: number, values: number): TileShape['unroll'] => (software ? {scores: 1, values: 1} : {scores, values});
  // A CPU that plays GPU takes minutes to compile register tiles of 4 × 8.
  if (product === 'sddmm')
    return software ? tileShape(32, 32, THREADS_X, 8, unroll(1, 1), 16384) : tileShape(64, 64, THREADS_X, 16, unroll(8, 1), 16384);
  const columns = Math.ceil(headDim / 4);
  const isDeep = columns > 32;
  // Wide values leave room for fewer of them, and registers for fewer rows.
  const staged = isDeep ? 8 : 16;
  const bytes = (rows: number, keys: number, values: number): number => 4 * rows * keys + 16 * values * columns;
  // By keys 64 and 32: long .344 and .400, of windows .120 and .110; 32 queries in place of 16 .411 and .161 (n = 4,096, H200, 2026-11-30).
  if (product === 'transposed') {
    const keys = isLong || isDeep ? 64 : 32;
    return tileShape(staged, keys, THREADS_X, keys / 4, unroll(1, 4), bytes(staged, keys, staged));
  }
  // Long rows by 64 with eight to an invocation .293, with four .303, with 32 keys at a time .315; windows by 32 .0898, by 64 .0889.
  const rows = isLong ? 64 : 32;
  const perRow = isDeep ? 2 : isLong ? 8 : 4;
  return tileShape(rows, staged, THREADS_X, rows / perRow, unroll(1, 4), bytes(rows, staged, staged));
}

/** Keys of a mean row from which rows are long. */
const LONG = 1024;
/** Key tiles of a part of a row, whose products need no merge: 2 .103 ms, 3 .103, 4 .104, uncut .121 (window ±256, n = 4,096, H200); causal .340, .324, .323, .402. */
const SDDMM_PART = 3;
/** Keys of a part of a long row. */
const PART = 512;

function cutting(
  product: ScoreProduct,
  isLong: boolean,
  lines: number,
  device: Device,
): (weights: readonly number[], tile: TileShape) => Parts {
  if (product === 'sddmm') return () => ({longest: SDDMM_PART, part: SDDMM_PART});
  return (weights, tile) => {
    if (device.software || !isLong) return partsOf(weights, lines, device, tile);
    const part = Math.ceil(PART / tile.keys);
    return {longest: Math.floor(1.25 * part), part};
  };
}

/** Milliseconds of a computed pair of 64 features, on a GPU that is full (H200: 4.65 and 4.9 ps a pair of causal rows). */
const PAIR_MS: Readonly<Record<ScoreProduct, number>> = {sddmm: 4.6e-9, spmm: 4.9e-9, transposed: 5.3e-9};
/** The same row by row: 18 to 19.6 ps where rows are short and many, 28 where they are few and long. */
const ROW_PAIR_MS = 18e-9;
const RATED_FEATURES = 64;
/** Fewer features leave invocations idle. */
const LEAST_FEATURES = 32;

/**
 * Plans a product over tiles; null where rows are not the same in all heads, or no closed form says where the pairs of a span lie. `problem` has the
 * features of what is multiplied as `headDim`, and the heads of keys, or of values, as `keyHeads`.
 */
export function scorePlan(
  product: ScoreProduct,
  acsr: Acsr,
  problem: Problem,
  device: Device,
  given: {readonly tile?: TileShape; readonly parts?: Parts} = {},
): ScorePlan | null {
  const {batch, heads, queryLength} = problem;
  if (acsr.irregularRows.length > 0 || acsr.nnz === 0 || isWide(problem) || batch * heads === 0) return null;
  if (acsr.start.length > MANY_RUNS * queryLength) return null;
  const isLong = acsr.nnz >= LONG * queryLength;
  const {tile = scoreTile(product, problem, device, isLong)} = given;
  if (tile.workgroupBytes > device.maxWorkgroupBytes) return null;
  const onGrid = gridLines(REGULAR, problem);
  const choices = choicesOf([tile], problem, device, onGrid);
  const draft = new Draft(tile);
  atOnce(addFused(draft, acsr, tile, {kinds: REGULAR, lines: EVERY_LINE, onGrid}, choices));
  if (!draft.passes.every(({kinds}) => kinds.rows === 'affine' && kinds.keys === 'affine' && kinds.mask === 'interval'))
    return null;
  if (product === 'spmm' && !spansAreUsed(draft, acsr)) return null;
  if (!placePairs(draft, acsr)) return null;
  const computed = sum(draft.counts(), computedPairs);
  const parts = given.parts === undefined ? cutting(product, isLong, onGrid, device) : (): Parts => given.parts!;
  const partBytes = 16 * ceilDiv(problem.headDim, 4) * onGrid;
  const room = Math.min(device.maxBindingBytes, MOST_SCRATCH);
  const mostSlots = (rows: number): number => Math.max(1, Math.floor(room / (rows * partBytes)));
  const work = {problem, device, tile, formats: TENSORS, matrix: null};
  const tiling = freezeTiling(
    atOnce(
      product === 'transposed'
        ? draft.pack({parts: WHOLE})
        : draft.pack({parts, mostSlots: ({rows}) => (product === 'sddmm' ? Infinity : mostSlots(rows))}),
    ),
  );
  let {schedule} = tiling;
  let keys: KeyTiling | null = null;
  if (product === 'transposed') {
    const keyDraft = atOnce(transpose(draft, problem, tile, () => 0, choices, onGrid, {numbered: true}));
    const packed = freezeTiling(atOnce(keyDraft.pack({parts, mostSlots: (shape) => mostSlots(shape.keys)}, tiling)));
    ({schedule, ...keys} = packed);
  }
  const {headDim} = problem;
  const {firstDispatchMs} = gpuOf(device);
  const predictedMs = Object.freeze({
    tiles: firstDispatchMs + (onGrid * computed * Math.max(LEAST_FEATURES, headDim) * PAIR_MS[product]) / RATED_FEATURES,
    rows: firstDispatchMs + (onGrid * acsr.nnz * headDim * ROW_PAIR_MS) / RATED_FEATURES,
  });
  return Object.freeze({
    product,
    rows: Object.freeze({...work, ...tiling, schedule}),
    keys: keys && Object.freeze(keys),
    nnz: acsr.nnz,
    tileDensity: acsr.nnz / computed,
    choice: predictedMs.tiles <= predictedMs.rows ? 'tiles' : 'rows',
    predictedMs,
  });
}

/** More scratch than this gains nothing. */
const MOST_SCRATCH = 2 ** 28;
/** Runs of a mean row from which on rows are looked through to be tiled: that takes longer, and finds no tiles that are dense. */
const MANY_RUNS = 4;
