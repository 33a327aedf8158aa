import {largestMatrix, type Device, type MatrixConfig} from '../plan/index.js';
import {ceilDiv, gcd} from '../support/index.js';
import {densityOf} from './block_mask.js';
import type {ProductProblem} from './problem.js';

/**
 * What one workgroup computes: `rows` × `columns` of the output, by `threadsX` × `threadsY` invocations of which each keeps
 * rows / threadsY × columns / threadsX sums in registers.
 */
export interface ProductTile {
  readonly rows: number;
  readonly columns: number;
  readonly threadsX: number;
  readonly threadsY: number;
  /** Of what is summed over, so many numbers a step; divides the blocks. */
  readonly step: number;
  /** Fours of a step that are written out. */
  readonly unroll: number;
  /** Both operands through workgroup memory; without, each is read where it lies, and there are no barriers. */
  readonly staged: boolean;
  /** The next step is on its way to registers while one is computed. */
  readonly ahead: boolean;
  /** What tensor cores multiply at a time; null: invocations multiply. Then `threadsX` are the lanes of a subgroup, each of which owns rows / threadsY rows. */
  readonly matrix: MatrixConfig | null;
  /** 10⁹ floating-point operations a millisecond (TFLOPS) on an H200 that is full. */
  readonly rate: number;
}

/**
 * Tile shapes by name: those of a lab on an NVIDIA H200 through Dawn (2026-11-29), float32, each with the time that put it there, in
 * milliseconds. A tile is a block or a part of one: larger ones that skip lose at every size (32-blocks 1.3 to 1.75 times).
 */
export const PRODUCT_TILES = {
  /** 64-blocks of both, 4096³, 25 × 25 %: .248; A from where it lies .252; 64×64 by 128 .266. All ones 4096³ 3.83, cut in three at 1024³ .068. */
  square64: tile(64, 64, 8, 8, 16, 4, {ahead: false, rate: 34.5}),
  /** No blocks, in one wave or two: all ones 2048³ .509; 64×64 by 64 .592, by 128 .53; at 4096³ no different. */
  tall128: tile(128, 64, 8, 16, 16, 4, {ahead: false, rate: 34.5}),
  /** 64-blocks where items are too few to fill the GPU with 64 invocations each: 4096²×512, A 10 % .0638 against .0865. For short lists, too, whose every step would be waited for. */
  few64: tile(64, 64, 8, 16, 32, 4, {rate: 30}),
  /** 32-blocks of both, 1024³, 25 × 25 %: .0104; A from where it lies .0164; not ahead .0124. All ones 512³ .0153. */
  square32: tile(32, 32, 8, 8, 32, 4, {rate: 26}),
  /** 16-blocks of both, 2048³, 25 × 25 %: .0743; by 16 invocations .0859. */
  square16: tile(16, 16, 4, 8, 16, 4, {rate: 14.6}),
  /** 8-blocks of both: not measured. */
  square8: tile(8, 8, 2, 8, 8, 2, {rate: 8}),
  /** 32-blocks of A, B dense, 4096²×512, 10 %: .0646; A from where it lies .0782; ahead .0694. */
  wide32: tile(32, 128, 16, 8, 32, 4, {ahead: false, rate: 27}),
  /** 16-blocks of A: .0756; A from where it lies .0915; steps of 16 joined .107. */
  wide16: tile(16, 128, 16, 4, 16, 4, {rate: 22.4}),
  /** 8-blocks of A: .0833 with nothing staged; with B staged .172. */
  wide8: tile(8, 64, 16, 2, 8, 2, {staged: false, rate: 20.7}),
  /** 32-blocks of B, A dense, 512×4096², 10 %: .0659; 128×32 .0677. */
  tall32: tile(64, 32, 8, 8, 32, 4, {rate: 26.6}),
  /** 16-blocks of B: .079; A from where it lies .0995. */
  tall16: tile(128, 16, 4, 16, 16, 4, {rate: 21.4}),
  /** 8-blocks of B: .144; A from where it lies .200. */
  tall8: tile(64, 8, 2, 16, 8, 2, {rate: 12}),
} as const satisfies Record<string, ProductTile>;

/** Rates of squares that have no row above lie between those that have: sides and TFLOPS. */
const RATES: readonly (readonly [side: number, rate: number])[] = [[4, 4], [8, 8], [16, 14.6], [32, 26], [64, 34.5]]; // prettier-ignore

function tile(
  rows: number,
  columns: number,
  threadsX: number,
  threadsY: number,
  step: number,
  unroll: number,
  {staged = true, ahead = staged, rate}: {readonly staged?: boolean; readonly ahead?: boolean; readonly rate: number},
): ProductTile {
  return Object.freeze({rows, columns, threadsX, threadsY, step, unroll, staged, ahead, matrix: null, rate});
}

/** The longest side of a tile whose sums stay in registers. */
const MOST_SIDE = 64;

/** Blocks of more than 64 are cut into parts that divide them. */
export function partOf(block: number): number {
  for (let parts = 1; ; parts++) if (block % (4 * parts) === 0 && block / parts <= MOST_SIDE) return block / parts;
}

