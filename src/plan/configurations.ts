import type {Acsr} from '../acsr/index.js';
import {ceilDiv, hash} from '../support/index.js';
import {commonFormat, formatsText, type FormatName, type Formats} from './formats.js';
import type {TileShape} from './plan.js';
import type {Device, MatrixConfig, Problem} from './problem.js';
import type {Gpu} from './reference.js';

/**
 * The tile shapes by name. Measured on an NVIDIA H200 through Dawn on 2026-11-20, headDim 64, 8 heads: useful TFLOPS of causal
 * n = 16384 unless said otherwise. docs/benchmarks.md and docs/decisions.md have the runs.
 */
export const TILES = {
  /**
   * 36.1; loops 2/4 were the best (36.5) before the kernel knew grouped heads and layouts, with which they take 34.9. Eight rows an invocation instead of four halve the traffic of keys;
   * 24 KB leave room for two workgroups where 16 KB take three.
   */
  long: tile(128, 64, 8, 16, {scores: 1, values: 8}, 24576),
  /** 33.9, within what every device has. */
  wide: tile(64, 64, 8, 16, {scores: 1, values: 2}, 16384),
  /** 26.2, but less work lost at the ends of short rows: dilated n = 4096 .066 ms against .075 of `wide`. Loops 4/4: .065, 350 ms to compile. */
  narrow: tile(32, 32, 8, 8, {scores: 2, values: 4}, 16384),
  /** For lists of keys that few rows share: two more times as fast as `narrow` where these are half as many (lab: 15 ps a pair, `narrow` 10.8). */
  low: tile(16, 32, 8, 4, {scores: 1, values: 2}, 10240),
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
  /** Tensor cores: four subgroups of 32 rows, 16 keys at a time. Less workgroup memory beats more reuse: 32 keys 2.05, 16 keys 1.24 ms. */
  matrix: tile(128, 16, 32, 4, {scores: 1, values: 1}, 16384, 'fragments'),
  /**
   * The same without the branch around the scores of the next tile, which `scores: 2` stands for. More registers, so two workgroups instead
   * of three at a time: see `settle`.
   */
  matrixEager: tile(128, 16, 32, 4, {scores: 2, values: 1}, 16384, 'fragments'),
  /** Two subgroups, for short rows: dilated n = 16384 .089 ms against .092. */
  matrixNarrow: tile(64, 16, 32, 2, {scores: 1, values: 1}, 16384, 'fragments'),
  /**
   * For the few rows of a decoding step, 1 to 4 and 5 to 16: they wait for memory, and a workgroup of one or two subgroups that takes
   * little of the workgroup memory leaves room for many that wait at once.
   */
  decode4: tile(4, 32, 8, 4, {scores: 2, values: 4}, 9216),
  decode16: tile(16, 32, 8, 8, {scores: 2, values: 4}, 10240),
  /** As `narrow`, loops written out once: a CPU that plays GPU spends seconds compiling, and minutes on a 4×8 register tile. */
  software: tile(32, 32, 8, 8, {scores: 1, values: 1}, 16384),
  softwareDeep: tile(32, 32, 8, 16, {scores: 1, values: 1}, 16384),
} as const satisfies Record<string, TileShape>;

export type TileName = keyof typeof TILES;

