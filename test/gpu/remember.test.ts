import * as tf from '@tensorflow/tfjs-core';
import {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import fc from 'fast-check';
import {causal, gelu, KvCache, layerNorm, slidingWindow, sparseAttention} from '../../src/index.js';
import {backend, host} from '../support/attend.js';
import {deviceCalls, type DeviceCalls} from '../support/device_calls.js';
import {withWholeLaunches} from '../support/whole_launches.js';

type Memory = tf.MemoryInfo & {numBytesInGPU: number; numBytesAllocatedInGPU: number};
const memory = (): Memory => tf.memory() as Memory;
const NOTHING: DeviceCalls = {createBindGroup: 0, createBuffer: 0, writeBuffer: 0, destroy: 0};

/** A layer of a transformer and what surrounds one: products, sums over rows, slices, gathers, pictures. */
function model(seed: number, width = 32) {
  const random = (shape: number[], i: number): tf.Tensor => tf.keep(tf.randomNormal(shape, 0, 0.3, 'float32', seed + i));
  const weights = Array.from({length: 6}, (_, i) => random([width, width], i));
  const filter = random([3, 3, 1, 2], 7);
  const indices = tf.keep(tf.tensor1d([3, 0, 1, 2, 5], 'int32'));
  return {
    run: (x: tf.Tensor2D): tf.Tensor =>
      tf.tidy(() => {
        let y: tf.Tensor = x;
        for (const weight of weights) {
          const product = tf.matMul(y as tf.Tensor2D, weight as tf.Tensor2D);
          const centred = tf.sub(product, tf.mean(product, -1, true));
          y = tf.add(y, tf.mul(tf.tanh(centred), tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), 1e-5))));
        }
        const picture = tf.reshape(y, [1, ...x.shape, 1]) as tf.Tensor4D;
        const mapped = tf.conv2d(picture, filter as tf.Tensor4D, 1, 'same');
        const pooled = tf.avgPool(mapped, 2, 2, 'valid');
        const gathered = tf.gather(tf.concat([y, tf.slice(y, [1, 0], [3, width])], 0), indices as tf.Tensor1D);
        return tf.concat([tf.reshape(pooled, [-1]), tf.reshape(tf.softmax(gathered), [-1])]);
      }),
    dispose: () => tf.dispose([...weights, filter, indices]),
  };
}

const bits = async (tensor: tf.Tensor): Promise<number[]> => {
  const values = (await tensor.data()) as Float32Array;
  return Array.from(new Int32Array(values.buffer, values.byteOffset, values.length));
};

const input = (rows: number, width = 32, seed = 1): tf.Tensor2D => tf.keep(tf.randomNormal([rows, width], 0, 1, 'float32', seed));

/** On a backend of the same device that nothing of this package has seen, or, where `remembers`, one that has. */
async function onBackend<T>(remembers: boolean, run: () => Promise<T>): Promise<T> {
  const name = remembers ? 'remembering' : 'stock';
  const {device, adapterInfo} = backend();
  const before = tf.getBackend();
  tf.copyRegisteredKernels('webgpu', name);
  tf.registerBackend(name, () => new WebGPUBackend(device, adapterInfo as unknown as GPUAdapterInfo));
  await tf.setBackend(name);
  if (remembers) host();
  tf.engine().startScope();
  try {
    return await run();
  } finally {
    tf.engine().endScope();
    await tf.setBackend(before);
    tf.removeBackend(name);
    for (const {kernelName} of tf.getKernelsForBackend(name)) tf.unregisterKernel(kernelName, name);
  }
}

/** The bits of what `run` makes, on a stock backend and on one that remembers. */
async function expectSame(run: () => Promise<number[][]>): Promise<void> {
  const expected = await onBackend(false, run);
  expect(await onBackend(true, run)).toEqual(expected);
}

/** In specs around it: what is small would be computed on the CPU. */
function smallOnTheGpu(): void {
  let forward = true;
  beforeAll(() => {
    forward = tf.env().getBool('WEBGPU_CPU_FORWARD');
    tf.env().set('WEBGPU_CPU_FORWARD', false);
  });
  afterAll(() => tf.env().set('WEBGPU_CPU_FORWARD', forward));
}

