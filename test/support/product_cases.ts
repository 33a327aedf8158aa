// Specs of products of blocks that every backend has to pass. Importers need the gradients of tf ops: '@tensorflow/tfjs'.
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {blockSparseMatMul, type BlockSizes, type BlockSparseOptions} from '../../src/index.js';
import {expectWithin, mulberry32} from '../oracle.js';

/** A random product. Densities of masks; null is no mask. */
export interface RandomProduct {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly block: BlockSizes;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Axes in front, and of which operand they are all 1 instead. */
  readonly lead: readonly number[];
  readonly shares: 'none' | 'a' | 'b' | 'bWithoutAxes';
  readonly maskA: number | null;
  readonly maskB: number | null;
  readonly maskC: number | null;
  /** Every matrix has a mask of its own. */
  readonly maskEach: boolean;
  readonly seed: number;
}

interface Matrices {
  readonly shape: readonly number[];
  readonly values: Float32Array;
  /** Of blocks as they lie in memory, of one matrix or of each. */
  readonly mask: Uint8Array | null;
  readonly sides: readonly [rows: number, columns: number];
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Whether a number of an operand counts. `at` is its place. */
export function isKept({shape, mask, sides}: Pick<Matrices, 'shape' | 'mask' | 'sides'>, at: number): boolean {
  if (mask === null) return true;
  const [rows, columns] = shape.slice(-2) as [number, number];
  const [down, across] = [Math.ceil(rows / sides[0]), Math.ceil(columns / sides[1])];
  const matrix = mask.length === down * across ? 0 : Math.floor(at / (rows * columns));
  const [row, column] = [Math.floor(at / columns) % rows, at % columns];
  return mask[(matrix * down + Math.floor(row / sides[0])) * across + Math.floor(column / sides[1])] === 1;
}

function matrices(
  lead: readonly number[],
  rows: number,
  columns: number,
  sides: readonly [number, number],
  density: number | null,
  each: boolean,
  random: () => number,
): Matrices {
  const shape = [...lead, rows, columns];
  const blocks = Math.ceil(rows / sides[0]) * Math.ceil(columns / sides[1]);
  const mask =
    density === null ? null : Uint8Array.from({length: (each ? sizeOf(lead) : 1) * blocks}, () => (random() < density ? 1 : 0));
  const values = Float32Array.from({length: sizeOf(shape)}, () => 2 * random() - 1);
  return {shape, values, mask, sides};
}

/** Masked numbers hold NaN and infinities. */
function poisoned(given: Matrices): Float32Array {
  const odd = [NaN, Infinity, -Infinity];
  return given.values.map((value, at) => (isKept(given, at) ? value : odd[at % 3]!));
}

/** For each product of the batch, the matrix of an operand with these axes in front. */
function matrixOf(product: number, lead: readonly number[], own: readonly number[]): number {
  let [rest, stride, found] = [product, 1, 0];
  for (let axis = lead.length - 1; axis >= 0; axis--) {
    const size = own[axis - lead.length + own.length] ?? 1;
    found += (size === 1 ? 0 : rest % lead[axis]!) * stride;
    rest = Math.floor(rest / lead[axis]!);
    stride *= size;
  }
  return found;
}

export interface DrawnProduct {
  readonly a: Matrices;
  readonly b: Matrices;
  readonly c: Matrices;
  readonly options: BlockSparseOptions;
}

export function drawProduct(given: RandomProduct): DrawnProduct {
  const {m, k, n, block, transposeA, transposeB, lead, shares, maskA, maskB, maskC, maskEach, seed} = given;
  const random = mulberry32(seed);
  const ones = lead.map(() => 1);
  const leadA = shares === 'a' ? ones : lead;
  const leadB = shares === 'b' ? ones : shares === 'bWithoutAxes' ? [] : lead;
  const swap = <T>(pair: readonly [T, T], turned: boolean): readonly [T, T] => (turned ? [pair[1], pair[0]] : pair);
  const [sidesA, sidesB] = [swap([block.m, block.k], transposeA), swap([block.k, block.n], transposeB)];
  const a = matrices(leadA, ...swap([m, k], transposeA), sidesA, maskA, maskEach, random);
  const b = matrices(leadB, ...swap([k, n], transposeB), sidesB, maskB, maskEach, random);
  const c = matrices(lead, m, n, [block.m, block.n], maskC, maskEach, random);
  const options = {
    blockSize: block.m === block.k && block.k === block.n ? block.m : block,
    ...{maskA: a.mask, maskB: b.mask, maskC: c.mask, transposeA, transposeB},
  };
  return {a, b, c, options};
}

interface ProductValues {
  readonly output: Float64Array;
  readonly dA: Float64Array;
  readonly dB: Float64Array;
}

/** The product and its gradients in float64, by loops over what masks leave. `dC` is the gradient of the output. */
export function productOracle(given: RandomProduct, {a, b, c}: DrawnProduct, dC: ArrayLike<number>): ProductValues {
  const {m, k, n, transposeA, transposeB, lead} = given;
  const values = {
    output: new Float64Array(sizeOf(c.shape)),
    dA: new Float64Array(a.values.length),
    dB: new Float64Array(b.values.length),
  };
  for (let product = 0; product < sizeOf(lead); product++) {
    const [firstA, firstB] = [a, b].map(({shape}) => matrixOf(product, lead, shape.slice(0, -2)) * sizeOf(shape.slice(-2))) as [
      number,
      number,
    ];
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        const at = (product * m + i) * n + j;
        if (!isKept(c, at)) continue;
        for (let l = 0; l < k; l++) {
          const atA = firstA + (transposeA ? l * m + i : i * k + l);
          const atB = firstB + (transposeB ? j * k + l : l * n + j);
          if (!isKept(a, atA) || !isKept(b, atB)) continue;
          values.output[at]! += a.values[atA]! * b.values[atB]!;
          values.dA[atA]! += dC[at]! * b.values[atB]!;
          values.dB[atB]! += dC[at]! * a.values[atA]!;
        }
      }
  }
  return values;
}

