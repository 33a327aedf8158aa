import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {capture, createWebGPUBackend, slidingWindow, sparseAttention, SplatError} from '../../src/index.js';
import {backend, host, poison} from '../support/attend.js';
import {outputsOf} from '../support/captures.js';
import {listenToErrors, takeUncapturedErrors} from '../support/gpu_setup.js';

const random = (shape: number[], seed: number): tf.Tensor => tf.keep(tf.randomNormal(shape, 0, 1, 'float32', seed));
const query = (length: number, seed: number): tf.Tensor4D => random([1, 2, length, 8], seed) as tf.Tensor4D;
const attend = (x: tf.Tensor, scale: number): tf.Tensor =>
  sparseAttention(x as tf.Tensor4D, x as tf.Tensor4D, x as tf.Tensor4D, slidingWindow({left: 7}), {implementation: 'fused', scale});

/** Compares a replay with the function, on inputs that nobody has seen. */
async function expectRight(replay: {run(x: tf.Tensor): tf.Tensor}, run: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): Promise<void> {
  const expected = run(x);
  const wanted = await outputsOf(expected);
  const output = replay.run(x);
  expect(await outputsOf(output)).toEqual(wanted);
  tf.dispose([expected, output]);
}

describe('what others do between replays changes nothing', () => {
  it('longer calls, for which work buffers are made anew', async () => {
    const run = (x: tf.Tensor): tf.Tensor =>
      sparseAttention(x as tf.Tensor4D, x as tf.Tensor4D, x as tf.Tensor4D, slidingWindow({left: 7}), {
        implementation: 'fused',
        precision: 'float16',
      });
    const replay = await capture(run, query(40, 1));
    const destroyed = spyOn(GPUBuffer.prototype, 'destroy').and.callThrough();
    run(query(300, 2)).dispose();
    expect(destroyed).toHaveBeenCalled();
    await poison(40 * 16 * 4);
    await expectRight(replay, run, query(40, 3));
    replay.dispose();
  });

  it('other scales and more plans than stay', async () => {
    const run = (x: tf.Tensor): tf.Tensor => attend(x, 0.3);
    const x = query(24, 1);
    const replay = await capture(run, x);
    const small = random([1, 1, 4, 8], 2) as tf.Tensor4D;
    for (let i = 0; i < 30; i++) attend(x, 0.1 + i / 100).dispose();
    const destroyed = spyOn(GPUBuffer.prototype, 'destroy').and.callThrough();
    for (let left = 0; left < 80; left++) {
      sparseAttention(small, small, small, slidingWindow({left, right: left % 3}), {implementation: 'fused'}).dispose();
    }
    expect(destroyed).toHaveBeenCalled();
    // Before the plan is made anew.
    const output = replay.run(query(24, 5));
    const wanted = run(query(24, 5));
    expect(await outputsOf(output)).toEqual(await outputsOf(wanted));
    destroyed.calls.reset();
    replay.dispose();
    expect(destroyed).toHaveBeenCalled();
    tf.dispose([output, wanted]);
  });

  it('what a replay scatters is not there in the next', async () => {
    const run = (x: tf.Tensor): tf.Tensor =>
      tf.sparseToDense(tf.cast(x, 'int32') as tf.Tensor1D, tf.ones([3]) as tf.Tensor1D, [9], tf.scalar(0.5));
    const replay = await capture(run, tf.tensor1d([0, 1, 2]));
    for (const places of [
      [3, 4, 5],
      [0, 7, 8],
      [1, 2, 6],
    ])
      await expectRight(replay, run, tf.tensor1d(places));
    replay.dispose();
  });

  it('a pool that hands out what was freed, and tensors that fill it', async () => {
    const run = (x: tf.Tensor): tf.Tensor =>
      tf.softmax(tf.matMul(tf.tanh(x) as tf.Tensor2D, tf.relu(x) as tf.Tensor2D, false, true));
    const replay = await capture(run, random([6, 5], 1));
    for (let i = 2; i < 6; i++) {
      await poison(6 * 5 * 4, 6 * 6 * 4);
      await expectRight(replay, run, random([6, 5], i));
    }
    replay.dispose();
  });

  it('a capture that was refused or disposed of with commands waiting', async () => {
    const x = random([5], 1);
    const waiting = tf.square(tf.add(x, 1));
    await expectAsync(capture((y: tf.Tensor) => tf.mul(tf.add(y, waiting), Math.random()), x)).toBeRejectedWithError(SplatError);
    const replay = await capture((y: tf.Tensor) => tf.add(y, waiting), x, {outputs: 'alias'});
    const output = replay.run(x);
    const after = tf.mul(output, 2);
    replay.dispose();
    const [value] = await x.data();
    expect((await after.data())[0]).toBeCloseTo(2 * (value! + (value! + 1) ** 2), 5);
  });

  it('memory that is refused', async () => {
    const weight = tf.add(random([3], 7), 0);
    const run = (x: tf.Tensor): tf.Tensor => tf.mul(tf.add(x, tf.tensor1d([1, 2, 3])), weight);
    (await capture(run, random([3], 1))).dispose();
    host().flush();
    const x = random([3], 1);
    const before = [tf.memory().numTensors, backend().numDataIds(), backend().bufferManager.numBytesUsed];
    const {device} = backend();
    const {createBuffer} = device;
    const create = spyOn(device, 'createBuffer').and.callFake((descriptor) => {
      if (descriptor.label === 'capture' && descriptor.mappedAtCreation === true) throw new RangeError('no memory');
      return createBuffer.call(device, descriptor);
    });
    await expectAsync(capture(run, x)).toBeRejectedWithError(RangeError, 'no memory');
    expect(create).toHaveBeenCalled();
    host().flush();
    expect([tf.memory().numTensors, backend().numDataIds(), backend().bufferManager.numBytesUsed]).toEqual(before);
    tf.dispose([x, weight]);
  });

  it('two hundred refusals', async () => {
    const x = random([5], 1);
    const refused = (): Promise<unknown> => capture((y: tf.Tensor) => tf.mul(tf.add(y, 1), Math.random()), x).catch(() => null);
    await refused();
    host().flush();
    const before = [tf.memory().numTensors, backend().numDataIds(), backend().bufferManager.numBytesAllocated];
    for (let i = 0; i < 200; i++) await refused();
    host().flush();
    expect([tf.memory().numTensors, backend().numDataIds(), backend().bufferManager.numBytesAllocated]).toEqual(before);
  });
});

