import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {blockMaskOf, blockSparseMatMul, currentDevice, planBlockSparse, SplatError, type BlockSizes} from '../../src/index.js';
import {CORE_DEVICE} from '../../src/plan/index.js';
import {Host} from '../../src/runtime/host/backend.js';
import {expectWithin} from '../oracle.js';
import {expectLaunches} from '../support/product_launches.js';
import {expectProduct, specifyProducts, type RandomProduct} from '../support/product_cases.js';

const cube = (side: number): BlockSizes => ({m: side, k: side, n: side});

const PLAIN: RandomProduct = {
  ...{m: 64, k: 96, n: 128, block: cube(32), transposeA: false, transposeB: false, lead: [], shares: 'none'},
  ...{maskA: 0.5, maskB: null, maskC: null, maskEach: false, seed: 1},
};
const LIMIT = 4e-6;

async function kernelsOf(body: () => tf.Tensor | tf.Tensor[]): Promise<string[]> {
  const {kernels} = await tf.profile(() => tf.tidy(body));
  return kernels.map(({name}) => name);
}

describe('products of blocks on WebGPU:', () => {
  // A run compiles up to three pipelines.
  specifyProducts(200, 4);

  // Each row of the table of tiles, forward alone; fours, and numbers one by one.
  const tiles: [string, Partial<RandomProduct>][] = [
    ['64-blocks of both', {block: cube(64), m: 130, k: 200, n: 190, maskB: 0.5}],
    ['32-blocks of both', {block: cube(32), m: 97, n: 96, maskB: 0.5}],
    ['16-blocks of both', {block: cube(16), m: 100, k: 101, n: 50, maskB: 0.5}],
    ['8-blocks of both', {block: cube(8), m: 60, k: 62, n: 61, maskB: 0.5}],
    ['12-blocks of both', {block: cube(12), m: 50, k: 60, n: 61, maskB: 0.5}],
    ['128-blocks, in quarters', {block: cube(128), m: 200, k: 300, n: 200, maskB: 0.5}],
    ['64-blocks of a', {block: cube(64), m: 100, k: 200, n: 200}],
    ['32-blocks of a, of a batch with masks of their own', {n: 200, lead: [3], maskEach: true}],
    ['16-blocks of a', {block: cube(16), n: 130}],
    ['8-blocks of a, nothing staged', {block: cube(8), n: 66}],
    ['8-blocks of a that lies transposed', {block: cube(8), n: 66, transposeA: true}],
    ['32-blocks of b', {m: 100, maskA: null, maskB: 0.5}],
    ['16-blocks of b', {block: cube(16), m: 130, maskA: null, maskB: 0.5}],
    ['8-blocks of b', {block: cube(8), m: 66, maskA: null, maskB: 0.5}],
    ['one row', {m: 1, maskA: null, maskB: 0.5}],
    ['the output alone, in blocks of other sides', {block: {m: 16, k: 8, n: 32}, maskA: null, maskC: 0.5}],
    ['no mask', {m: 65, n: 70, maskA: null, transposeB: true}],
  ];
  for (const [title, given] of tiles) it(title, () => expectProduct({...PLAIN, ...given}, LIMIT, false));

  it('long sums of few tiles, cut and merged, with their gradients', async () => {
    const given: RandomProduct = {...PLAIN, m: 40, k: 3000, n: 36, lead: [2], maskEach: true, maskB: 0.9};
    const device = currentDevice();
    const plan = planBlockSparse([40, 3000], [3000, 36], {blockSize: 32, device: {...device!, gpu: {multiprocessors: 132}}});
    expect(plan.merged).toBeGreaterThan(0);
    Host.of(tf.backend())!.limits = {...device!, gpu: {multiprocessors: 132}};
    try {
      await expectProduct(given, LIMIT);
      await expectProduct({...given, maskB: null, maskEach: false, lead: [2, 2], shares: 'a'}, LIMIT, false);
    } finally {
      Host.of(tf.backend())!.limits = device!;
    }
  });

  it('lists that are bits, of a batch with masks of their own and of ragged blocks', async () => {
    const given: RandomProduct = {
      ...PLAIN,
      block: cube(8),
      m: 60,
      k: 600,
      n: 62,
      maskA: 0.3,
      maskB: 0.3,
      lead: [2],
      maskEach: true,
    };
    for (const maskC of [null, 0.5]) {
      const {plan} = await expectLaunches({...given, maskC}, {...CORE_DEVICE, software: true}, {listWords: 0});
      expect(plan.schedule.bitWords).toBe(3);
    }
  });

  it('more items than a dimension of the grid has workgroups', async () => {
    const n = 8 * 33_000;
    const [a, b] = [tf.ones([8, 8]), tf.range(0, n, 1).reshape([1, n]).tile([8, 1])];
    const maskB = Uint8Array.from({length: n / 8}, (_, i) => i % 2);
    const output = blockSparseMatMul(a, b, {blockSize: 8, maskB, maskC: new Uint8Array(n / 8).fill(1, 0, n / 8 - 1)});
    const found = (await tf.slice(output, [7, 0], [1, n]).data()) as Float32Array;
    const expected = Float32Array.from({length: n}, (_, i) => (Math.floor(i / 8) % 2 === 1 && i < n - 8 ? 8 * i : 0));
    expectWithin(found, expected, 0);
    tf.dispose([a, b, output]);
  });

  it('take one kernel, and gradients one each', async () => {
    const [a, b] = [tf.ones([2, 40, 64]), tf.ones([64, 32])];
    const options = {blockSize: 32, maskB: [1, 0]};
    expect(await kernelsOf(() => blockSparseMatMul(a, b, options))).toEqual([
      'Reshape',
      'Reshape',
      'SplatBlockSparseMatMul',
      'Reshape',
    ]);
    const all = await kernelsOf(() => tf.grads((x, y) => blockSparseMatMul(x!, y!, options))([a, b]));
    expect(all.filter((name) => name === 'SplatBlockSparseMatMul').length).toBe(3);
    expect(all.filter((name) => /Sum|MatMul|Select/.test(name)).length).toBe(3);
    tf.dispose([a, b]);
  });

  it('keep the laws of launches, and leave no tensor behind, while both are checked', async () => {
    const log = spyOn(console, 'log');
    tf.env().set('SPLAT_DEBUG', 4);
    tf.env().set('IS_TEST', true);
    try {
      await expectProduct({...PLAIN, m: 33}, LIMIT);
      expect(log.calls.allArgs().flat().join('\n')).toContain('launch   SplatBlockSparseMatMul: ');
    } finally {
      tf.env().set('SPLAT_DEBUG', 0);
      tf.env().set('IS_TEST', false);
    }
  });

  it('refuse a mask that the device alone has, and take what was read of it', async () => {
    const weights = tf.mul(tf.tensor2d([[0, 1]]), tf.ones([16, 1])).tile([1, 8]); // on the device
    tf.env().set('WEBGPU_CPU_FORWARD', false);
    const mask = tf.greater(tf.ones([2, 2]), 0);
    tf.env().set('WEBGPU_CPU_FORWARD', true);
    expect(() => blockSparseMatMul(tf.ones([8, 16]), weights, {blockSize: 8, maskB: mask})).toThrowError(
      SplatError,
      /^option maskB: found a tensor on a device that answers later, .*\{maskB: await maskB\.data\(\)\}/,
    );
    const maskB = await blockMaskOf(weights, 8);
    expect([...maskB]).toEqual([1, 1, 1, 1]);
    const output = blockSparseMatMul(tf.ones([8, 16]), weights, {blockSize: 8, maskB});
    expectWithin((await output.data()).slice(0, 2), [0, 16], 0);
    // What the CPU made it still has.
    const made = tf.tensor2d([[1, 0], [0, 1]], undefined, 'bool'); // prettier-ignore
    tf.dispose([weights, mask, output, made, blockSparseMatMul(tf.ones([8, 16]), tf.ones([16, 16]), {blockSize: 8, maskB: made})]);
  });

  it('refuse tensors that no binding holds, before any work', () => {
    tf.engine().startScope();
    const {limits} = Host.of(tf.backend())!.device;
    const side = 8 * Math.ceil(Math.sqrt(Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize) / 4) / 8) + 8;
    const [a, b] = [tf.ones([side, 8]), tf.ones([8, side])];
    const start = tf.memory().numTensors;
    expect(() => blockSparseMatMul(a, b, {blockSize: 8, maskA: new Uint8Array(side / 8)})).toThrowError(
      SplatError,
      /^bytes of output: found \d+, expected at most \d+ \(max\w+ of this device\)\. Split the batch, or the rows of a/,
    );
    expect(tf.memory().numTensors).toBe(start);
    tf.engine().endScope();
  });
});