/** What a pool hands out next holds NaN wherever nobody writes. */
export function poisonPool(shapes: readonly (readonly number[])[]): void {
  const tensors = shapes.flatMap((shape) => [0, 1].map(() => tf.mul(tf.fill([...shape], 1), NaN)));
  tf.dispose(tensors);
}

/** Compares a product, and its gradients where they are asked for, with the oracle. `limit` is relative to the root of the length of sums. */
export async function expectProduct(given: RandomProduct, limit: number, gradients = true): Promise<void> {
  const drawn = drawProduct(given);
  const {a, b, c, options} = drawn;
  const {k, m, n, lead, seed} = given;
  const start = tf.memory().numTensors;
  tf.engine().startScope();
  const random = mulberry32(seed + 1);
  const dC = c.values.map(() => 2 * random() - 1);
  const right = productOracle(given, drawn, dC);
  const [left, other] = [a, b].map((each) => tf.tensor(poisoned(each), [...each.shape])) as [tf.Tensor, tf.Tensor];
  poisonPool([c.shape]);
  const what = JSON.stringify(given);
  const output = blockSparseMatMul(left, other, options);
  expect(output.shape)
    .withContext(what)
    .toEqual([...c.shape]);
  const found = await output.data();
  expectWithin(found, right.output, limit * Math.sqrt(k), `output of ${what}`);
  if (gradients) {
    const dOutput = tf.tensor(poisoned({...c, values: dC}), [...c.shape]);
    poisonPool([a.shape, b.shape]);
    const [dA, dB] = tf.grads((x: tf.Tensor, y: tf.Tensor) => blockSparseMatMul(x, y, options))([left, other], dOutput) as [
      tf.Tensor,
      tf.Tensor,
    ];
    const products = sizeOf(lead);
    for (const [name, operand, tensor, expected, sums] of [
      ['a', a, dA, right.dA, n * products],
      ['b', b, dB, right.dB, m * products],
    ] as const) {
      expect(tensor.shape)
        .withContext(what)
        .toEqual([...operand.shape]);
      const values = await tensor.data();
      expectWithin(values, expected, limit * Math.sqrt(sums), `gradient of ${name} of ${what}`);
      values.forEach((value, at) => {
        if (!isKept(operand, at) && value !== 0) fail(`gradient of ${name} of ${what} has ${value} at ${at}, which is masked`);
      });
    }
  }
  tf.engine().endScope();
  expect(tf.memory().numTensors).withContext(what).toBe(start);
}

export const BLOCKS: readonly BlockSizes[] = [
  ...[8, 12, 16, 32, 64, 128].map((side) => ({m: side, k: side, n: side})),
  {m: 16, k: 8, n: 32},
  {m: 64, k: 20, n: 12},
];

const density = fc.constantFrom(null, null, 0, 0.05, 0.5, 0.5, 1);

/** Products of any kind, of up to `most` along each side. */
export const anyProduct = (
  most: number,
  block: fc.Arbitrary<BlockSizes> = fc.constantFrom(...BLOCKS),
): fc.Arbitrary<RandomProduct> =>
  fc.record({
    m: fc.integer({min: 1, max: most}),
    k: fc.integer({min: 1, max: most}),
    n: fc.integer({min: 1, max: most}),
    block,
    transposeA: fc.boolean(),
    transposeB: fc.boolean(),
    lead: fc.constantFrom<readonly number[]>([], [], [2], [3], [2, 2], [1]),
    shares: fc.constantFrom('none', 'none', 'a', 'b', 'bWithoutAxes'),
    maskA: density,
    maskB: density,
    maskC: density,
    maskEach: fc.boolean(),
    seed: fc.nat(1000),
  });