describe('a model that runs again', () => {
  withWholeLaunches();
  smallOnTheGpu();

  it('makes no bind group, no buffer and no uniform', async () => {
    await onBackend(true, async () => {
      const {run, dispose} = model(1);
      const x = input(7);
      const once = async (): Promise<void> => {
        const y = run(x);
        await y.data();
        y.dispose();
      };
      await once();
      // The first run has uploaded the weights, and its batches ended elsewhere.
      await once();
      for (let i = 0; i < 3; i++) expect(await deviceCalls(backend().device, once)).toEqual(NOTHING);
      dispose();
      x.dispose();
    });
  });

  it('makes what it needs on a stock backend', async () => {
    await onBackend(false, async () => {
      const {run} = model(1);
      const x = input(7);
      await run(x).data();
      const calls = await deviceCalls(backend().device, () => run(x).data());
      expect(calls.createBindGroup).toBeGreaterThan(30);
      expect(calls.writeBuffer).toBe(calls.createBindGroup);
    });
  });

  it('gives the bits of the stock backend, in turns with another, of other lengths, with new inputs and after one is gone', async () => {
    await expectSame(async () => {
      const [first, second] = [model(1), model(100)];
      const found: number[][] = [];
      for (let i = 0; i < 12; i++) {
        const x = input([7, 7, 12, 7, 9, 12][i % 6]!, 32, i + 1);
        const outputs = [first.run(x), second.run(x)];
        for (const output of outputs) found.push(await bits(output));
        tf.dispose([x, outputs]);
      }
      first.dispose();
      const x = input(12);
      for (let i = 0; i < 3; i++) found.push(await bits(second.run(x)));
      const third = model(200);
      for (let i = 0; i < 3; i++) found.push(await bits(third.run(x)));
      return found;
    });
  });

  it('alternates between two sizes without making anything', async () => {
    await onBackend(true, async () => {
      const {run} = model(1);
      const [short, long] = [input(7), input(30)];
      const both = async (): Promise<void> => {
        for (const x of [short, long]) {
          const y = run(x);
          await y.data();
          y.dispose();
        }
      };
      for (let i = 0; i < 3; i++) await both();
      expect(await deviceCalls(backend().device, both)).toEqual(NOTHING);
    });
  });

  it('counts in tf.memory() as before, but for uniforms', async () => {
    const run = async (): Promise<number[][]> => {
      const before = memory();
      const {run, dispose} = model(1);
      const x = input(7);
      const seen: number[] = [];
      for (let i = 0; i < 3; i++) {
        const y = run(x);
        await y.data();
        seen.push(memory().numBytesInGPU - before.numBytesInGPU);
        y.dispose();
      }
      dispose();
      x.dispose();
      host().flush();
      const after = memory();
      return [seen, [after.numBytesInGPU - before.numBytesInGPU, after.numTensors - before.numTensors]];
    };
    // `flush` needs a host, so both remember; what the second has seen is compared with a stock one by the bytes of tensors alone.
    const [seen, left] = await onBackend(true, run);
    expect(left).toEqual([0, 0]);
    const stock = await onBackend(false, async () => {
      const before = memory();
      const {run} = model(1);
      const x = input(7);
      const seen: number[] = [];
      for (let i = 0; i < 3; i++) {
        const y = run(x);
        await y.data();
        seen.push(memory().numBytesInGPU - before.numBytesInGPU);
        y.dispose();
      }
      return seen;
    });
    expect(seen).toEqual(stock);
  });

  it('is timed and profiled by the backend itself', async () => {
    await onBackend(true, async () => {
      const {run} = model(1);
      const x = input(7);
      const expected = await bits(run(x));
      const {kernelMs} = (await tf.time(() => run(x))) as {kernelMs: number};
      expect(kernelMs).toBeGreaterThanOrEqual(0);
      const profile = await tf.profile(() => run(x));
      expect(await bits(profile.result as tf.Tensor)).toEqual(expected);
      expect(profile.kernelNames).toContain('Conv2D');
      const info = await (profile.kernels[0]!.extraInfo as unknown as Promise<string>);
      expect(info).toContain('Program');
      expect(await bits(run(x))).toEqual(expected);
    });
  });

  it('runs programs whose uniforms are said to be null', async () => {
    await expectSame(async () => {
      const found: number[][] = [];
      for (let i = 0; i < 2; i++) {
        found.push(await bits(tf.sparse.sparseSegmentMean(input(3, 4), [0, 1, 2], [0, 0, 1])));
        found.push(await bits(tf.sparse.sparseSegmentSum(input(3, 4), [0, 2, 1], [0, 1, 1])));
      }
      return found;
    });
  });

  it('goes on after an error inside an op', async () => {
    await onBackend(true, async () => {
      const {run} = model(1);
      const x = input(7);
      const expected = await bits(run(x));
      const wrong = tf.complex(x, x);
      for (let i = 0; i < 2; i++) {
        expect(() => backend().runWebGPUProgram({outputShape: [2], variableNames: ['x']} as never, [wrong], 'float32')).toThrow();
        expect(() => tf.tidy(() => tf.add(run(x), tf.matMul(x, x)))).toThrow();
        expect(await bits(run(x))).toEqual(expected);
      }
    });
  });
});

