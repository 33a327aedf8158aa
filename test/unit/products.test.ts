import {readFileSync} from 'node:fs';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import {blockMaskOf, blockSparseMatMul, planBlockSparse, SplatError, type BlockSparseOptions} from '../../src/index.js';
import {CORE_DEVICE} from '../../src/plan/index.js';
import {expectWithin, mulberry32} from '../oracle.js';
import {drawProduct, isKept, productOracle, specifyProducts, type RandomProduct} from '../support/product_cases.js';

for (const backend of ['cpu', 'wasm'])
  describe(`products of blocks on the ${backend} backend:`, () => {
    beforeAll(() => tf.setBackend(backend));
    specifyProducts(60, 25);
  });

const SMALL: RandomProduct = {
  ...{m: 10, k: 13, n: 17, block: {m: 8, k: 8, n: 8}, transposeA: true, transposeB: false},
  ...{lead: [2], shares: 'b', maskA: 0.6, maskB: 0.6, maskC: 0.6, maskEach: true, seed: 3},
};

describe('the oracle of products of blocks', () => {
  it('differentiates as finite differences do', () => {
    const drawn = drawProduct(SMALL);
    const random = mulberry32(9);
    const dC = drawn.c.values.map(() => 2 * random() - 1);
    const {dA, dB} = productOracle(SMALL, drawn, dC);
    const loss = (role: 'a' | 'b', at: number, by: number): number => {
      const values = Float64Array.from(drawn[role].values);
      values[at]! += by;
      const {output} = productOracle(SMALL, {...drawn, [role]: {...drawn[role], values}}, dC);
      return output.reduce((sum, value, i) => sum + value * dC[i]!, 0);
    };
    for (const [role, found] of [
      ['a', dA],
      ['b', dB],
    ] as const)
      for (let at = 0; at < found.length; at += 7)
        expect(found[at])
          .withContext(`${role} ${at}`)
          .toBeCloseTo((loss(role, at, 0.5) - loss(role, at, -0.5)) as number, 9);
  });

  it('agrees with tf.matMul of masked operands and its own gradients', async () => {
    await tf.setBackend('cpu');
    // tf.matMul has no gradients of matrices that a batch shares.
    const given = {...SMALL, shares: 'none'} as const;
    const drawn = drawProduct(given);
    const {a, b, c} = drawn;
    const tensorOf = ({shape, values}: typeof a, keep: (at: number) => number): tf.Tensor =>
      tf.tensor(
        values.map((value, at) => value * keep(at)),
        [...shape],
      );
    const ones = (of: typeof a): tf.Tensor =>
      tf.tensor(
        of.values.map((_, at) => (isKept(of, at) ? 1 : 0)),
        [...of.shape],
      );
    const [maskA, maskB, maskC] = [a, b, c].map(ones) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const dC = c.values.map((value) => value * 0.5);
    const right = productOracle(given, drawn, dC);
    const dense = (x: tf.Tensor, y: tf.Tensor): tf.Tensor =>
      tf.mul(maskC, tf.matMul(tf.mul(maskA, x), tf.mul(maskB, y), SMALL.transposeA, SMALL.transposeB));
    const [x, y] = [a, b].map((each) => tensorOf(each, () => 1)) as [tf.Tensor, tf.Tensor];
    expectWithin(await dense(x, y).data(), right.output, 1e-5);
    const [dA, dB] = tf.grads(dense)([x, y], tf.tensor(dC, [...c.shape])) as [tf.Tensor, tf.Tensor];
    expectWithin(await dA.data(), right.dA, 1e-5);
    expectWithin(await dB.data(), right.dB, 1e-5);
  });
});

const EIGHT = {blockSize: 8} as const;
const x = (): tf.Tensor => tf.ones([16, 24]); // 2 × 3 blocks
const y = (): tf.Tensor => tf.ones([24, 8]); // 3 × 1

