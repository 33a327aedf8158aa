import type {Acsr} from '../acsr/index.js';
import {ceilDiv, oneOf, refuse} from '../support/index.js';
import {predictMs} from './cost.js';
import {tileDense} from './dense.js';
import {pack} from './format.js';
import {tileFused, type CountedTiling} from './fused.js';
import {toWords} from './bits.js';
import type {Implementation, Plan, Storage, TileShape} from './plan.js';
import {CHUNK_PAIRS, isWide, MOST_FEATURES, type Device, type Problem} from './problem.js';
import {scratchLayout} from './scratch.js';
import {chooseMatrix, chooseTile, settle} from './configurations.js';

/** Lays a pattern out as tiles on a device and chooses the kernel. `auto` takes the implementation predicted to be faster. */
export function makePlan(
  acsr: Acsr,
  problem: Problem,
  device: Device,
  implementation: Implementation | 'auto' = 'auto',
  {storage = 'float32', tile = chooseTile(acsr, problem, device, storage)}: {storage?: Storage; tile?: TileShape} = {},
): Plan {
  oneOf('implementation', implementation, IMPLEMENTATIONS, "'auto' suits everything.");
  if (isWide(problem)) return planWide(acsr, problem, device, implementation, {tile, storage});
  const fused = implementation === 'dense' ? null : tileFused(acsr, problem, device, tile);
  if (fused === null && implementation === 'fused') {
    refuse(
      "implementation 'fused'",
      `a pattern without a tiling: ${irregularity(acsr)}`,
      'rows of a few arithmetic runs of at most four strides',
      "Use implementation 'auto' or 'dense'.",
    );
  }
  if (fused !== null) {
    const plan = finish('fused', fused, {tile, storage}, problem, device, acsr.nnz, null);
    if (implementation === 'fused') return {...plan, reason: 'asked for'};
    const denseTiles = tileCount(problem, tile);
    const maskBytes = maskBytesOf(problem);
    if (maskBytes > device.maxBindingBytes)
      return {...plan, reason: `dense would bind ${maskBytes} bytes of mask, the device takes ${device.maxBindingBytes}`};
    const tiles = `${fused.keyTiles} key tiles where dense computes ${denseTiles}`;
    const denseMs = predictMs('dense', denseEstimate(problem, tile, fused), tile, problem);
    if (plan.costMs <= denseMs)
      return {...plan, reason: `computes ${tiles}; predicted ${ratio(denseMs, plan.costMs)} faster than dense`};
    return {
      ...densePlan(acsr, problem, device, {tile, storage}),
      reason: `fused would compute ${tiles}; predicted ${ratio(plan.costMs, denseMs)} slower than dense`,
    };
  }
  return {
    ...densePlan(acsr, problem, device, {tile, storage}),
    reason: implementation === 'dense' ? 'asked for' : irregularity(acsr),
  };
}

/** Score tensors of a chunk that live at once, between one op of TensorFlow.js and the next submit. */
const CHUNK_TENSORS = 8;

/**
 * More features than our kernels take: TensorFlow.js ops compute the call, as on other backends, and nothing is launched but the rounding to
 * float16. The tiles, or the bits of a pattern without, only say which pairs attend.
 */
function planWide(
  acsr: Acsr | null,
  problem: Problem,
  device: Device,
  implementation: Implementation | 'auto',
  {tile, storage}: Pick<Plan, 'tile' | 'storage'>,
): Plan {
  const {batch, heads, queryLength, keyLength, headDim, valueDim} = problem;
  const widest = headDim > MOST_FEATURES ? `headDim ${headDim}` : `valueDim ${valueDim}`;
  if (implementation === 'fused') {
    const cure = "Use 'auto' or 'dense': TensorFlow.js ops compute wide features, in chunks. Or use more heads of fewer features.";
    refuse("implementation 'fused'", widest, `headDim and valueDim of at most ${MOST_FEATURES}`, cure);
  }
  const none: CountedTiling = {...pack({}), keyTiles: 0, partialTiles: 0, passes: [], weights: new Int32Array(0), slots: 0};
  const tiling = (acsr && tileFused(acsr, problem, device, tile)) ?? none;
  const pairs = queryLength * keyLength;
  const nnz = acsr?.nnz ?? pairs;
  const lines = batch * heads;
  const words = acsr !== null && tiling === none && maskBytesOf(problem) <= device.maxBindingBytes ? toWords(acsr) : null;
  const plan = finish('dense', tiling, {tile, storage}, problem, device, nnz, words);
  return {
    ...plan,
    reason: `${widest}: our kernels take up to ${MOST_FEATURES} features, so TensorFlow.js ops compute all pairs in chunks of queries`,
    tileDensity: plan.density,
    costMs: predictMs('dense', denseEstimate(problem, tile, tiling), tile, problem),
    bytes: CHUNK_TENSORS * 4 * Math.max(Math.min(CHUNK_PAIRS, lines * pairs), lines * keyLength),
    matrix: null,
  };
}