describe('uniforms that are remembered', () => {
  withWholeLaunches();
  smallOnTheGpu();

  it('are never written while commands read them, however many a batch has', async () => {
    const batch = tf.env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE');
    await onBackend(true, async () => {
      tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', 1e6);
      try {
        const x = tf.keep(tf.add(tf.fill([4], 1), 0));
        for (let round = 0; round < 3; round++) {
          const outputs = Array.from({length: 1500}, (_, i) => tf.clipByValue(x, -i - round, -i - round));
          expect(host().memory.size.uniforms).toBeLessThanOrEqual(1024);
          const all = tf.stack(outputs.map((output) => tf.sum(output)));
          expect(Array.from(await all.data())).toEqual(outputs.map((_, i) => 0 - 4 * (i + round)));
          tf.dispose([outputs, all]);
        }
      } finally {
        tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', batch);
      }
    });
  });

  it('are few buffers, written anew, where every run has others', async () => {
    await onBackend(true, async () => {
      const x = tf.keep(tf.fill([4], 1));
      const fills = (from: number): void => {
        for (let i = from; i < from + 1200; i++) tf.clipByValue(x, i, i).dispose();
      };
      fills(0);
      host().flush();
      fills(2000);
      host().flush();
      const calls = await deviceCalls(backend().device, () => fills(4000));
      expect(calls.writeBuffer).toBe(1200);
      expect(calls.createBuffer).toBe(0);
    });
  });

  it('tell minus zero from zero, and NaN from both', async () => {
    await onBackend(true, async () => {
      const found = await Promise.all([0, -0, NaN, 0, -0, Infinity].map((value) => tf.fill([1500], value).data()));
      expect(found.map(([first]) => first)).toEqual([0, -0, NaN, 0, -0, Infinity]);
    });
  });
});

describe('bind groups that are remembered', () => {
  withWholeLaunches();
  smallOnTheGpu();

  it('are bounded', async () => {
    await onBackend(true, async () => {
      const inputs = Array.from({length: 70}, (_, i) => tf.add(tf.fill([4], i), 0));
      for (const a of inputs) for (const b of inputs) tf.add(a, b).dispose();
      expect(host().memory.size.bindGroups).toBe(4096);
      const sum = tf.sum(tf.stack(inputs.map((a) => tf.add(a, inputs[3]!))), 0);
      expect(Array.from(await sum.data())).toEqual(new Array(4).fill((69 * 70) / 2 + 70 * 3));
    });
  });

  it('go with their buffers', async () => {
    await onBackend(true, async () => {
      const before = host().memory.size.bindGroups;
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const x = tf.add(tf.fill([5], 1), 0);
      const y = tf.add(x, 2);
      await y.data();
      const made = host().memory.size.bindGroups;
      expect(made).toBeGreaterThan(before);
      const {tensorMap, bufferManager} = backend();
      const buffer = tensorMap.get(y.dataId).resource as GPUBuffer;
      expect(buffer.usage).toBe(usage);
      bufferManager.releaseBuffer(buffer, false);
      tensorMap.get(y.dataId).resource = null as never;
      expect(host().memory.size.bindGroups).toBe(made - 1);
    });
  });

  it('hold no buffer that a user lent', async () => {
    await onBackend(true, async () => {
      const {device} = backend();
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const kept = tf.add(tf.fill([4], 1), 0);
      tf.add(kept, kept).dispose();
      const before = host().memory.size.bindGroups;
      for (let i = 0; i < 5; i++) {
        const buffer = device.createBuffer({size: 16, usage});
        device.queue.writeBuffer(buffer, 0, new Float32Array([i, i + 1, i + 2, i + 3]));
        const lent = tf.tensor({buffer, zeroCopy: true}, [4], 'float32');
        expect(Array.from(await tf.mul(lent, 2).data())).toEqual([2 * i, 2 * i + 2, 2 * i + 4, 2 * i + 6]);
        lent.dispose();
        buffer.destroy();
      }
      expect(host().memory.size.bindGroups).toBe(before);
    });
  });
});

