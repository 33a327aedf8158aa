import type {Acsr} from '../acsr/index.js';
import type {Storage, TileShape} from './plan.js';
import type {Device, Problem} from './problem.js';

/**
 * The tile shapes by name. Measured on an NVIDIA H200 through Dawn on 2026-11-20, headDim 64, 8 heads: useful TFLOPS of causal
 * n = 16384 unless said otherwise. docs/benchmarks.md and docs/decisions.md have the runs.
 */
export const TILES = {
  /** 36.5. Eight rows an invocation instead of four halve the traffic of keys; 24 KB leave room for two workgroups where 16 KB take three. */
  long: tile(128, 64, 8, 16, {scores: 2, values: 4}, 24576),
  /** 33.9, within what every device has. */
  wide: tile(64, 64, 8, 16, {scores: 1, values: 2}, 16384),
  /** 26.2, but less work lost at the ends of short rows: dilated n = 4096 .066 ms against .075 of `wide`. */
  narrow: tile(32, 32, 8, 8, {scores: 4, values: 4}, 16384),
  /** As `narrow`, with two rows an invocation instead of four: 256 value features would take 128 registers of output in the others. */
  deep: tile(32, 32, 8, 16, {scores: 2, values: 2}, 16384),
  /** 26.2 (the lab's number): queries in workgroup memory, for GPUs whose caches do not serve them. Nobody has measured one of those. */
  staged: tile(32, 64, 8, 8, {scores: 4, values: 4}, 16384, 'workgroup'),
  /** 36.8 with float16 storage; the loops of `long` written out as there: 35.1. */
  longHalves: tile(128, 64, 8, 16, {scores: 1, values: 1}, 24576),
  /** 34.5; window ±256 n = 16384 .605 ms against .617 with four steps written out. */
  wideHalves: tile(64, 64, 8, 16, {scores: 2, values: 2}, 16384),
  /** Half the bytes suit small tiles: dilated n = 16384 .196 ms against .218 of `wideHalves`, strided .310 against .343. */
  narrowHalves: tile(32, 32, 8, 8, {scores: 2, values: 2}, 16384),
  /** As `narrow`, loops written out once: a CPU that plays GPU spends seconds compiling, and minutes on a 4×8 register tile. */
  software: tile(32, 32, 8, 8, {scores: 1, values: 1}, 16384),
  softwareDeep: tile(32, 32, 8, 16, {scores: 1, values: 1}, 16384),
} as const satisfies Record<string, TileShape>;

export type TileName = keyof typeof TILES;

function tile(
  rows: number,
  keys: number,
  threadsX: number,
  threadsY: number,
  unroll: TileShape['unroll'],
  workgroupBytes: number,
  queries: TileShape['queries'] = 'storage',
): TileShape {
  return Object.freeze({rows, keys, threadsX, threadsY, unroll: Object.freeze(unroll), workgroupBytes, queries});
}

/** What a pattern asks of a tile. `strided`: its tiles own residue classes of rows, each a narrow band. */
export type Situation = 'long' | 'medium' | 'strided' | 'short';

/** The shapes to choose from, best first; the others are what `tune` tries. Devices nobody measured take the shapes that fit every one. */
const CHOICES: Record<Storage, Record<Situation, readonly TileName[]>> = {
  float32: {
    long: ['long', 'wide', 'staged'],
    medium: ['wide', 'staged', 'narrow'],
    strided: ['wide', 'staged', 'narrow'],
    short: ['narrow', 'staged', 'wide'],
  },
  float16: {
    long: ['longHalves', 'wideHalves'],
    medium: ['wideHalves', 'narrowHalves'],
    strided: ['narrowHalves', 'wideHalves'],
    short: ['narrowHalves', 'wideHalves'],
  },
};

/** The widest value for which an invocation's share of the output (rows/threadsY · valueDim/threadsX floats) stays in registers. */
const MAX_VALUE_DIM = {long: 64, other: 128};

export function chooseTile(acsr: Acsr | null, problem: Problem, device: Device, storage: Storage): TileShape {
  return TILES[candidates(acsr, problem, device, storage)[0]!];
}

/** The shapes that suit a problem on a device, the one to take first. */
export function candidates(acsr: Acsr | null, problem: Problem, device: Device, storage: Storage): readonly TileName[] {
  const deep = problem.valueDim > MAX_VALUE_DIM.other;
  if (device.software) return [deep ? 'softwareDeep' : 'software'];
  if (deep) return ['deep'];
  return CHOICES[storage][situationOf(acsr, problem)].filter(
    (name) =>
      TILES[name].workgroupBytes <= device.maxWorkgroupBytes &&
      (TILES[name].rows < TILES.long.rows || problem.valueDim <= MAX_VALUE_DIM.long),
  );
}

/** A rule, not a search. Bounds were compared at headDim 64 only. */
export function situationOf(acsr: Acsr | null, {queryLength, keyLength}: Problem): Situation {
  const keysPerRow = acsr === null ? keyLength : acsr.nnz / Math.max(1, queryLength);
  const stride = acsr === null ? 1 : largestStride(acsr);
  if (queryLength / stride < TILES.wide.rows) return 'short';
  if (acsr !== null && keysPerRow <= 2 * TILES.wide.keys && queryLength <= 4096) return 'short';
  if (stride > 1) return 'strided';
  return keysPerRow >= LONG_ROW && queryLength >= LONG_ROW ? 'long' : 'medium';
}

/** Keys of an average row from which `long` wins: full n = 4096 and causal n = 8192 have 4,096, causal n = 4096 (where `wide` wins) half. */
const LONG_ROW = 4000;

function largestStride({stride, count}: Acsr): number {
  let largest = 1;
  for (let run = 0; run < stride.length; run++) if (count[run]! > 1 && stride[run]! > largest) largest = stride[run]!;
  return largest;
}