describe('products of blocks refuse', () => {
  beforeAll(() => tf.setBackend('cpu'));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const given = (options: object | (() => object)) => (): unknown =>
    blockSparseMatMul(x(), y(), (typeof options === 'function' ? options() : options) as BlockSparseOptions);
  const cases: [string, () => unknown, RegExp][] = [
    [
      'a mask of another size',
      given({...EIGHT, maskA: [1, 0, 1]}),
      /^option maskA: found 3 entries, expected 6 \(2 × 3 blocks\)\. .*check blockSize/,
    ],
    [
      'a mask for another number of matrices',
      () => blockSparseMatMul(tf.ones([2, 16, 24]), y(), {...EIGHT, maskA: new Uint8Array(18)}),
      /^option maskA: found 18 entries, expected 6 \(2 × 3 blocks\), or 12, so many for each of 2 matrices/,
    ],
    [
      'a nested mask as if transposed',
      given({
        ...EIGHT,
        maskA: [
          [1, 0],
          [1, 0],
          [1, 1],
        ],
      }),
      /^option maskA: found rows of 2 entries, 3 of them, expected 2 rows of 3 blocks\. .*check blockSize/,
    ],
    ['a hole in a mask', given({...EIGHT, maskC: [1, undefined]}), /^option maskC: found undefined at entry 1, expected 0 or 1/],
    ['blocks without end', given({blockSize: Infinity}), /^option blockSize: found Infinity/],
    ['a block without k', given({blockSize: {m: 8, n: 8}}), /^blockSize\.k: found undefined/],
    [
      'a mask as if transposed',
      given(() => ({...EIGHT, maskB: tf.ones([1, 3], 'bool')})),
      /^option maskB: found shape \[1, 3\], expected \[3, 1\] blocks/,
    ],
    [
      'values other than 0 and 1',
      given({...EIGHT, maskA: [1, 0, 2, 0, 0, 0]}),
      /^option maskA: found 2 at entry 2, expected 0 or 1, or a boolean/,
    ],
    ['NaN in a mask', given({...EIGHT, maskC: [NaN, 0]}), /^option maskC: found NaN at entry 0/],
    [
      'rows of different lengths',
      given({
        ...EIGHT,
        maskA: [
          [1, 0, 1],
          [1, 0],
        ],
      }),
      /^option maskA: found rows of different lengths/,
    ],
    [
      'a mask tensor of numbers',
      given(() => ({...EIGHT, maskA: tf.ones([2, 3])})),
      /^option maskA: found dtype float32, expected dtype bool\. .*tf\.greater/,
    ],
    ['a text as a mask', given({...EIGHT, maskA: '101'}), /^option maskA: found the text '101', expected an array of 0 and 1/],
    ['a promise as a mask', given({...EIGHT, maskA: Promise.resolve([])}), /^option maskA: found a promise/],
    [
      'compressed rows of another number',
      given({...EIGHT, maskA: {rows: 3, offsets: [0, 1, 1, 1], columns: [0]}}),
      /^option maskA\.rows: found 3, expected 2/,
    ],
    [
      'offsets that are too few',
      given({...EIGHT, maskA: {rows: 2, offsets: [0, 1], columns: [0]}}),
      /^option maskA\.offsets: found 2 entries, expected 3/,
    ],
    [
      'offsets that fall',
      given({...EIGHT, maskA: {rows: 2, offsets: [0, 2, 1], columns: [0]}}),
      /^option maskA\.offsets: found 2 before 1/,
    ],
    [
      'offsets that end early',
      given({...EIGHT, maskA: {rows: 2, offsets: [0, 0, 1], columns: [0, 1]}}),
      /^option maskA\.offsets: found from 0 to 1, expected from 0 to 2/,
    ],
    [
      'a column that is none',
      given({...EIGHT, maskA: {rows: 2, offsets: [0, 0, 1], columns: [3]}}),
      /^option maskA\.columns: found 3, expected a whole number from 0 to 2\. .*row 1/,
    ],
    ['no block size', given({}), /^option blockSize: found undefined, expected a multiple of 4 from 8 to 128/],
    ['blocks of 4', given({blockSize: 4}), /^option blockSize: found 4/],
    ['blocks of 132', given({blockSize: 132}), /^option blockSize: found 132/],
    ['blocks of 10', given({blockSize: {m: 8, k: 10, n: 8}}), /^blockSize\.k: found 10/],
    ['a text as a block size', given({blockSize: '8'}), /^option blockSize: found the text '8', expected a number or \{m, k, n\}/],
    ['a number as a flag', given({...EIGHT, transposeA: 1}), /^option transposeA: found 1, expected true or false/],
    [
      'sums of different lengths',
      given({...EIGHT, transposeB: true}),
      /^a and b: found 24 and 8 numbers to sum over .*Check transposeA and transposeB/,
    ],
    ['a vector', () => blockSparseMatMul(tf.ones([24]), y(), EIGHT), /^a: found shape \[24\], expected a matrix.*\[1, 24\]/],
    [
      'batches that do not broadcast',
      () => blockSparseMatMul(tf.ones([2, 8, 8]), tf.ones([3, 8, 8]), EIGHT),
      /^a and b: found a \[2, 8, 8\], b \[3, 8, 8\].*Axis 0 of the batch is 2 and 3/,
    ],
    [
      'whole numbers',
      () => blockSparseMatMul(tf.ones([8, 8], 'int32'), tf.ones([8, 8]), EIGHT),
      /^a: found dtype int32, expected dtype float32/,
    ],
    ['a name of others', given({block_size: 8}), /^option block_size: found an unknown option.*Did you mean 'blockSize'/],
    [
      'a precision that is none',
      given({...EIGHT, precision: 'half'}),
      /^option precision: found the text 'half', expected one of float32, float16/,
    ],
    [
      'halves without WebGPU',
      given({...EIGHT, precision: 'float16'}),
      /^precision 'float16': found the backend 'cpu', expected a WebGPU backend/,
    ],
    ['a disposed mask', () => {
      const mask = tf.ones([2, 3], 'bool');
      mask.dispose();
      return blockSparseMatMul(x(), y(), {...EIGHT, maskA: mask});
    }, /^option maskA: found a disposed tensor/], // prettier-ignore
    [
      'shapes that are none',
      () => planBlockSparse([8.5, 8], [8, 8], EIGHT),
      /^a: found an array, expected a shape such as \[512, 4096\]/,
    ],
    ['a device that is none', () => planBlockSparse([8, 8], [8, 8], {...EIGHT, device: {} as never}), /^device\.maxWorkgroupBytes/],
  ];
  for (const [title, call, message] of cases)
    it(title, () => {
      expect(() => call()).toThrowError(SplatError, message);
    });
});