describe('weights', () => {
  it('that were assigned are seen, three times', async () => {
    const model = tfl.sequential({
      layers: [tfl.layers.dense({units: 4, inputShape: [3], activation: 'tanh'}), tfl.layers.dense({units: 2})],
    });
    const run = (x: tf.Tensor): tf.Tensor => model.predict(x) as tf.Tensor;
    const replay = await capture(run, random([2, 3], 1));
    const before = await outputsOf(replay.run(random([2, 3], 2)));
    for (let i = 1; i < 4; i++) {
      model.setWeights(model.getWeights().map((weight) => tf.mul(weight, 1.5)));
      await poison(3 * 4 * 4, 4 * 2 * 4);
      await expectRight(replay, run, random([2, 3], 2 + i));
    }
    expect(await outputsOf(replay.run(random([2, 3], 2)))).not.toEqual(before);
    // By a training step as well, and back to numbers on the CPU.
    const optimizer = tf.train.adam(0.1);
    for (let i = 0; i < 3; i++) {
      optimizer.minimize(() => tf.sum(tf.square(run(random([2, 3], 9)))) as tf.Scalar);
      await expectRight(replay, run, random([2, 3], 20 + i));
    }
    replay.dispose();
    model.dispose();
    optimizer.dispose();
  });

  it('small ones, that ops on the CPU would take, are followed too', async () => {
    const scale = tf.variable(tf.scalar(2));
    const run = (x: tf.Tensor): tf.Tensor => tf.mul(x, tf.add(tf.neg(scale), 1));
    const replay = await capture(run, random([3], 1));
    for (const value of [5, -1, 0]) {
      scale.assign(tf.scalar(value));
      await expectRight(replay, run, random([3], value + 3));
    }
    replay.dispose();
    scale.dispose();
  });

  it('that a function reads itself are refused', async () => {
    const scale = tf.variable(tf.scalar(2));
    await expectAsync(capture((x: tf.Tensor) => tf.mul(x, scale.dataSync()[0]!), random([3], 1))).toBeRejectedWithError(
      SplatError,
      /a read of/,
    );
    await scale.data();
    await expectAsync(capture((x: tf.Tensor) => tf.mul(x, scale.dataSync()[0]!), random([3], 1))).toBeRejectedWithError(
      SplatError,
      /a read of/,
    );
    scale.dispose();
  });

  it('that two share: either new value is refused, until it is captured again', async () => {
    const first = tf.variable(random([3], 1));
    const second = tf.variable(first);
    const run = (x: tf.Tensor): tf.Tensor => tf.add(tf.mul(x, first), second);
    const replay = await capture(run, random([3], 2));
    await expectRight(replay, run, random([3], 3));
    second.assign(random([3], 4));
    expect(() => replay.run(random([3], 5))).toThrowError(SplatError, /^variable .*: found a new value.*Capture again\./);
    first.assign(random([3], 6));
    expect(() => replay.run(random([3], 5))).toThrowError(SplatError, /Capture again/);
    replay.dispose();
    tf.dispose([first, second]);
  });

  it('the first value of a variable, used as a tensor, is not the variable', async () => {
    const value = random([3], 1);
    const variable = tf.variable(value);
    const run = (x: tf.Tensor): tf.Tensor => tf.add(tf.mul(x, value), 1);
    const replay = await capture(run, random([3], 2));
    variable.assign(random([3], 4));
    await expectRight(replay, run, random([3], 5));
    replay.dispose();
    tf.dispose([value, variable]);
  });

  it('variables that are used as the tensor of their first value as well are refused once they change', async () => {
    const value = random([3], 1);
    const variable = tf.variable(value);
    const run = (x: tf.Tensor): tf.Tensor => tf.add(tf.mul(x, value), variable);
    const replay = await capture(run, random([3], 2));
    await expectRight(replay, run, random([3], 3));
    variable.assign(random([3], 4));
    expect(() => replay.run(random([3], 5))).toThrowError(
      SplatError,
      /a new value, expected the one that it shared with another tensor/,
    );
    replay.dispose();
    tf.dispose([value, variable]);
  });

  it('hold one value each, however often they are assigned', async () => {
    const variable = tf.variable(random([3], 1));
    const x = random([3], 2);
    const replay = await capture((x: tf.Tensor) => tf.mul(x, variable), x);
    const counts: number[][] = [];
    for (let i = 0; i < 10; i++) {
      const value = tf.tensor1d([i, i, i]);
      variable.assign(value);
      value.dispose();
      replay.run(x).dispose();
      host().flush();
      counts.push([tf.memory().numTensors, backend().numDataIds(), backend().bufferManager.numBytesUsed]);
    }
    expect(counts.slice(1)).toEqual(new Array<number[]>(9).fill(counts[1]!));
    replay.dispose();
    tf.dispose([x, variable]);
  });

  it('that a kernel finds by itself are followed', async () => {
    const variable = tf.variable(random([3], 1));
    const kernelFunc: tf.KernelFunc = ({inputs, backend}) =>
      tf.getKernel('Multiply', 'webgpu').kernelFunc({inputs: {a: inputs['x']!, b: variable}, backend, attrs: {}});
    tf.registerKernel({kernelName: 'MultiplyByItsOwn', backendName: 'webgpu', kernelFunc});
    const run = (x: tf.Tensor): tf.Tensor => tf.engine().runKernel('MultiplyByItsOwn', {x});
    const replay = await capture(run, random([3], 2));
    variable.assign(random([3], 3));
    await expectRight(replay, run, random([3], 4));
    replay.dispose();
    variable.dispose();
    tf.unregisterKernel('MultiplyByItsOwn', 'webgpu');
  });

  it('reshaped variables are followed', async () => {
    const variable = tf.variable(random([6], 1));
    const run = (x: tf.Tensor): tf.Tensor => tf.matMul(x as tf.Tensor2D, tf.reshape(variable, [2, 3]) as tf.Tensor2D);
    const replay = await capture(run, random([4, 2], 2));
    variable.assign(random([6], 3) as tf.Tensor1D);
    await expectRight(replay, run, random([4, 2], 4));
    replay.dispose();
    variable.dispose();
  });

  it('that are disposed of live on where they are tensors, and are told of where they are variables', async () => {
    const tensor = random([3], 1);
    const variable = tf.variable(random([3], 2));
    const run = (x: tf.Tensor): tf.Tensor => tf.add(tf.mul(x, tensor), variable);
    const replay = await capture(run, random([3], 3));
    const expected = await outputsOf(run(random([3], 4)));
    tensor.dispose();
    await poison(12);
    expect(await outputsOf(replay.run(random([3], 4)))).toEqual(expected);
    variable.dispose();
    expect(() => replay.run(random([3], 4))).toThrowError(SplatError, /^variable .*: found one that was disposed of/);
    replay.dispose();
  });

  it('that are outputs stay, whatever becomes of the outputs', async () => {
    const variable = tf.variable(tf.fill([2], 7));
    const tensor = tf.add(tf.fill([2], 3), 0);
    for (const outputs of ['copy', 'alias'] as const) {
      const replay = await capture((x: tf.Tensor) => [variable, tensor, x, tf.reshape(tensor, [2, 1])], tf.ones([2]), {outputs});
      for (let i = 0; i < 3; i++) {
        const made = replay.run(new Float32Array([i, i]));
        expect(await Promise.all(made.map(async (output) => Array.from(await output.data())))).toEqual([
          [7, 7],
          [3, 3],
          [i, i],
          [3, 3],
        ]);
        tf.dispose(made);
      }
      replay.dispose();
    }
    expect(Array.from(await tensor.data())).toEqual([3, 3]);
    expect(Array.from(await variable.data())).toEqual([7, 7]);
    tf.dispose([variable, tensor]);
  });
});