/** The pattern as packed mask bits, refused before they are allocated where no binding could hold them. */
function densePlan(acsr: Acsr, problem: Problem, device: Device, kernel: Pick<Plan, 'tile' | 'storage'>): Plan {
  const maskBytes = maskBytesOf(problem);
  if (maskBytes > device.maxBindingBytes) {
    refuse(
      'mask bits of the dense kernel',
      `${maskBytes} bytes`,
      `at most ${device.maxBindingBytes}, a binding of this device`,
      'Split the queries over several calls, or simplify the pattern until it has a tiling.',
    );
  }
  return finish('dense', tileDense(problem, device, kernel.tile), kernel, problem, device, acsr.nnz, toWords(acsr));
}

const maskBytesOf = ({queryLength, keyLength}: Problem): number => 4 * queryLength * ceilDiv(keyLength, 32);

const IMPLEMENTATIONS = ['auto', 'fused', 'dense'];

/** A dense plan whose mask bits arrive with the call. nnz is unknown: it counts every pair. */
export function planMaskTensor(
  problem: Problem,
  device: Device,
  storage: Storage = 'float32',
  tile = chooseTile(null, problem, device, storage),
): Plan {
  if (isWide(problem)) return planWide(null, problem, device, 'dense', {tile, storage});
  const plan = finish(
    'dense',
    tileDense(problem, device, tile),
    {tile, storage},
    problem,
    device,
    problem.queryLength * problem.keyLength,
    null,
  );
  return {...plan, reason: 'the mask is a tensor'};
}

function finish(
  implementation: Implementation,
  tiling: CountedTiling,
  {tile, storage}: Pick<Plan, 'tile' | 'storage'>,
  problem: Problem,
  device: Device,
  nnz: number,
  maskWords: Uint32Array | null,
): Plan {
  const pairs = problem.queryLength * problem.keyLength;
  const computed = tiling.keyTiles * tile.rows * tile.keys;
  const {passes, schedule, offsets, slots, weights} = tiling;
  const rowSums = passes.length > 1 ? 8 * problem.batch * problem.heads * problem.queryLength : 0;
  const scratchBytes = 16 * scratchLayout({problem, passes, slots, tile}).total + rowSums;
  return {
    problem: Object.freeze({...problem}),
    device,
    implementation,
    reason: '',
    nnz,
    density: pairs === 0 ? 0 : nnz / pairs,
    tileDensity: computed === 0 ? 1 : nnz / computed,
    costMs: predictMs(implementation, tiling, tile, problem),
    bytes: schedule.byteLength + (maskWords?.byteLength ?? 0) + scratchBytes,
    tile: settle(tile, weights.length * problem.batch * problem.heads, slots),
    storage,
    matrix: tile.queries === 'fragments' ? chooseMatrix(problem, device, storage) : null,
    passes: Object.freeze(passes.map((pass) => Object.freeze(pass))),
    schedule,
    offsets,
    slots,
    weights,
    maskWords,
  };
}

const tileCount = ({queryLength, keyLength}: Problem, tile: TileShape): number =>
  ceilDiv(queryLength, tile.rows) * ceilDiv(keyLength, tile.keys);

/** What the cost model needs of the dense tiling, without laying it out. */
function denseEstimate(problem: Problem, tile: TileShape, like: CountedTiling): CountedTiling {
  const keyTiles = tileCount(problem, tile);
  return {
    ...like,
    keyTiles,
    partialTiles: keyTiles,
    weights: new Int32Array(ceilDiv(problem.queryLength, tile.rows)),
    passes: like.passes.slice(0, 1),
  };
}

const ratio = (slow: number, fast: number): string => `${(slow / fast).toPrecision(slow / fast < 10 ? 2 : 3)}×`;

function irregularity({irregularRows, queryLength}: Acsr): string {
  return irregularRows.length > 0
    ? `${irregularRows.length} of ${queryLength} rows need too many runs`
    : 'its runs have more than four strides';
}