describe('a mask that is a tensor', () => {
  it('is read once, whatever takes it', async () => {
    await tf.setBackend('cpu');
    const mask = tf.tensor2d(
      [
        [1, 0, 1],
        [0, 0, 1],
      ],
      undefined,
      'bool',
    );
    const read = spyOn(tf.backend(), 'readSync').and.callThrough();
    const again = tf.clone(mask);
    tf.dispose([blockSparseMatMul(x(), y(), {...EIGHT, maskA: mask}), blockSparseMatMul(x(), y(), {...EIGHT, maskA: again})]);
    expect(read.calls.allArgs().filter(([id]) => id === mask.dataId).length).toBe(1);
    tf.dispose([mask, again]);
  });
});

describe('the examples of the docstrings', () => {
  for (const name of ['block_sparse', 'plan_block_sparse', 'block_mask_of'])
    it(`of ${name}.ts run, and give what they say`, async () => {
      await tf.setBackend('cpu');
      spyOn(console, 'log');
      tf.engine().startScope();
      const source = readFileSync(`src/runtime/products/${name}.ts`, 'utf8');
      const code = /```js\n([\s\S]*?) \* ```/.exec(source)![1]!.replace(/^ \* ?/gm, '');
      const said = /^(?:const \w+ = )?(.+); \/\/ (\[\d+, \d+\]|'\w+'|\d+).*$/gm;
      expect(code).toMatch(said);
      const asked = code.replace(said, (line, value: string, expected: string) =>
        expected.startsWith('[')
          ? `${line.replace(/ \/\/.*/, '')} same(output.shape, ${expected});`
          : `same(${value}, ${expected});`,
      );
      const same = (found: unknown, expected: unknown) => expect(found).withContext(code).toEqual(expected);
      const names = {tf, same, blockMaskOf, blockSparseMatMul, planBlockSparse};
      await (new Function(...Object.keys(names), `return (async () => {${asked}\n})()`)(...Object.values(names)) as Promise<void>);
      tf.engine().endScope();
    });
});

