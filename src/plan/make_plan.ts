import type {Acsr, Lines} from '../acsr/index.js';
import {ceilDiv, oneOf, refuse} from '../support/index.js';
import {toWords} from './bits.js';
import {chooseMatrix, chooseTile, listTiles, settle} from './configurations.js';
import {everyRow} from './bit_rows.js';
import {predictMs, ratesOf} from './cost.js';
import {addDense} from './dense.js';
import {TENSORS, type Formats} from './formats.js';
import {Draft, EVERY_LINE, NO_COUNTS, type Counts} from './draft.js';
import {pack} from './format.js';
import {addFused, type Place} from './fused.js';
import {addIrregular, chooseIrregular, granuleOf, type TileChoices} from './irregular.js';
import {gridLines, largestOf, lineKinds, asLines, lineWords} from './lines.js';
import {partsOf} from './parts.js';
import {
  REGULAR,
  type Implementation,
  type Kernel,
  type Kinds,
  type Plan,
  type Report,
  type TileShape,
  type Tiling,
} from './plan.js';
import {CHUNK_PAIRS, isWide, MOST_FEATURES, type Device, type Problem} from './problem.js';
import {gpuOf} from './reference.js';
import {ROW_WISE} from './row_wise.js';
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
export function makePlan(
  rows: Acsr | Lines,
  problem: Problem,
  device: Device,
  implementation: Implementation | 'auto' = 'auto',
  {formats = TENSORS, matrices = true, tile}: PlanOptions = {},
): Plan {
  oneOf('implementation', implementation, IMPLEMENTATIONS, "'auto' suits everything.");
  const lines = asLines(rows);
  const kernel = kernelOf(largestOf(lines), problem, device, formats, matrices, tile);
  if (isWide(problem)) return planWide(lines, problem, device, implementation, kernel);
  const {draft, ...chosen} = draftRows(lines, problem, device, implementation, kernel.tile);
  return finish(draft, chosen, kernel, problem, device, lines);
}

const kernelOf = (
  acsr: Acsr | null,
  problem: Problem,
  device: Device,
  formats: Formats,
  matrices: boolean,
  tile: TileShape = chooseTile(acsr, problem, device, formats, matrices),
): Kernel => ({tile, formats, matrix: tile.queries === 'fragments' ? chooseMatrix(problem, device, formats) : null});

/** Tiles, and why these. */
interface Drafted extends Pick<Report, 'implementation' | 'reason'> {
  readonly draft: Draft;
}

/** The tiles of all lines, each pattern by the tiling that is predicted to be fastest of those allowed. `mixed`: what has no arithmetic may have other tiles, or go row by row. */
export function draftRows(
  lines: Lines,
  problem: Problem,
  device: Device,
  implementation: Implementation | 'auto',
  tile: TileShape,
  mixed = true,
): Drafted {
  const kinds: Kinds = {...REGULAR, ...lineKinds(lines)};
  const words = lineWords(lines, problem);
  const draft = new Draft(tile);
  const choices = lines.rows.map((acsr, index) => {
    const own = lines.rows.length === 1 && words[index]!.length === 1 ? EVERY_LINE : words[index]!;
    return draftOne(
      draft,
      acsr,
      {kinds, lines: own, onGrid: gridLines(kinds, problem)},
      problem,
      device,
      implementation,
      tile,
      mixed,
    );
  });
  const [first] = choices as [Choice, ...Choice[]];
  const alike = choices.length === 1;
  return {
    draft,
    implementation: choices.every((each) => each.implementation === 'dense') ? 'dense' : 'fused',
    reason: alike ? first.reason : `${choices.length} patterns in ${lines.of.length} ${whatDiffers(lines)}: ${first.reason}, …`,
  };
}

const whatDiffers = ({heads, batch}: Lines): string =>
  heads === 1 ? 'sequences' : batch === 1 ? 'heads' : 'heads of all sequences';

interface Choice {
  readonly implementation: Implementation;
  readonly reason: string;
}

/** Below this density of its tiles, a pattern is looked at as if it had no arithmetic, to see which is faster. */
const SPARSE_TILES = 0.4;
/** Milliseconds that this must gain: lists are a kernel of their own, which takes as long as thousands of small calls to compile; the row-wise one is short. */
const WORTH = {listed: 0.02, own: 0.005};
/** Dense must be so much faster than what has arithmetic, whose schedule is small. */
const TIE = 1.05;
/** Bits of a pattern that are written out for that: 16,384 tokens squared take half. */
const MOST_LISTED_BYTES = 2 ** 26;

