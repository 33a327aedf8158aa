import * as tf from '@tensorflow/tfjs-core';
import {causal, createWebGPUBackend, KvCache, prepare, slidingWindow, sparseAttention, SplatError} from '../../src/index.js';
import {expectAttention, expectWithin, randomInputs} from '../oracle.js';
import {backend, host, tensorsOf} from '../support/attend.js';
import {listenToErrors} from '../support/gpu_setup.js';

const SHAPE = {batch: 1, heads: 2, queryLength: 33, keyLength: 33, headDim: 8, valueDim: 8};
const PATTERN = slidingWindow({left: 5, right: 2});
const NAMES = ['webgpu', 'splat'];

/** Turns to a backend, and sees that nothing of the other one's device is used. */
async function turnTo(name: string): Promise<void> {
  expect(await tf.setBackend(name)).toBeTrue();
  expect(tf.getBackend()).toBe(name);
}

describe('a second backend beside the stock one', () => {
  let tensors: number;
  beforeAll(async () => {
    await createWebGPUBackend({name: 'splat'});
    await turnTo('splat');
    listenToErrors(backend().device);
  });
  afterAll(async () => {
    await turnTo('webgpu');
    if (tf.findBackendFactory('splat') != null) tf.removeBackend('splat');
    for (const {kernelName} of tf.getKernelsForBackend('splat')) tf.unregisterKernel(kernelName, 'splat');
  });
  beforeEach(() => {
    tensors = tf.memory().numTensors;
    tf.engine().startScope();
  });
  afterEach(async () => {
    tf.engine().endScope();
    await turnTo('webgpu');
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it('has a device of its own, and every kernel that the stock one has', () => {
    const [stock, splat] = NAMES.map((name) => tf.findBackend(name) as unknown as {device: GPUDevice});
    expect(stock!.device).not.toBe(splat!.device);
    const kernels = (name: string): string[] => tf.getKernelsForBackend(name).map(({kernelName}) => kernelName);
    expect(kernels('splat').sort()).toEqual(kernels('webgpu').sort());
    expect(kernels('splat')).toContain('SparseAttention');
    expect(kernels('splat').length).toBeGreaterThan(100);
  });

  it('attends in turns with it', async () => {
    const plans: string[] = [];
    for (const name of [...NAMES, ...NAMES]) {
      await turnTo(name);
      const inputs = randomInputs(SHAPE);
      const output = sparseAttention(...tensorsOf(inputs), PATTERN);
      await expectAttention(output, inputs, (q, k) => PATTERN.attends(q, k, SHAPE), {}, name);
      plans.push(JSON.stringify(host().limits));
    }
    // Each for its own device: plans are not mixed up, though the call is the same.
    expect(plans.slice(2)).toEqual(plans.slice(0, 2));
    expect(plans[0]).not.toBe(plans[1]);
  });

  it('works while answers of the other one are on their way', async () => {
    const inputs = NAMES.map(() => randomInputs(SHAPE));
    const outputs: Promise<Float32Array>[] = [];
    for (const [i, name] of NAMES.entries()) {
      await turnTo(name);
      outputs.push(sparseAttention(...tensorsOf(inputs[i]!), PATTERN).data<'float32'>());
    }
    const found = await Promise.all(outputs);
    for (const [i, values] of found.entries()) {
      const output = tf.tensor4d(values, [1, 2, 33, 8]);
      await expectAttention(output, inputs[i]!, (q, k) => PATTERN.attends(q, k, SHAPE), {}, NAMES[i]);
    }
  });

  it('takes what was made for the other one, as far as the CPU has it', async () => {
    const inputs = randomInputs(SHAPE);
    const three = tensorsOf(inputs);
    let output = tf.zeros([1]);
    for (const name of NAMES) {
      await turnTo(name);
      // The same tensors, uploaded here and there: what users give stays on the CPU until it is used, and what is read comes back to it.
      await Promise.all(three.map((tensor) => tensor.data()));
      output = sparseAttention(...three, PATTERN);
      await expectAttention(output, inputs, (q, k) => PATTERN.attends(q, k, SHAPE), {}, name);
    }
    // The output of the second one, in an op of the first.
    await turnTo('webgpu');
    const expected = (await output.data<'float32'>()).map((x) => 2 * x);
    expectWithin(await tf.mul(output, 2).data(), expected, 1e-6);
  });

  it('prepares, caches and trains on each alike', async () => {
    const inputs = randomInputs(SHAPE);
    const gradients: Float32Array[] = [];
    for (const name of NAMES) {
      await turnTo(name);
      await prepare(PATTERN, {...SHAPE, gradients: true});
      const [query, key, value] = tensorsOf(inputs);
      const slopes = tf.grads((q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => sparseAttention(q, k, v, PATTERN))([query, key, value]);
      gradients.push(...(await Promise.all(slopes.map((slope) => slope.data<'float32'>()))));

      const cache = new KvCache(slidingWindow({left: 5}), {keyHeads: 2, headDim: 8});
      const step = (from: number, length: number): tf.Tensor => {
        const [q, k, v] = [query, key, value].map((x) => tf.slice(x, [0, 0, from, 0], [1, 2, length, 8]));
        return cache.attend(q!, k!, v!);
      };
      const decoded = tf.concat([step(0, 31), step(31, 1), step(32, 1)], 2);
      await expectAttention(decoded, inputs, (q, k) => k <= q && k >= q - 5, {}, `cache on ${name}`);
      cache.dispose();
    }
    for (const i of [0, 1, 2]) expectWithin(gradients[i]!, gradients[i + 3]!, 1e-5, `gradient ${i}`);
    expect(gradients[1]!.some((slope) => Math.abs(slope) > 1e-3)).toBeTrue();
  });

  it('keeps caches apart', async () => {
    const x = tf.ones<tf.Rank.R4>([1, 1, 1, 4]);
    const caches: KvCache[] = [];
    for (const name of NAMES) {
      await turnTo(name);
      caches.push(new KvCache(causal(), {keyHeads: 1, headDim: 4, maxLength: 8}));
      caches.at(-1)!.attend(x, x, x);
      await x.data();
    }
    expect(() => caches[0]!.attend(x, x, x)).toThrowError(SplatError, /^KvCache: found the backend 'splat'/);
    await turnTo('webgpu');
    expect(() => caches[1]!.attend(x, x, x)).toThrowError(SplatError, /^KvCache: found the backend 'webgpu'/);
    expect(Array.from(await caches[0]!.attend(x, x, x).data())).toEqual([1, 1, 1, 1]);
    for (const cache of caches) cache.dispose();
  });

  it('can go, and the other one stays', async () => {
    const inputs = randomInputs(SHAPE);
    await turnTo('webgpu');
    const three = tensorsOf(inputs);
    const before = sparseAttention(...three, PATTERN);
    await turnTo('splat');
    const {device} = backend();
    const lost = sparseAttention(...tensorsOf(inputs), PATTERN);
    tf.removeBackend('splat');
    expect((await device.lost).reason).toBe('destroyed');
    await turnTo('webgpu');
    for (const output of [before, sparseAttention(...three, PATTERN)]) {
      await expectAttention(output, inputs, (q, k) => PATTERN.attends(q, k, SHAPE));
    }
    await expectAsync(lost.data()).toBeRejectedWithError(SplatError, /^WebGPU device: found a lost one/);
    expect(() => tf.mul(lost, 2)).toThrowError(SplatError, /^WebGPU device: found a lost one/);
  });
});
