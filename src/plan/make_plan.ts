import type {Acsr, Lines} from '../acsr/index.js';
import {atOnce, oneOf, refuse, type Sliced} from '../support/index.js';
import {chooseMatrix, chooseTile, settle} from './configurations.js';
import {predictMs} from './cost.js';
import {addDense, denseCounts} from './dense.js';
import {Draft, EVERY_LINE} from './draft.js';
import {computedPairs, sum} from './counts.js';
import {draftRows} from './draft_rows.js';
import {TENSORS, type Formats} from './formats.js';
import {pack} from './format.js';
import {gridLines, largestOf, lineKinds, asLines} from './lines.js';
import {partsOf} from './parts.js';
import {REGULAR, type Implementation, type Kernel, type Plan, type Report, type TileShape, type Tiling} from './plan.js';
import {CHUNK_PAIRS, isWide, MOST_FEATURES, type Device, type Problem} from './problem.js';
import {gpuOf} from './gpu_of.js';
import {scratchLayout} from './scratch.js';

/** What a plan may be told beside what it computes. */
export interface PlanOptions {
  /** Default: the tensors as they are. */
  readonly formats?: Formats | undefined;
  readonly tile?: TileShape;
  /** Tensor cores may be used. Default true. */
  readonly matrices?: boolean;
}

/** Lays a pattern out as tiles on a device and chooses the kernel. `auto` takes the implementation predicted to be faster, for each of different heads. */
export const makePlan = (...given: Parameters<typeof planning>): Plan => atOnce(planning(...given));

/** The same, in slices: clustering rows without order takes up to a quarter of a second. */
export function* planning(
  rows: Acsr | Lines,
  problem: Problem,
  device: Device,
  implementation: Implementation | 'auto' = 'auto',
  {formats = TENSORS, matrices = true, tile}: PlanOptions = {},
): Sliced<Plan> {
  oneOf('implementation', implementation, IMPLEMENTATIONS, "'auto' suits everything.");
  const lines = asLines(rows);
  const kernel = kernelOf(largestOf(lines), problem, device, formats, matrices, tile);
  if (isWide(problem)) return yield* planWide(lines, problem, device, implementation, kernel);
  const {draft, ...chosen} = yield* draftRows(lines, problem, device, implementation, kernel.tile);
  return yield* finish(draft, chosen, kernel, problem, device, lines);
}

const kernelOf = (
  acsr: Acsr | null,
  problem: Problem,
  device: Device,
  formats: Formats,
  matrices: boolean,
  tile: TileShape = chooseTile(acsr, problem, device, formats, matrices),
): Kernel => ({tile, formats, matrix: tile.queries === 'fragments' ? chooseMatrix(problem, device, formats) : null});

/** Score tensors of a chunk that live at once, between one op of TensorFlow.js and the next submit. */
const CHUNK_TENSORS = 8;

/**
 * More features than our kernels take: TensorFlow.js ops compute the call, as on other backends, and nothing is launched but the rounding to
 * float16. The tiles only say which pairs attend.
 */
function* planWide(
  lines: Lines | null,
  problem: Problem,
  device: Device,
  implementation: Implementation | 'auto',
  kernel: Kernel,
): Sliced<Plan> {
  const {batch, heads, queryLength, keyLength, headDim, valueDim} = problem;
  const widest = headDim > MOST_FEATURES ? `headDim ${headDim}` : `valueDim ${valueDim}`;
  if (implementation === 'fused') {
    const cure = "Use 'auto' or 'dense': TensorFlow.js ops compute wide features, in chunks. Or use more heads of fewer features.";
    refuse("implementation 'fused'", widest, `headDim and valueDim of at most ${MOST_FEATURES}`, cure);
  }
  const {tile} = kernel;
  const drafted = lines === null ? new Draft(tile) : (yield* draftRows(lines, problem, device, 'fused', tile)).draft;
  const draft = drafted.bytes > device.maxBindingBytes ? new Draft(tile) : drafted;
  const reason = `${widest}: our kernels take up to ${MOST_FEATURES} features, so TensorFlow.js ops compute all pairs in chunks of queries`;
  const plan = yield* finish(draft, {implementation: 'dense', reason}, {...kernel, matrix: null}, problem, device, lines);
  const pairs = queryLength * keyLength;
  const calls = batch * heads;
  return Object.freeze({
    ...plan,
    tileDensity: plan.density,
    costMs: predictMs([denseCounts(problem, tile)], calls, 1, problem, gpuOf(device)),
    bytes: CHUNK_TENSORS * 4 * Math.max(Math.min(CHUNK_PAIRS, calls * pairs), calls * keyLength),
  });
}