describe('any sequence of ops on a backend that remembers', () => {
  withWholeLaunches();
  smallOnTheGpu();

  type Step = {op: number; a: number; b: number; size: number; value: number};
  const steps = fc.array(
    fc.record<Step>({
      op: fc.nat(9),
      a: fc.nat(7),
      b: fc.nat(7),
      size: fc.integer({min: 1, max: 3}),
      value: fc.constantFrom(0, -0, 1, -2.5, 1e-8, 3),
    }),
    {minLength: 5, maxLength: 120},
  );
  /** Eight places for tensors, of which each step fills one, and what is read on the way. */
  async function play(program: readonly Step[]): Promise<number[][]> {
    const places: tf.Tensor[] = Array.from({length: 8}, (_, i) => tf.fill([2, 3], i));
    const read: number[][] = [];
    for (const {op, a, b, size, value} of program) {
      const [x, y] = [places[a]!, places[b]!];
      const flat = tf.reshape(x, [-1]);
      const made =
        op === 0
          ? tf.fill([size, 600], value)
          : op === 1
            ? tf.tensor(
                Float32Array.from({length: 3 * size}, (_, i) => i * value + a),
                [size, 3],
              )
            : op === 2
              ? tf.add(flat, tf.slice(tf.concat([tf.reshape(y, [-1]), flat]), [0], [flat.size]))
              : op === 3
                ? tf.mul(x, value)
                : op === 4
                  ? tf.slice(tf.concat([flat, flat]), [0], [Math.min(2 * flat.size, 24 * size)])
                  : op === 5
                    ? tf.matMul(tf.reshape(x, [-1, 1]), tf.fill([1, size], value))
                    : op === 6
                      ? tf.maximum(tf.clipByValue(x, -4, 4), value)
                      : op === 7
                        ? tf.sum(x, -1, true)
                        : op === 8
                          ? tf.pad(flat, [[size, 1]], value)
                          : x.clone();
      flat.dispose();
      // As large as it gets: else the tensors grow without end.
      const next = made.size > 2000 ? tf.slice(tf.reshape(made, [-1]), [0], [2000]) : made;
      if (op === 9) read.push(await bits(next));
      places[b]!.dispose();
      places[b] = next;
    }
    for (const place of places) read.push(await bits(place));
    return read;
  }

  it('gives the bits of the stock backend', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (program) => {
        await expectSame(async () => [...(await play(program)), ...(await play(program))]);
      }),
      {numRuns: 25},
    );
  });
});