const PLAIN_PRODUCT: RandomProduct = {
  ...{m: 40, k: 50, n: 60, block: {m: 16, k: 16, n: 16}, transposeA: false, transposeB: false, lead: [], shares: 'none'},
  ...{maskA: 0.5, maskB: 0.5, maskC: null, maskEach: false, seed: 1},
};

/** Inside `describe`, with the backend to test active in each spec. Sides up to `most`; `runs` of random products. */
export function specifyProducts(most: number, runs: number): void {
  const scoped = (body: () => Promise<void>) => async (): Promise<void> => {
    const start = tf.memory().numTensors;
    tf.engine().startScope();
    await body();
    tf.engine().endScope();
    expect(tf.memory().numTensors).toBe(start);
  };

  it('are those of the oracle, with their gradients', () =>
    fc.assert(
      fc.asyncProperty(anyProduct(most), (given) => expectProduct(given, 4e-6)),
      {numRuns: runs},
    ));

  it(
    'take masks in all forms alike',
    scoped(async () => {
      const {a, b, options} = drawProduct({...PLAIN_PRODUCT, maskB: null});
      const [left, right] = [a, b].map(({shape, values}) => tf.tensor(values, [...shape])) as [tf.Tensor, tf.Tensor];
      const flat = [...a.mask!];
      const rows = [0, 1, 2].map((row) => flat.slice(4 * row, 4 * row + 4));
      const columns = rows.map((row) => row.flatMap((entry, column) => (entry === 1 ? [column] : [])));
      const offsets = [0, 0, 0, 0].map((_, i) => columns.slice(0, i).flat().length);
      const csr = {rows: 3, offsets: Int32Array.from(offsets), columns: Int32Array.from(columns.flat())};
      const expected = await blockSparseMatMul(left, right, options).data();
      for (const maskA of [
        flat,
        rows,
        flat.map((entry) => entry === 1),
        [rows],
        csr,
        [csr],
        tf.tensor2d(rows, undefined, 'bool'),
      ]) {
        const found = await blockSparseMatMul(left, right, {...options, maskA}).data();
        expectWithin(found, expected, 0);
      }
    }),
  );

  it(
    'have second derivatives',
    scoped(async () => {
      // f(a) = Σ (da)² with da = w·bᵀ under A's mask: the derivative by b is that of a sum of squares.
      const drawn = drawProduct({...PLAIN_PRODUCT, m: 8, k: 20, n: 8, block: {m: 8, k: 8, n: 8}});
      const {a, b, options} = drawn;
      const [left, right] = [a, b].map(({shape, values}) => tf.tensor(values, [...shape])) as [tf.Tensor, tf.Tensor];
      const penalty = (y: tf.Tensor): tf.Scalar => {
        const inner = (x: tf.Tensor): tf.Tensor => tf.sum(tf.square(blockSparseMatMul(x, y, options)));
        return tf.sum(tf.square(tf.grad(inner)(left)));
      };
      const maskOf = (of: typeof a): tf.Tensor =>
        tf.tensor(
          of.values.map((_, at) => (isKept(of, at) ? 1 : 0)),
          [...of.shape],
        );
      const [maskA, maskB] = [maskOf(a), maskOf(b)];
      const dense = (y: tf.Tensor): tf.Scalar => {
        const kept = tf.mul(maskB, y);
        const product = tf.matMul(tf.mul(maskA, left), kept);
        return tf.sum(tf.square(tf.mul(maskA, tf.mul(2, tf.matMul(product, kept, false, true)))));
      };
      const [found, expected] = [tf.grad(penalty)(right), tf.grad(dense)(right)];
      const size = (await tf.max(tf.abs(expected)).data())[0]!;
      expectWithin(await found.data(), await expected.data(), 1e-5 * size);
    }),
  );

  it(
    'without numbers to sum over are zeros, and without any have none',
    scoped(async () => {
      const zeros = blockSparseMatMul(tf.ones([3, 0]), tf.ones([0, 5]), {blockSize: 8, maskA: []});
      expectWithin(await zeros.data(), new Float32Array(15), 0);
      for (const [a, b, shape] of [
        [
          [0, 4],
          [4, 5],
          [0, 5],
        ],
        [
          [2, 4],
          [4, 0],
          [2, 0],
        ],
        [
          [0, 3, 4],
          [1, 4, 5],
          [0, 3, 5],
        ],
      ] as const)
        expect(blockSparseMatMul(tf.ones([...a]), tf.ones([...b]), {blockSize: 8}).shape).toEqual([...shape]);
    }),
  );

  it(
    'repeat bit for bit',
    scoped(async () => {
      const {a, b, options} = drawProduct({...PLAIN_PRODUCT, k: 600, block: {m: 16, k: 32, n: 16}});
      const [left, right] = [a, b].map(({shape, values}) => tf.tensor(values, [...shape])) as [tf.Tensor, tf.Tensor];
      const [first, second] = [blockSparseMatMul(left, right, options), blockSparseMatMul(left, right, options)];
      expectWithin(await first.data(), await second.data(), 0);
    }),
  );
}