export const invocationsOf = ({threadsX, threadsY}: ProductTile): number => threadsX * threadsY;

/** Bytes of workgroup memory. */
export function tileBytes(tile: ProductTile): number {
  const {rows, columns, step, staged} = tile;
  if (tile.matrix === null) return staged ? 4 * step * (rows + columns) : 0;
  const {left, right} = matrixUnits(tile, tile.matrix);
  return 16 * (tile.threadsY * left + right);
}

/**
 * On tensor cores: units of 16 bytes of A for each subgroup, and of B, of rows with one unit more than halves fill: without it all rows of a fragment lie in the same banks.
 * The larger of both ways to lie; a fragment of the output has to fit, too.
 */
export function matrixUnits(
  {rows, columns, step, threadsY}: ProductTile,
  {M, N}: MatrixConfig,
): {readonly left: number; readonly right: number} {
  const own = rows / threadsY;
  const units = (side: number): number => Math.max(side * (step / 8 + 1), step * (side / 8 + 1));
  return {left: Math.max(units(own), M * (N / 4 + 1)), right: units(columns)};
}

const BY_SIZE = {
  both: {64: 'square64', 32: 'square32', 16: 'square16', 8: 'square8'},
  rows: {32: 'wide32', 16: 'wide16', 8: 'wide8'},
  columns: {32: 'tall32', 16: 'tall16', 8: 'tall8'},
} as const satisfies Record<string, Partial<Record<number, keyof typeof PRODUCT_TILES>>>;

/** Which sides of tiles blocks decide; along the others a tile may cover what it likes. */
export function boundSides({maskA, maskB, maskC}: ProductProblem): Readonly<Record<'m' | 'k' | 'n', boolean>> {
  const [a, b, c] = [maskA, maskB, maskC].map((mask) => mask !== null) as [boolean, boolean, boolean];
  return {m: a || c, k: a || b, n: b || c};
}

/** Items below which the 64 × 64 tile takes twice the invocations, and below which dense products take 32 × 32; up to which these have twice the rows. */
const FEW = 1000;
const FEWEST = 132;
const TWO_WAVES = 2112;
/** Numbers of a list, on average, below which the 64 × 64 tile takes twice the invocations. */
const SHORT = 192;

/** Lanes of a subgroup that tensor cores ask for. */
const LANES = 32;

/**
 * Tiles of tensor cores by their sides, of float32 operands that are packed to halves on their way (lab, H200, 2026-11-29): 64-blocks of both, 4096³,
 * 25 × 25 % .104 ms, of halves .078; by four subgroups .088 to .094; 16 numbers a step .087, 64 .090. 32-blocks .146 of halves. No blocks, 128 × 64, .763 of halves.
 */
const MATRIX_TILES = [
  {rows: 128, columns: 64, subgroups: 4, rate: 130},
  {rows: 64, columns: 64, subgroups: 2, rate: 85},
  {rows: 64, columns: 32, subgroups: 2, rate: 60},
  {rows: 32, columns: 64, subgroups: 2, rate: 60},
  {rows: 32, columns: 32, subgroups: 2, rate: 48},
] as const;
const MATRIX_STEPS = [32, 16] as const;

/** The tile for tensor cores, where the problem asks for them, the device has them, and blocks are of 32, 64 or multiples of 64; null elsewhere. */
function chooseMatrixTile(problem: ProductProblem, device: Device): ProductTile | null {
  const matrix = problem.precision === 'float16' ? largestMatrix(device, 'f16') : null;
  if (matrix === null) return null;
  const {m, n, block, matricesA} = problem;
  const bound = boundSides(problem);
  const step = MATRIX_STEPS.find((each) => !bound.k || block.k % each === 0);
  const fits = ({rows, columns}: (typeof MATRIX_TILES)[number]): boolean => {
    const isFree = !bound.m && !bound.n;
    if (rows === 128) return isFree && matricesA.length * ceilDiv(m, rows) * ceilDiv(n, columns) >= FEWEST;
    return rows === (bound.m ? partOf(block.m) : MOST_SIDE) && columns === (bound.n ? partOf(block.n) : MOST_SIDE);
  };
  const found = MATRIX_TILES.find(fits);
  if (found === undefined || step === undefined) return null;
  const {rows, columns, subgroups, rate} = found;
  const own = Object.freeze({...tile(rows, columns, LANES, subgroups, step, 1, {rate}), matrix});
  return tileBytes(own) <= device.maxWorkgroupBytes && invocationsOf(own) <= device.maxInvocations ? own : null;
}

/** The tile for a problem, in steps that divide its blocks and fit the device. */
export function chooseProductTile(problem: ProductProblem, device: Device): ProductTile {
  const onMatrices = chooseMatrixTile(problem, device);
  if (onMatrices !== null) return onMatrices;
  const chosen = choose(problem);
  const {k} = boundSides(problem);
  const most = (step: number): boolean =>
    (!k || problem.block.k % step === 0) && tileBytes({...chosen, step}) <= device.maxWorkgroupBytes;
  let {step} = chosen;
  while (step > 4 && !most(step)) step -= 4;
  // What is read where it lies must lie as it is read; a CPU that plays GPU compiles for seconds what is written out.
  const staged = chosen.staged || problem.transposeB || (problem.transposeA && !ownsFours(chosen));
  const unroll = device.software ? 1 : gcd(chosen.unroll, step / 4);
  const ahead = chosen.ahead || (staged && !chosen.staged) || (chosen === PRODUCT_TILES.square64 && gainsAhead(problem));
  return Object.freeze({...chosen, step, unroll, staged, ahead});
}

