import type {BlockSparseOptions} from '../src/index.js';
import {mulberry32} from '../test/oracle.js';

/** A row of bench:products. Densities of masks of blocks; without one there is no mask. */
export interface ProductCase {
  readonly name: string;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly block: number;
  readonly a?: number;
  readonly b?: number;
  readonly c?: number;
  readonly batch?: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** On tensor cores, where the device has them. */
  readonly precision?: 'float16';
}

const cube = (side: number): Pick<ProductCase, 'm' | 'k' | 'n'> => ({m: side, k: side, n: side});
/** A layer of pruned weights [4096, 4096], 512 tokens, which lie to the right of the weights, or to their left. */
const weightsLeft = {m: 4096, k: 4096, n: 512, a: 0.1};
const weightsRight = {m: 512, k: 4096, n: 4096, b: 0.1};

export const CASES: readonly ProductCase[] = [
  {name: '1024 25×25 %', ...cube(1024), block: 32, a: 0.25, b: 0.25},
  {name: '1024 50×50 %', ...cube(1024), block: 32, a: 0.5, b: 0.5},
  {name: '4096 25×25 % 64', ...cube(4096), block: 64, a: 0.25, b: 0.25},
  {name: '4096 25×25 % 32', ...cube(4096), block: 32, a: 0.25, b: 0.25},
  {name: '4096 50×50 % 32', ...cube(4096), block: 32, a: 0.5, b: 0.5},
  {name: '2048 25×25 % 16', ...cube(2048), block: 16, a: 0.25, b: 0.25},
  ...[64, 32, 16, 8].map((block) => ({name: `pruned left ${block}`, ...weightsLeft, block})),
  ...[64, 32, 16, 8].map((block) => ({name: `pruned right ${block}`, ...weightsRight, block})),
  ...[4096, 2048, 1024, 512, 256].map((side) => ({name: `ones ${side}`, ...cube(side), block: 64})),
  {name: 'transposed a', ...cube(4096), block: 64, a: 0.25, b: 0.25, transposeA: true},
  {name: 'transposed b', ...cube(4096), block: 64, a: 0.25, b: 0.25, transposeB: true},
  {name: 'output mask', ...cube(4096), block: 64, c: 0.1},
  {name: 'ragged', m: 4090, k: 4091, n: 4093, block: 64, a: 0.25, b: 0.25},
  {name: 'batch of 8', ...cube(1024), block: 64, a: 0.25, b: 0.25, batch: 8},
  {name: '16384 × 64, 10 % of 64', m: 16384, k: 16384, n: 64, block: 64, a: 0.1},
  {name: 'tensor cores 4096 25×25 % 64', ...cube(4096), block: 64, a: 0.25, b: 0.25, precision: 'float16'},
  {name: 'tensor cores 4096 25×25 % 32', ...cube(4096), block: 32, a: 0.25, b: 0.25, precision: 'float16'},
  {name: 'tensor cores pruned left 64', ...weightsLeft, block: 64, precision: 'float16'},
  {
    name: 'tensor cores transposed',
    ...cube(4096),
    block: 64,
    a: 0.25,
    b: 0.25,
    transposeA: true,
    transposeB: true,
    precision: 'float16',
  },
  {name: 'tensor cores ones 4096', ...cube(4096), block: 64, precision: 'float16'},
];

/** The case with no side longer than `most`. */
export const scaled = (given: ProductCase, most: number): ProductCase => ({
  ...given,
  ...{m: Math.min(most, given.m), k: Math.min(most, given.k), n: Math.min(most, given.n)},
});

interface Values {
  readonly shape: readonly number[];
  readonly values: Float32Array;
  readonly mask: Uint8Array | undefined;
}

export interface DrawnCase {
  readonly of: ProductCase;
  readonly a: Values;
  readonly b: Values;
  readonly c: Uint8Array | undefined;
  readonly options: BlockSparseOptions;
}

/** Random numbers and masks, the same each time. */
export function drawn(of: ProductCase): DrawnCase {
  const {m, k, n, block, batch = 1, transposeA = false, transposeB = false, precision} = of;
  const random = mulberry32(7);
  // Halves hold multiples of 2⁻¹⁰.
  const drawOne = (): number => (precision === undefined ? 2 * random() - 1 : Math.round(2048 * random()) / 1024 - 1);
  const maskOf = (rows: number, columns: number, density: number | undefined): Uint8Array | undefined =>
    density === undefined
      ? undefined
      : Uint8Array.from({length: Math.ceil(rows / block) * Math.ceil(columns / block)}, () => (random() < density ? 1 : 0));
  const values = (rows: number, columns: number, density: number | undefined): Values => {
    const shape = batch === 1 ? [rows, columns] : [batch, rows, columns];
    return {
      shape,
      values: Float32Array.from({length: batch * rows * columns}, drawOne),
      mask: maskOf(rows, columns, density),
    };
  };
  const a = transposeA ? values(k, m, of.a) : values(m, k, of.a);
  const b = transposeB ? values(n, k, of.b) : values(k, n, of.b);
  const c = maskOf(m, n, of.c);
  return {of, a, b, c, options: {blockSize: block, maskA: a.mask, maskB: b.mask, maskC: c, transposeA, transposeB, precision}};
}

const SAMPLES = 300;

/** A time of wrong numbers is worth nothing: 300 outputs are compared with sums in float64. */
export function expectSampled({of, a, b, c}: DrawnCase, output: ArrayLike<number>): void {
  const {name, m, k, n, block, batch = 1, transposeA = false, transposeB = false, precision} = of;
  const random = mulberry32(11);
  // Tensor cores sum in an order and a rounding of their own: 4.5e-4 off at 4,096 summands.
  const tolerance = (precision === undefined ? 4e-6 : 2e-5) * Math.sqrt(k);
  const isKept = (mask: Uint8Array | undefined, columns: number, row: number, column: number): boolean =>
    mask === undefined || mask[Math.floor(row / block) * Math.ceil(columns / block) + Math.floor(column / block)] === 1;
  for (let sample = 0; sample < SAMPLES; sample++) {
    const [product, i, j] = [batch, m, n].map((size) => Math.floor(random() * size)) as [number, number, number];
    let sum = 0;
    if (isKept(c, n, i, j))
      for (let l = 0; l < k; l++) {
        const [rowA, columnA, columnsA] = transposeA ? [l, i, m] : [i, l, k];
        const [rowB, columnB, columnsB] = transposeB ? [j, l, k] : [l, j, n];
        if (!isKept(a.mask, columnsA, rowA, columnA) || !isKept(b.mask, columnsB, rowB, columnB)) continue;
        sum += a.values[product * m * k + rowA * columnsA + columnA]! * b.values[product * k * n + rowB * columnsB + columnB]!;
      }
    const found = output[(product * m + i) * n + j]!;
    if (!(Math.abs(found - sum) <= tolerance)) throw new Error(`${name}: output [${i}, ${j}] is ${found}, should be ${sum}`);
  }
}