const IMPLEMENTATIONS = ['auto', 'fused', 'dense'] as const;

/** A dense plan whose mask bits arrive with the call. nnz is unknown: it counts every pair. */
export function planMaskTensor(
  problem: Problem,
  device: Device,
  {formats = TENSORS, matrices = true, tile}: PlanOptions = {},
): Plan {
  const kernel = kernelOf(null, problem, device, formats, matrices, tile);
  if (isWide(problem)) return atOnce(planWide(null, problem, device, 'dense', kernel));
  const reason = 'the mask is a tensor';
  return atOnce(finish(draftMask(problem, kernel.tile), {implementation: 'dense', reason}, kernel, problem, device, null));
}

export function draftMask(problem: Problem, tile: TileShape): Draft {
  const draft = new Draft(tile);
  atOnce(addDense(draft, problem, null, tile, REGULAR, EVERY_LINE));
  return draft;
}

function* finish(
  draft: Draft,
  {
    implementation,
    reason,
    candidates = [],
    untried = [],
  }: Pick<Report, 'implementation' | 'reason'> & Partial<Pick<Report, 'candidates' | 'untried'>>,
  kernel: Kernel,
  problem: Problem,
  device: Device,
  lines: Lines | null,
): Sliced<Plan> {
  const {tile} = kernel;
  const onGrid = gridLines(lines === null ? REGULAR : lineKinds(lines), problem);
  const tiling = freezeTiling(
    draft.passes.length === 0
      ? EMPTY
      : yield* draft.pack({parts: (weights, shape) => partsOf(weights, onGrid, device, shape), last: true}),
  );
  const {passes, schedule, slots, weights} = tiling;
  const pairs = problem.queryLength * problem.keyLength;
  const counts = draft.counts();
  const named = lines?.of.length ?? 1;
  const nnz = lines === null ? pairs : lines.of.reduce((total, index) => total + lines.rows[index]!.nnz, 0) / named;
  const settled = settle(tile, weights.length * onGrid, slots, gpuOf(device));
  const computed = sum(counts, computedPairs) / named;
  const rowSums = passes.length > 1 ? 8 * problem.batch * problem.heads * problem.queryLength : 0;
  const scratchBytes = 16 * scratchLayout({problem, passes, tile}).total + rowSums;
  const dispatches = passes.length + passes.filter(({mergeBegin, mergeEnd}) => mergeEnd > mergeBegin).length;
  return Object.freeze({
    problem: Object.freeze({...problem}),
    device,
    ...tiling,
    ...kernel,
    passes: Object.freeze(passes.map((pass) => (pass.tile === tile ? Object.freeze({...pass, tile: settled}) : pass))),
    tile: settled,
    implementation,
    reason,
    candidates,
    untried,
    nnz,
    density: pairs === 0 ? 0 : nnz / pairs,
    tileDensity: computed === 0 ? 1 : nnz / computed,
    costMs: predictMs(counts, onGrid, Math.max(1, dispatches), problem, gpuOf(device)),
    bytes: schedule.byteLength + scratchBytes,
  });
}

const EMPTY: Tiling = Object.freeze({...pack({}), passes: Object.freeze([]), weights: new Int32Array(0), slots: 0});

export const freezeTiling = (tiling: Tiling): Tiling =>
  Object.freeze({...tiling, passes: Object.freeze(tiling.passes.map((pass) => Object.freeze(pass)))});