/** 64-blocks whose loads take longer, or whose lists are long: A transposed .230 → .201 ms, B .249 → .227, an output mask of 10 % .575 → .463 (4096³, H200, 2026-11-30). */
const gainsAhead = ({transposeA, transposeB, maskC}: ProductProblem): boolean => transposeA || transposeB || maskC !== null;

function choose(problem: ProductProblem): ProductTile {
  const {m, n, block} = problem;
  const bound = boundSides(problem);
  const [rows, columns] = [bound.m ? partOf(block.m) : 0, bound.n ? partOf(block.n) : 0];
  const items = (r: number, c: number): number => problem.matricesA.length * ceilDiv(m, r) * ceilDiv(n, c);
  if (bound.m && bound.n) {
    if (rows === MOST_SIDE && columns === MOST_SIDE && meanOfLists(problem) < SHORT) return PRODUCT_TILES.few64;
    return rows === columns ? (named('both', rows) ?? ownTile(rows, columns)) : ownTile(rows, columns);
  }
  if (bound.m) return oneSided('rows', rows, n, (size) => ownTile(rows, size), items(rows, MOST_SIDE));
  if (bound.n) return oneSided('columns', columns, m, (size) => ownTile(size, columns), items(MOST_SIDE, columns));
  const [short, narrow] = [coverOf(m, MOST_SIDE), coverOf(n, MOST_SIDE)];
  if (short < 32 || narrow < 32) return ownTile(short, narrow);
  if (items(64, 64) < FEWEST) return PRODUCT_TILES.square32;
  return items(64, 64) >= FEW && items(64, 64) < TWO_WAVES ? PRODUCT_TILES.tall128 : PRODUCT_TILES.square64;
}

/** About so many numbers are summed over where masks know nothing of one another. */
export const meanOfLists = ({k, maskA, maskB}: ProductProblem): number => k * densityOf(maskA) * densityOf(maskB);

/** An invocation keeps rows in fours, so that it can read the left operand where that lies transposed. */
export const ownsFours = ({rows, threadsY}: ProductTile): boolean => (rows / threadsY) % 4 === 0;

/** Blocks bind one side, of `size`; the other is as long as the table says, or as the matrix is. */
function oneSided(
  side: 'rows' | 'columns',
  size: number,
  length: number,
  own: (free: number) => ProductTile,
  items: number,
): ProductTile {
  const found = named(side, size);
  const free = found === undefined ? MOST_SIDE : side === 'rows' ? found.columns : found.rows;
  const cover = coverOf(length, free);
  if (cover < free) return own(cover);
  if (found !== undefined) return found;
  return size === MOST_SIDE ? (items < FEW ? PRODUCT_TILES.few64 : PRODUCT_TILES.square64) : own(free);
}

/** A power of two from 8 on that covers `length`, or `most`. */
function coverOf(length: number, most: number): number {
  let size = 8;
  while (size < length && size < most) size *= 2;
  return size;
}

function named(kind: keyof typeof BY_SIZE, size: number): ProductTile | undefined {
  const names: Readonly<Partial<Record<number, keyof typeof PRODUCT_TILES>>> = BY_SIZE[kind];
  const name = names[size];
  return name === undefined ? undefined : PRODUCT_TILES[name];
}

/** Sums of an invocation, and the fewest and most invocations, of tiles that are in no table. */
const SUMS = 16;
const [LEAST_INVOCATIONS, MOST_INVOCATIONS] = [32, 128];

/** A tile of other sides: about 16 sums an invocation, in rows and fours of columns that divide it. */
function ownTile(rows: number, columns: number): ProductTile {
  const wanted = Math.min(MOST_INVOCATIONS, Math.max(LEAST_INVOCATIONS, (rows * columns) / SUMS));
  let [threadsX, threadsY] = [columns / 4, rows];
  for (const fours of [1, 2])
    for (const own of [1, 2, 4, 8]) {
      if ((columns / 4) % fours !== 0 || rows % own !== 0) continue;
      const [x, y] = [columns / 4 / fours, rows / own];
      const far = (count: number): number => Math.abs(Math.log2(count / wanted));
      if (far(x * y) < far(threadsX * threadsY)) [threadsX, threadsY] = [x, y];
    }
  return tile(rows, columns, threadsX, threadsY, 32, 4, {rate: rateOf((2 * rows * columns) / (rows + columns))});
}

/** TFLOPS of a square of that side. */
function rateOf(side: number): number {
  const above = RATES.findIndex(([known]) => known >= side);
  if (above <= 0) return RATES.at(above)![1];
  const [[from, low], [to, high]] = [RATES[above - 1]!, RATES[above]!];
  return low + ((high - low) * (side - from)) / (to - from);
}