describe('blockMaskOf', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it('finds what is further from zero than the threshold, in ragged blocks of each matrix', async () => {
    const values = new Float32Array(2 * 10 * 9);
    values[0] = -0.5; // matrix 0, block (0, 0)
    values[9 * 9 + 8] = 0.25; // (1, 1)
    values[90 + 8] = NaN; // matrix 1, (0, 1)
    const weights = tf.tensor3d(values, [2, 10, 9]);
    expect([...(await blockMaskOf(weights, 8))]).toEqual([1, 0, 0, 1, 0, 1, 0, 0]);
    expect([...(await blockMaskOf(weights, 8, 0.25))]).toEqual([1, 0, 0, 0, 0, 1, 0, 0]);
    expect([...(await blockMaskOf(weights, [8, 12]))]).toEqual([1, 1, 1, 0]);
    expect((await blockMaskOf(tf.zeros([0, 8]), 8)).length).toBe(0);
    weights.dispose();
  });

  it('refuses what is no matrix, block or threshold', async () => {
    const weights = tf.ones([8, 8]);
    await expectAsync(blockMaskOf(tf.ones([8]), 8)).toBeRejectedWithError(SplatError, /^tensor: found rank 1/);
    await expectAsync(blockMaskOf(tf.ones([8, 8], 'bool'), 8)).toBeRejectedWithError(SplatError, /^tensor: found dtype bool/);
    await expectAsync(blockMaskOf([[1]] as never, 8)).toBeRejectedWithError(SplatError, /^tensor: found an array/);
    await expectAsync(blockMaskOf(weights, 7)).toBeRejectedWithError(SplatError, /^blockSize: found 7/);
    await expectAsync(blockMaskOf(weights, [8, 7])).toBeRejectedWithError(SplatError, /^blockSize\[1\]: found 7/);
    await expectAsync(blockMaskOf(weights, 8, -1)).toBeRejectedWithError(SplatError, /^threshold: found -1/);
    weights.dispose();
  });
});

describe('planBlockSparse', () => {
  const mask = (count: number, every: number): Uint8Array => Uint8Array.from({length: count}, (_, i) => (i % every === 0 ? 1 : 0));

  it('counts what is computed, and takes what is predicted to be faster', () => {
    const half = planBlockSparse([1024, 2048], {shape: [2048, 1024]}, {blockSize: 64, maskA: mask(512, 2)});
    expect([half.usefulFlops, half.computedFlops, half.denseFlops]).toEqual([2 ** 31, 2 ** 31, 2 ** 32]);
    expect([half.choice, half.tile.rows, half.tiles]).toEqual(['blocks', 64, 256]);
    expect(half.items).toBeGreaterThan(half.tiles);
    expect(half.toString()).toContain('A 50.0 % of 16 × 32 blocks; B whole; output whole');
    const tiny = planBlockSparse([4096, 4096], [4096, 4096], {blockSize: 8, maskA: mask(2 ** 18, 1), maskB: mask(2 ** 18, 9)});
    expect(tiny.choice).toBe('blocks');
    // Strips of four rows.
    const odd = planBlockSparse([4096, 4096], [4096, 4096], {
      blockSize: 68,
      maskA: mask(61 * 61, 2),
      maskB: mask(61 * 61, 2),
      maskC: mask(61 * 61, 1),
    });
    expect(odd.choice).toBe('dense');
    expect(odd.toString()).toMatch(
      /^product {2}dense: tf\.matMul of masked operands, predicted [\d.]+× faster than block by block/,
    );
  });

  it('leaves to tf.matMul what has longer lists than a device binds', () => {
    const device = {...CORE_DEVICE, maxBindingBytes: 4096};
    const choices = [8, 32].map(
      (blockSize) => planBlockSparse([256, 256], [256, 256], {blockSize, device, maskA: mask((256 / blockSize) ** 2, 2)}).choice,
    );
    expect(choices).toEqual(['dense', 'blocks']);
  });

  it('takes a mask that leaves nothing out as none', () => {
    const texts = [undefined, mask(256, 1)].map((maskA) =>
      String(planBlockSparse([1024, 1024], [1024, 1024], {blockSize: 64, maskA})),
    );
    expect(texts[0]).toBe(texts[1]!);
  });
});
