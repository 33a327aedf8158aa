import type {Acsr, Lines} from '../acsr/index.js';
import {atOnce, ceilDiv, type Sliced} from '../support/index.js';
import {MAX_VALUE_DIM, situationOf, tile, TILES} from './configurations.js';
import {pack} from './format.js';
import {TENSORS, type Formats} from './formats.js';
import {gridLines, largestOf, lineKinds, asLines} from './lines.js';
import {choicesOf} from './choose_tiling.js';
import {draftRows} from './draft_rows.js';
import {draftMask, freezeTiling} from './make_plan.js';
import {partsOf, WHOLE, type Parts} from './parts.js';
import {REGULAR, type Plan, type TileShape, type Tiling, type Work} from './plan.js';
import type {Device, Problem} from './problem.js';
import {ownShapes} from './row_wise.js';
import {transpose} from './transpose.js';

/** What the key tiles of a backward pass leave. */
export type KeyResults =
  /** Gradients of keys and values, each tile its own; tiles of several parts leave records, which are summed. */
  | 'gradients'
  /** Records alone, of all tiles. */
  | 'records'
  /** Gradients of scores, summed over rows: a record of one number for each key. */
  | 'scores'
  /** There are no key tiles. */
  | 'nothing';

/** The same pairs as a forward plan, twice: as row tiles for the gradients of queries, as key tiles for those of keys and values. */
export interface GradientPlan {
  /** Its schedule holds the key tiles behind the row tiles. */
  readonly rows: Work;
  /** Offsets are those in the schedule of `rows`; passes are in waves, which use the same slots one after another. */
  readonly keys: KeyTiling;
  readonly results: KeyResults;
  /** What the forward pass read. Both plans read tensors; gradients are those of what was read. */
  readonly formats: Formats;
}

export type KeyTiling = Omit<Tiling, 'schedule'>;

/** Plans the backward pass of a forward plan: with the same implementation, and the tiles that suit four products. */
export const makeGradientPlan = (forward: Plan, given: Acsr | Lines | null, results: KeyResults): GradientPlan =>
  atOnce(gradientPlanning(forward, given, results));

/** The same, in slices. */
export function* gradientPlanning(forward: Plan, given: Acsr | Lines | null, results: KeyResults): Sliced<GradientPlan> {
  const {problem, device, implementation, formats} = forward;
  const lines = given === null ? null : asLines(given);
  const tile = gradientTile(lines, problem, device);
  // Heads of different patterns choose anew.
  const asked = lines !== null && lines.rows.length > 1 && implementation === 'fused' ? 'auto' : implementation;
  const beside = besidesOf(results, tile, problem, device);
  const draft = lines === null ? draftMask(problem, tile) : (yield* draftRows(lines, problem, device, asked, tile, beside)).draft;
  const kinds = lines === null ? REGULAR : lineKinds(lines);
  const onGrid = gridLines({...REGULAR, ...kinds}, problem);
  const group = problem.heads / problem.keyHeads;
  // Heads that share a head of keys add to its gradients; where each has tiles of its own, one head after another.
  const turnOf =
    kinds.heads === 'item' && results === 'records' ? (line: number): number => (line % problem.heads) % group : () => 0;
  const choices = choicesOf([tile, ...beside], problem, device, onGrid);
  const keyDraft = results === 'nothing' ? null : yield* transpose(draft, problem, tile, turnOf, choices, onGrid);
  const parts = (weights: readonly number[], shape: TileShape): Parts => partsOf(weights, onGrid, device, shape);

  const work = {problem, device, tile, formats: TENSORS, matrix: null};
  const named = kinds.heads === 'item' ? problem.heads : 1;
  const room = scratchRoom(device) - named * problem.queryLength;
  const {row, key} = recordColumns(problem, results);
  const parted = yield* draft.pack({parts});
  const tiling = freezeTiling(slotRows(parted) * row <= room ? parted : yield* draft.pack({parts: WHOLE}));
  if (keyDraft === null) return Object.freeze({rows: Object.freeze({...work, ...tiling}), keys: NO_KEYS, results, formats});
  const mostSlots = (shape: TileShape): number => Math.max(1, Math.floor(room / (shape.rows * key)));
  const cutting = {parts, direct: results === 'gradients', mostSlots};
  const {schedule, ...keys} = freezeTiling(yield* keyDraft.pack(cutting, tiling));
  return Object.freeze({rows: Object.freeze({...work, ...tiling, schedule}), keys: Object.freeze(keys), results, formats});
}

/** Shapes of what has no arithmetic. Gradients of scores have one. */
function besidesOf(results: KeyResults, tile: TileShape, {queryLength, keyLength}: Problem, device: Device): readonly TileShape[] {
  if (results === 'scores' || results === 'nothing') return [];
  const own = ownShapes(device, Math.max(queryLength, keyLength));
  return tile === TILES.wide || tile === WIDE_GRADIENT ? [TILES.narrow, ...own] : own;
}

/** The most rows of partial results of a line on the grid. */
const slotRows = ({passes}: Pick<Tiling, 'passes'>): number => Math.max(0, ...passes.map(({slots, tile}) => slots * tile.rows));

const NO_KEYS: KeyTiling = Object.freeze({passes: [], offsets: pack({}).offsets, slots: 0, weights: new Int32Array(0)});

