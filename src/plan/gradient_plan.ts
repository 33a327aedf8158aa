import type {Acsr} from '../acsr/index.js';
import {ceilDiv} from '../support/index.js';
import {MAX_VALUE_DIM, situationOf, tile, TILES} from './configurations.js';
import {makePlan, planMaskTensor} from './make_plan.js';
import type {Plan, Storage, TileShape} from './plan.js';
import type {Device, Problem} from './problem.js';
import {transpose, type KeySchedule} from './transpose.js';

/** The same pairs as a forward plan, twice: as row tiles for the gradients of queries, as key tiles for those of keys and values. */
export interface GradientPlan {
  /** Its schedule holds the key tiles behind the row tiles. */
  readonly rows: Plan;
  /** Offsets are those in the schedule of `rows`. */
  readonly keys: Omit<KeySchedule, 'schedule'>;
  /** What the forward pass read. Both plans store float32; gradients are those of what was read. */
  readonly storage: Storage;
}

/** Plans the backward pass of a forward plan: with the same implementation, and the tiles that suit four products. */
export function makeGradientPlan(forward: Plan, acsr: Acsr | null): GradientPlan {
  const {problem, device, implementation, storage} = forward;
  const shape = gradientTile(acsr, problem, device);
  const planOn = (on: Device): Plan =>
    acsr === null ? planMaskTensor(problem, on, 'float32', shape) : makePlan(acsr, problem, on, implementation, {tile: shape});
  const rows = planOn(device);
  // A software device cuts no rows.
  const whole = rows.slots === 0 ? rows : planOn({...device, software: true});
  const {schedule, offsets, passes, slots} = transpose(whole, device);
  const base = rows.schedule.length / 2;
  const joined = new Int32Array(rows.schedule.length + schedule.length);
  joined.set(rows.schedule);
  joined.set(schedule, rows.schedule.length);
  const moved = Object.fromEntries(Object.entries(offsets).map(([name, at]) => [name, at + base])) as typeof offsets;
  return Object.freeze({rows: Object.freeze({...rows, schedule: joined}), keys: {passes, slots, offsets: moved}, storage});
}

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

/** Where the parts of the scratch buffer of a backward pass lie, in vec4<f32>. */
export interface GradientScratch {
  /** A vec4 for each row: (maximum in log2, 1 / sum, output · dOutput − dLogSumExp). It comes first. */
  readonly rowStats: number;
  /** vec4 of a partial row of queries, and of a partial row of keys: key columns, then value columns. */
  readonly rowRecord: number;
  readonly keyRecord: number;
  readonly total: number;
}

export function gradientScratch({rows: {problem, slots, tile}, keys}: GradientPlan): GradientScratch {
  const lines = problem.batch * problem.heads;
  const rowStats = lines * problem.queryLength;
  const rowRecord = ceilDiv(problem.headDim, 4);
  const keyRecord = rowRecord + ceilDiv(problem.valueDim, 4);
  const records = Math.max(slots * tile.rows * rowRecord, keys.slots * tile.keys * keyRecord);
  return {rowStats, rowRecord, keyRecord, total: rowStats + lines * records};
}