/** Adds the tiles of one pattern. */
function draftOne(
  draft: Draft,
  acsr: Acsr,
  place: Place,
  problem: Problem,
  device: Device,
  implementation: Implementation | 'auto',
  tile: TileShape,
  mixed: boolean,
): Choice {
  const {kinds, lines, onGrid} = place;
  const gpu = gpuOf(device);
  const shapes: TileChoices = {
    all: mixed ? [...listTiles(tile), ROW_WISE] : [tile],
    rates: (shape) => ratesOf(shape, problem, gpu),
  };
  const dense = (): void => addDense(draft, problem, toWords(acsr), tile.rows, kinds, lines);
  const maskBytes = maskBytesOf(problem);
  const fits = maskBytes <= device.maxBindingBytes;
  if (implementation === 'dense') {
    if (!fits) refuseMask(maskBytes, device);
    dense();
    return {implementation, reason: 'asked for'};
  }
  const before = draft.mark();
  const passes = draft.passes.length;
  const measure = (): Measured => {
    const counts = draft.counts(before);
    const ms = predictMs(counts, onGrid, Math.max(1, draft.passes.length - passes), problem, gpu);
    return {counts, ms, bytes: draft.bytes};
  };
  addFused(draft, acsr, tile, place, shapes);
  let best = measure();
  const isRegular = best.counts.some(({tiles, listed}) => tiles > listed);
  const sparse = acsr.nnz * lines.length < SPARSE_TILES * sum(best.counts, computedPairs);
  if (sparse && isRegular && maskBytes <= MOST_LISTED_BYTES) {
    const all = everyRow(acsr);
    const chosen = chooseIrregular(all, granuleOf(tile), shapes, lines.length * onGrid);
    const ms = gpu.firstDispatchMs + chosen.ms * lines.length * onGrid;
    if (ms < best.ms - ([...chosen.of.keys()].every((shape) => shape === ROW_WISE) ? WORTH.own : WORTH.listed)) {
      draft.rollback(before);
      addIrregular(draft, chosen, granuleOf(tile), kinds, 0, lines);
      best = measure();
    }
  }
  if (implementation === 'fused') return {implementation, reason: 'asked for'};
  if (!fits)
    return {
      implementation: 'fused',
      reason: `dense would bind ${maskBytes} bytes of mask, the device takes ${device.maxBindingBytes}`,
    };
  const denseTiles = tileCount(problem, tile);
  const denseMs = predictMs([denseCounts(problem, tile)], onGrid * lines.length, 1, problem, gpu);
  const tiles = `${visitedText(best.counts, lines.length)} where dense computes ${denseTiles}`;
  const isScattered = best.counts.some(({listed, pairs}) => listed + pairs > 0);
  if (best.ms <= (isScattered ? denseMs - WORTH.own : TIE * denseMs) && best.bytes <= device.maxBindingBytes)
    return {implementation: 'fused', reason: `computes ${tiles}; predicted ${ratio(denseMs, best.ms)} faster than dense`};
  draft.rollback(before);
  dense();
  return {implementation: 'dense', reason: `fused would compute ${tiles}; predicted ${ratio(best.ms, denseMs)} slower than dense`};
}

interface Measured {
  readonly counts: readonly Counts[];
  readonly ms: number;
  readonly bytes: number;
}

/** Of the dense kernel, on one line. */
function denseCounts(problem: Problem, tile: TileShape): Counts {
  const tiles = tileCount(problem, tile);
  return {...NO_COUNTS, tile, tiles, bits: tiles, items: ceilDiv(problem.queryLength, tile.rows)};
}

/** Pairs that are computed, whether they attend or not. */
const computedPairs = ({tile, tiles, pairs}: Counts): number => tiles * tile.rows * tile.keys + pairs;

const sum = (all: readonly Counts[], of: (counts: Counts) => number): number =>
  all.reduce((total, counts) => total + of(counts), 0);

/** What a line computes, in words. */
function visitedText(counts: readonly Counts[], lines: number): string {
  const tiles = sum(counts, (each) => each.tiles) / lines;
  const pairs = sum(counts, (each) => each.pairs) / lines;
  return pairs === 0 ? `${tiles} key tiles` : `${tiles} key tiles, and ${pairs} pairs row by row,`;
}

