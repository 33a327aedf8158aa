import type {Acsr} from '../acsr/index.js';
import {ceilDiv} from '../support/index.js';
import {MAX_VALUE_DIM, situationOf, tile, TILES} from './configurations.js';
import {pack} from './format.js';
import {makePlan, planMaskTensor} from './make_plan.js';
import type {Plan, Storage, TileShape} from './plan.js';
import type {Device, Problem} from './problem.js';
import {transpose, type KeySchedule} from './transpose.js';

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
  readonly rows: Plan;
  /** Offsets are those in the schedule of `rows`. */
  readonly keys: Omit<KeySchedule, 'schedule'>;
  readonly results: KeyResults;
  /** What the forward pass read. Both plans store float32; gradients are those of what was read. */
  readonly storage: Storage;
}

/** Plans the backward pass of a forward plan: with the same implementation, and the tiles that suit four products. */
export function makeGradientPlan(forward: Plan, acsr: Acsr | null, results: KeyResults): GradientPlan {
  const {problem, device, implementation, storage} = forward;
  const shape = gradientTile(acsr, problem, device);
  const planOn = (on: Device): Plan =>
    acsr === null ? planMaskTensor(problem, on, 'float32', shape) : makePlan(acsr, problem, on, implementation, {tile: shape});
  const parted = planOn(device);
  // A software device cuts no rows.
  const whole = parted.slots === 0 ? parted : planOn({...device, software: true});
  const room = scratchRoom(device) - problem.queryLength;
  const {row, key} = recordColumns(problem, results);
  const rows = parted.slots * shape.rows * row <= room ? parted : whole;
  const mostSlots = Math.max(1, Math.floor(room / (shape.keys * key)));
  if (results === 'nothing') return Object.freeze({rows: Object.freeze(rows), keys: NO_KEYS, results, storage});
  const {schedule, ...keys} = transpose(whole, device, {direct: results === 'gradients', mostSlots}, rows);
  return Object.freeze({rows: Object.freeze({...rows, schedule}), keys: Object.freeze(keys), results, storage});
}

const NO_KEYS: GradientPlan['keys'] = Object.freeze({
  passes: [],
  offsets: pack({}).offsets,
  slots: 0,
  weights: new Int32Array(0),
});

/**
 * As `wide`, with more memory: 128 features are staged in fewer steps. Backward of causal n = 4096 with 128 features 4.30 ms against 4.72 of
 * `wide`, 5.75 of `narrow`, 6.60 of `deep`; with 64 features 31.7 against 30.7 at n = 16384.
 */
const WIDE_GRADIENT = tile(64, 64, 8, 16, {scores: 1, values: 2}, 24576);

/**
 * The shape of a backward pass, whose tiles are as wide as high. Keys and values keep two products and two sums in registers: past 128
 * features that takes fewer rows an invocation.
 */
function gradientTile(acsr: Acsr | null, problem: Problem, device: Device): TileShape {
  const features = Math.max(problem.headDim, problem.valueDim);
  if (device.software) return features > MAX_VALUE_DIM.other ? TILES.softwareDeep : TILES.software;
  if (features > MAX_VALUE_DIM.other) return TILES.deep;
  // Backward of dilated n = 16384 .882 ms against .920, window n = 4096 .673 against .624 (H200, 2026-11-20).
  if (['short', 'strided'].includes(situationOf(acsr, problem))) return TILES.narrow;
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
  const {problem, device, slots, tile} = rows;
  const {row, key} = recordColumns(problem, results);
  const ofLine = problem.queryLength + Math.max(slots * tile.rows * row, keys.slots * tile.keys * key);
  const most = Math.max(1, Math.floor(scratchRoom(device) / ofLine));
  const {batch, heads} = problem;
  // A bias may gather gradients of all lines, so those are never shared out.
  const everything = {firstBatch: 0, batches: batch, firstHead: 0, heads};
  const shares = results === 'nothing' ? [everything] : sharesOf(problem, most);
  return {shares, total: ofLine * shares.reduce((lines, share) => Math.max(lines, share.batches * share.heads), 0)};
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
function sharesOf({batch, heads, keyHeads}: Problem, most: number): LineShare[] {
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