/**
 * As `wide`, with more memory: 128 features are staged in fewer steps. Backward of causal n = 4096 with 128 features 4.30 ms against 4.72 of
 * `wide`, 5.75 of `narrow`, 6.60 of `deep`; with 64 features 31.7 against 30.7 at n = 16384.
 */
const WIDE_GRADIENT = tile(64, 64, 8, 16, {scores: 1, values: 2}, 24576);

/**
 * The shape of a backward pass, whose tiles are as wide as high. Keys and values keep two products and two sums in registers: past 128
 * features that takes fewer rows an invocation.
 */
function gradientTile(lines: Lines | null, problem: Problem, device: Device): TileShape {
  const features = Math.max(problem.headDim, problem.valueDim);
  if (device.software) return features > MAX_VALUE_DIM.other ? TILES.softwareDeep : TILES.software;
  if (features > MAX_VALUE_DIM.other) return TILES.deep;
  // Backward of dilated n = 16384 .882 ms against .920, window n = 4096 .673 against .624 (H200, 2026-11-20).
  if (['short', 'strided'].includes(situationOf(lines && largestOf(lines), problem))) return TILES.narrow;
  return features > 64 && device.maxWorkgroupBytes >= WIDE_GRADIENT.workgroupBytes ? WIDE_GRADIENT : TILES.wide;
}

/** Some heads of some sequences: what one run of the kernels of a backward pass covers. */
export interface LineShare {
  readonly firstBatch: number;
  readonly batches: number;
  readonly firstHead: number;
  readonly heads: number;
}

/**
 * The scratch buffer of a backward pass, which its shares use one after another: a vec4 for each row, (maximum in log2, 1 / sum,
 * output · dOutput − dLogSumExp), then the records of parts.
 */
export interface GradientScratch {
  readonly shares: readonly LineShare[];
  /** vec4 of the largest share. */
  readonly total: number;
}

export function gradientScratch({rows, keys, results}: GradientPlan): GradientScratch {
  const {problem, device} = rows;
  const {row, key} = recordColumns(problem, results);
  const records = Math.max(slotRows(rows) * row, slotRows(keys) * key);
  const {batch, heads, queryLength} = problem;
  const {kinds = REGULAR} = rows.passes[0] ?? {};
  const everything = {firstBatch: 0, batches: batch, firstHead: 0, heads};
  // A bias may gather gradients of all lines, so those are never shared out; items that name their lines run in every share.
  if (results === 'nothing' || kinds.batch === 'item')
    return {shares: [everything], total: batch * heads * queryLength + gridLines(kinds, problem) * records};
  const ofGrid = kinds.heads === 'item' ? heads * queryLength + records : queryLength + records;
  const most = Math.max(1, Math.floor(scratchRoom(device) / ofGrid));
  const shares = kinds.heads === 'item' ? sharesOf({batch, heads, keyHeads: heads}, most * heads) : sharesOf(problem, most);
  const lines = (share: LineShare): number => share.batches * (kinds.heads === 'item' ? 1 : share.heads);
  return {shares, total: ofGrid * shares.reduce((largest, share) => Math.max(largest, lines(share)), 0)};
}

/** More scratch than this gains nothing: it holds records of 8,192 tiles of 64 keys with 64 features, twenty times what runs at once. */
const MOST_SCRATCH = 2 ** 28;

/** vec4 of scratch that a device binds. */
const scratchRoom = ({maxBindingBytes}: Device): number => Math.floor(Math.min(maxBindingBytes, MOST_SCRATCH) / 16);

/** vec4 of a partial row of queries, and of a partial row of keys: key columns, then value columns. */
function recordColumns({headDim, valueDim}: Problem, results: KeyResults): {row: number; key: number} {
  if (results === 'scores' || results === 'nothing') return {row: 0, key: 1};
  const row = ceilDiv(headDim, 4);
  return {row, key: row + ceilDiv(valueDim, 4)};
}

/** Equal shares of at most `most` lines: whole sequences, else whole groups of heads, else heads of one group. */
function sharesOf({batch, heads, keyHeads}: Pick<Problem, 'batch' | 'heads' | 'keyHeads'>, most: number): LineShare[] {
  const group = heads / keyHeads;
  const some = (from: number, to: number, limit: number): {first: number; count: number}[] => {
    const size = ceilDiv(to - from, ceilDiv(to - from, limit));
    return Array.from({length: ceilDiv(to - from, size)}, (_, i) => ({
      first: from + i * size,
      count: Math.min(size, to - from - i * size),
    }));
  };
  if (most >= heads)
    return some(0, batch, Math.floor(most / heads)).map(({first, count}) => ({
      firstBatch: first,
      batches: count,
      firstHead: 0,
      heads,
    }));
  const parts =
    most >= group
      ? some(0, keyHeads, Math.floor(most / group)).map(({first, count}) => ({first: first * group, count: count * group}))
      : Array.from({length: keyHeads}, (_, g) => some(g * group, (g + 1) * group, most)).flat();
  return Array.from({length: batch}, (_, firstBatch) =>
    parts.map(({first, count}) => ({firstBatch, batches: 1, firstHead: first, heads: count})),
  ).flat();
}