export function tile(
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

/** Tile shapes of tensor cores, where the device has matrices that fit. */
const MATRIX_CHOICES: Record<Situation, readonly TileName[]> = {
  long: ['matrix', 'matrixNarrow'],
  medium: ['matrix', 'matrixNarrow'],
  strided: ['matrixNarrow', 'matrix'],
  short: ['matrixNarrow', 'matrix'],
};

/** Vendors on whose devices the choices below were measured. Others take shapes first that fit every device: `tune` may know better. */
const MEASURED: readonly string[] = ['nvidia'];
/** Workgroup memory that every device has. */
const SAFE_BYTES = 16384;

/** The shapes to choose from by the format of keys, best first as measured on an H200; the others are what `tune` tries. */
const CHOICES: Record<FormatName, Record<Situation, readonly TileName[]>> = {
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

/**
 * The tile shape once it is known how many work items there are: eager where whole rows run all at once with two workgroups to a
 * multiprocessor. Full n = 4096 .163 against .185 ms, causal n = 16384 1.39 against 1.25.
 */
export const settle = (tile: TileShape, items: number, slots: number, {multiprocessors}: Gpu): TileShape =>
  tile === TILES.matrix && slots === 0 && items <= 2 * multiprocessors ? TILES.matrixEager : tile;

/** Shapes of fewer rows in which a plan of tiles of a shape may have lists of keys. A CPU that plays GPU compiles one, and rows of many features suit one. */
export const lowerTiles = (tile: TileShape): readonly TileShape[] =>
  LOWER.includes(tile) ? [TILES.narrow, TILES.low].filter(({rows}) => rows < tile.rows) : [];

const LOWER: readonly TileShape[] = [TILES.long, TILES.wide, TILES.narrow, TILES.longHalves, TILES.wideHalves, TILES.narrowHalves];

/** The widest value for which an invocation's share of the output (rows/threadsY · valueDim/threadsX floats) stays in registers. */
export const MAX_VALUE_DIM = {long: 64, other: 128};

export function chooseTile(acsr: Acsr | null, problem: Problem, device: Device, formats: Formats, matrices = true): TileShape {
  return TILES[candidates(acsr, problem, device, formats, matrices)[0]!];
}

/** The shapes that suit a problem on a device, the one to take first. `matrices`: the tensor cores may be used. */
export function candidates(
  acsr: Acsr | null,
  problem: Problem,
  device: Device,
  formats: Formats,
  matrices = true,
): readonly TileName[] {
  const situation = situationOf(acsr, problem);
  const names = suitable(situation, problem, device, formats, matrices);
  const tuned = names.find((name) => name === device.tuned[kindOf(situation, problem, formats)]);
  return tuned === undefined ? names : [tuned, ...names.filter((name) => name !== tuned)];
}

/** Calls with the same key are taken to want the same tile shape. */
export const tuningKey = (acsr: Acsr | null, problem: Problem, formats: Formats): string =>
  kindOf(situationOf(acsr, problem), problem, formats);

const kindOf = (situation: Situation, {headDim, valueDim}: Problem, formats: Formats): string =>
  `${formatsText(formats)}, ${situation} rows, ${headDim} → ${valueDim} features`;

/** Of the tile shapes above: what was tuned among other shapes says nothing. */
export const TILES_VERSION = hash(JSON.stringify(TILES));

function suitable(
  situation: Situation,
  problem: Problem,
  device: Device,
  formats: Formats,
  matrices: boolean,
): readonly TileName[] {
  const deep = problem.valueDim > MAX_VALUE_DIM.other;
  if (device.software) return [deep ? 'softwareDeep' : 'software'];
  if (matrices && chooseMatrix(problem, device, formats) !== null) return MATRIX_CHOICES[situation];
  if (deep) return ['deep'];
  const names = CHOICES[formats.key][situation].filter(
    (name) =>
      TILES[name].workgroupBytes <= device.maxWorkgroupBytes &&
      (TILES[name].rows < TILES.long.rows || problem.valueDim <= MAX_VALUE_DIM.long),
  );
  if (MEASURED.includes(device.vendor)) return names;
  const isSafe = (name: TileName): boolean => TILES[name].workgroupBytes <= SAFE_BYTES;
  return [...names.filter(isSafe), ...names.filter((name) => !isSafe(name))];
}

/** Features above which fragments of queries and output leave no registers. */
const MAX_MATRIX_DIM = 128;
const LANES = 32;

/** What the matrices multiply, by the format of all operands. */
const COMPONENTS: Record<FormatName, 'f16' | 'f32'> = {float32: 'f32', float16: 'f16'};

/** The matrices to compute with: of the stored type, summed in float32, in fragments that tile 32 rows, 16 keys and 16 features. */
export function chooseMatrix({headDim, valueDim}: Problem, device: Device, formats: Formats): MatrixConfig | null {
  const format = commonFormat(formats);
  if (format === null) return null;
  if (Math.max(headDim, valueDim) > MAX_MATRIX_DIM || device.maxInvocations < TILES.matrix.rows) return null;
  const component = COMPONENTS[format];
  if (matrixBytes(headDim, valueDim, component) > device.maxWorkgroupBytes) return null;
  if (component === 'f32' && (headDim % 16 !== 0 || valueDim % 16 !== 0)) return null;
  return largestMatrix(device, component);
}

/** The largest matrices that subgroups of 32 lanes multiply and sum in float32, with sides of 8 or 16. */
export function largestMatrix({subgroups, matrices, float16}: Device, component: 'f16' | 'f32'): MatrixConfig | null {
  if (subgroups === null || subgroups.min !== LANES || subgroups.max !== LANES) return null;
  if (component === 'f16' && !float16) return null;
  const fits = ({componentType, resultComponentType, M, N, K}: MatrixConfig): boolean =>
    componentType === component && resultComponentType === 'f32' && [M, N, K].every((size) => size === 8 || size === 16);
  const size = ({M, N, K}: MatrixConfig): number => M * N * K;
  return matrices.filter(fits).sort((a, b) => size(b) - size(a))[0] ?? null;
}

/** Workgroup memory of the larger tile: 20 floats a row, and 16 padded rows of keys and of values. */
function matrixBytes(headDim: number, valueDim: number, component: 'f16' | 'f32'): number {
  const rowBytes = (features: number): number => ceilDiv(features, 16) * 16 * (component === 'f16' ? 2 : 4) + 16;
  return TILES.matrix.rows * 80 + TILES.matrix.keys * (rowBytes(headDim) + rowBytes(valueDim)) + 4;
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

function largestStride(acsr: Acsr): number {
  const {recurrence} = acsr;
  const {stride, count} = recurrence === undefined ? acsr : {stride: recurrence.stride, count: recurrence.most};
  const runs = stride.length;
  let largest = 1;
  for (let run = 0; run < runs; run++) if (count[run]! > 1 && stride[run]! > largest) largest = stride[run]!;
  return largest;
}