describe('calls of this package', () => {
  withWholeLaunches();
  smallOnTheGpu();

  const random = (length: number): tf.Tensor4D => tf.keep(tf.randomNormal<tf.Rank.R4>([1, 2, length, 8]));

  it('make no bind group, no buffer and no uniform the second time', async () => {
    await onBackend(true, async () => {
      const x = random(100);
      const once = async (): Promise<void> => {
        const y = sparseAttention(x, x, x, slidingWindow({left: 9}), {implementation: 'fused'});
        await y.data();
        y.dispose();
      };
      for (let i = 0; i < 2; i++) await once();
      expect(await deviceCalls(backend().device, once)).toEqual(NOTHING);
    });
  });

  it('of norms and activations of many sizes take no place of a plan', async () => {
    await onBackend(true, async () => {
      const x = random(100);
      const attend = async (): Promise<void> => {
        const y = sparseAttention(x, x, x, slidingWindow({left: 9}), {implementation: 'fused'});
        await y.data();
        y.dispose();
      };
      for (let i = 0; i < 2; i++) await attend();
      const {size} = host().residents;
      const sizes = Array.from({length: 40}, (_, i) => tf.keep(tf.fill([4 * (i + 1), 8], 1)));
      for (const each of sizes) tf.dispose([layerNorm(each), gelu(each)]);
      host().flush();
      expect(host().residents.size).toBeLessThanOrEqual(size + 1);
      // The pool makes room first.
      await attend();
      expect(await deviceCalls(backend().device, attend)).toEqual(NOTHING);
      tf.dispose(sizes);
    });
  });

  it('share the uniform of equal layers', async () => {
    await onBackend(true, async () => {
      const x = random(100);
      const call = (left: number): tf.Tensor => sparseAttention(x, x, x, slidingWindow({left}), {implementation: 'fused'});
      await call(9).data();
      const {uniforms} = host().memory.size;
      for (let i = 0; i < 5; i++) await call(9).data();
      expect(host().memory.size.uniforms).toBe(uniforms);
    });
  });

  it('of generation make no bind group once all frames were used, and one write a step', async () => {
    await onBackend(true, async () => {
      const cache = new KvCache(causal(), {keyHeads: 2, headDim: 8, maxLength: 200});
      const x = tf.add(random(1), 0) as tf.Tensor4D;
      const step = async (): Promise<void> => {
        const y = cache.attend(x, x, x);
        await y.data();
        y.dispose();
      };
      for (let i = 0; i < 40; i++) await step();
      expect(await deviceCalls(backend().device, step)).toEqual({...NOTHING, writeBuffer: 1});
      cache.dispose();
    });
  });
});

describe('after a model is disposed of', () => {
  withWholeLaunches();
  smallOnTheGpu();

  it('another neither makes nor destroys buffers, but for those that make room in its first run', async () => {
    // A backend that this package does not know yet: nothing says how much the first model needed.
    await onBackend(false, async () => {
      // What it brings of its own lets the pool keep as much of the dead.
      const weights = Array.from({length: 200}, (_, i) => tf.fill([3000 + i], 1));
      // Small ones and many, so that the largest buffers are those that the next model needs.
      const dead = Array.from({length: 600}, (_, i) => tf.fill([3000 + i], 1));
      await Promise.all([weights.at(-1)!, dead.at(-1)!].map((tensor) => tensor.data()));
      tf.dispose(dead);
      const x = tf.keep(tf.randomNormal<tf.Rank.R4>([1, 1, 64, 8]));
      const run = async (): Promise<void> => {
        let y: tf.Tensor = x.clone();
        // As models do: what is not needed any more goes at once.
        const next = (f: (y: tf.Tensor) => tf.Tensor): void => {
          const before = y;
          y = tf.tidy(() => f(before));
          before.dispose();
        };
        for (let layer = 0; layer < 4; layer++) {
          next((y) => sparseAttention(y as tf.Tensor4D, x, x, slidingWindow({left: 4}), {implementation: 'fused'}));
          for (const width of [60, 70, 80, 90]) {
            next((y) => tf.tile(y, [1, 1, 1, width]));
            for (let i = 0; i < 8; i++) next(tf.tanh);
            next((y) => tf.mean(tf.reshape(y, [1, 1, 64, 8, width]), -1));
          }
        }
        await y.data();
        y.dispose();
      };
      const {device} = backend();
      const first = await deviceCalls(device, run);
      expect(first.destroy).withContext('the pool was too large').toBeGreaterThan(50);
      expect((await deviceCalls(device, run)).destroy).toBeLessThan(10);
      for (let i = 0; i < 3; i++) {
        const {createBuffer, destroy, createBindGroup} = await deviceCalls(device, run);
        expect([createBuffer, destroy, createBindGroup]).toEqual([0, 0, 0]);
      }
    });
  });
});