/** Score tensors of a chunk that live at once, between one op of TensorFlow.js and the next submit. */
const CHUNK_TENSORS = 8;

/**
 * More features than our kernels take: TensorFlow.js ops compute the call, as on other backends, and nothing is launched but the rounding to
 * float16. The tiles only say which pairs attend.
 */
function planWide(
  lines: Lines | null,
  problem: Problem,
  device: Device,
  implementation: Implementation | 'auto',
  kernel: Kernel,
): Plan {
  const {batch, heads, queryLength, keyLength, headDim, valueDim} = problem;
  const widest = headDim > MOST_FEATURES ? `headDim ${headDim}` : `valueDim ${valueDim}`;
  if (implementation === 'fused') {
    const cure = "Use 'auto' or 'dense': TensorFlow.js ops compute wide features, in chunks. Or use more heads of fewer features.";
    refuse("implementation 'fused'", widest, `headDim and valueDim of at most ${MOST_FEATURES}`, cure);
  }
  const {tile} = kernel;
  const drafted = lines === null ? new Draft(tile) : draftRows(lines, problem, device, 'fused', tile).draft;
  const draft = drafted.bytes > device.maxBindingBytes ? new Draft(tile) : drafted;
  const reason = `${widest}: our kernels take up to ${MOST_FEATURES} features, so TensorFlow.js ops compute all pairs in chunks of queries`;
  const plan = finish(draft, {implementation: 'dense', reason}, {...kernel, matrix: null}, problem, device, lines);
  const pairs = queryLength * keyLength;
  const calls = batch * heads;
  return Object.freeze({
    ...plan,
    tileDensity: plan.density,
    costMs: predictMs([denseCounts(problem, tile)], calls, 1, problem, gpuOf(device)),
    bytes: CHUNK_TENSORS * 4 * Math.max(Math.min(CHUNK_PAIRS, calls * pairs), calls * keyLength),
  });
}

const maskBytesOf = ({queryLength, keyLength}: Problem): number => 4 * queryLength * ceilDiv(keyLength, 32);

/** Refused before it is allocated: no binding could hold it. */
function refuseMask(bytes: number, {maxBindingBytes}: Device): never {
  return refuse(
    'mask bits of the dense kernel',
    `${bytes} bytes`,
    `at most ${maxBindingBytes}, a binding of this device`,
    'Split the queries over several calls, or simplify the pattern until it has a tiling.',
  );
}

const IMPLEMENTATIONS = ['auto', 'fused', 'dense'] as const;

/** A dense plan whose mask bits arrive with the call. nnz is unknown: it counts every pair. */
export function planMaskTensor(
  problem: Problem,
  device: Device,
  {formats = TENSORS, matrices = true, tile}: PlanOptions = {},
): Plan {
  const kernel = kernelOf(null, problem, device, formats, matrices, tile);
  if (isWide(problem)) return planWide(null, problem, device, 'dense', kernel);
  return finish(
    draftMask(problem, kernel.tile),
    {implementation: 'dense', reason: 'the mask is a tensor'},
    kernel,
    problem,
    device,
    null,
  );
}

export function draftMask(problem: Problem, tile: TileShape): Draft {
  const draft = new Draft(tile);
  addDense(draft, problem, null, tile.rows, REGULAR, EVERY_LINE);
  return draft;
}

function finish(
  draft: Draft,
  {implementation, reason}: Pick<Report, 'implementation' | 'reason'>,
  kernel: Kernel,
  problem: Problem,
  device: Device,
  lines: Lines | null,
): Plan {
  const {tile} = kernel;
  const onGrid = gridLines(lines === null ? REGULAR : lineKinds(lines), problem);
  const tiling = freezeTiling(
    draft.passes.length === 0 ? EMPTY : draft.pack({parts: (weights, shape) => partsOf(weights, onGrid, device, shape)}),
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

const tileCount = ({queryLength, keyLength}: Problem, tile: TileShape): number =>
  ceilDiv(queryLength, tile.rows) * ceilDiv(keyLength, tile.keys);

const ratio = (slow: number, fast: number): string => `${(slow / fast).toPrecision(slow / fast < 10 ? 2 : 3)}×`;