describe('outputs', () => {
  it("of 'copy' keep their numbers when it runs again", async () => {
    const replay = await capture((x: tf.Tensor) => tf.square(x), tf.ones([2]));
    const outputs = [1, 2, 3].map((value) => replay.run(new Float32Array([value, 0])));
    replay.dispose();
    expect(await Promise.all(outputs.map(async (output) => (await output.data())[0]))).toEqual([1, 4, 9]);
    tf.dispose(outputs);
  });

  it("of 'alias' are new tensors each time, so what was read of the last is not taken for the next", async () => {
    const replay = await capture((x: tf.Tensor) => tf.square(x), tf.ones([2]), {outputs: 'alias'});
    for (const value of [1, 2, 3]) {
      const output = replay.run(new Float32Array([value, 0]));
      expect(Array.from(await output.data())).toEqual([value ** 2, 0]);
      output.dispose();
    }
    replay.dispose();
  });
});

describe('devices', () => {
  it('that are lost make replays throw', async () => {
    await createWebGPUBackend({name: 'captured'});
    await tf.setBackend('captured');
    listenToErrors(backend().device);
    const replay = await capture((x: tf.Tensor) => tf.square(x), tf.ones([2]));
    expect(Array.from(await replay.read(new Float32Array([3, 4])))).toEqual([9, 16]);
    backend().device.destroy();
    await backend().device.lost;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(() => replay.run(new Float32Array([3, 4]))).toThrowError(SplatError, /WebGPU device: found a lost one/);
    await expectAsync(replay.read(new Float32Array([3, 4]))).toBeRejectedWithError(SplatError, /a lost one/);
    replay.dispose();
    await tf.setBackend('webgpu');
    tf.removeBackend('captured');
    takeUncapturedErrors();
  });

  it('of a backend that was removed make replays throw', async () => {
    const {device, adapterInfo} = backend();
    tf.copyRegisteredKernels('webgpu', 'removed');
    tf.registerBackend('removed', () => new WebGPUBackend(device, adapterInfo as unknown as GPUAdapterInfo));
    await tf.setBackend('removed');
    const replay = await capture((x: tf.Tensor) => tf.square(x), tf.ones([2]));
    await tf.setBackend('webgpu');
    tf.removeBackend('removed');
    expect(() => replay.run(new Float32Array([3, 4]))).toThrowError(SplatError, /replay: found its backend removed/);
    replay.dispose();
    for (const {kernelName} of tf.getKernelsForBackend('removed')) tf.unregisterKernel(kernelName, 'removed');
  });

  it('of a second backend have captures of their own', async () => {
    const {device, adapterInfo} = backend();
    tf.copyRegisteredKernels('webgpu', 'second');
    tf.registerBackend('second', () => new WebGPUBackend(device, adapterInfo as unknown as GPUAdapterInfo));
    const first = await capture((x: tf.Tensor) => tf.square(x), tf.ones([2]));
    await tf.setBackend('second');
    const second = await capture((x: tf.Tensor) => tf.neg(x), tf.ones([2]));
    expect(Array.from(await first.read(new Float32Array([3, 4])))).toEqual([9, 16]);
    expect(Array.from(await second.read(new Float32Array([3, 4])))).toEqual([-3, -4]);
    // Of the other backend, also where it lies on the device.
    await tf.setBackend('webgpu');
    const x = tf.add(tf.tensor1d([5, 6]), 0);
    await tf.setBackend('second');
    expect(Array.from(await second.read(tf.tensor1d([5, 6])))).toEqual([-5, -6]);
    await tf.setBackend('webgpu');
    for (const replay of [first, second]) replay.dispose();
    x.dispose();
    tf.removeBackend('second');
    for (const {kernelName} of tf.getKernelsForBackend('second')) tf.unregisterKernel(kernelName, 'second');
  });
});
