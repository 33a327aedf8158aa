import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {capture, causal, sparseAttention, SplatError, type Tensors} from '../../src/index.js';
import {backend, host} from '../support/attend.js';

type Function = (inputs: {x: tf.Tensor2D}) => Tensors;

const counts = (): number[] => [
  tf.memory().numTensors,
  tf.memory().numDataBuffers,
  backend().numDataIds(),
  backend().bufferManager.numBytesUsed,
];

const example = (): {x: tf.Tensor2D} => ({
  x: tf.tensor2d([
    [1, 2],
    [3, 4],
  ]),
});

/** What a capture of the function says, which leaves nothing behind and everything as it was. */
async function refusalOf(run: Function): Promise<string> {
  const inputs = example();
  host().flush();
  const before = counts();
  const {random} = Math;
  const error = await capture(run, inputs).then(
    (replay) => replay.dispose(),
    (error: unknown) => error,
  );
  host().flush();
  // Timers give their buffers back when the GPU has told.
  for (let i = 0; i < 100 && counts().join() !== before.join(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(counts()).toEqual(before);
  expect(Math.random).toBe(random);
  for (const name of ['runKernel']) expect(Object.hasOwn(tf.engine(), name)).toBeFalse();
  for (const name of ['write', 'uploadToGPU', 'readSync', 'shouldExecuteOnCPU']) expect(Object.hasOwn(backend(), name)).toBeFalse();
  // Ops go on, and so does capturing.
  const replay = await capture(({x}: {x: tf.Tensor}) => tf.square(x), inputs);
  expect(Array.from(await replay.read(inputs))).toEqual([1, 4, 9, 16]);
  replay.dispose();
  inputs.x.dispose();
  if (error instanceof SplatError) return error.message;
  throw error instanceof Error ? error : new Error('It was captured.');
}

const asTensors = (value: unknown): Tensors => value as Tensors;

describe('what cannot be repeated is refused, with the op', () => {
  // The backend keeps a buffer for timers from the first on.
  beforeAll(() => tf.time(() => tf.square(tf.ones([2])).dispose()));

  const cases: readonly (readonly [string, Function, RegExp])[] = [
    ['dataSync of an input', ({x}) => tf.mul(x, x.dataSync()[0]!), /a read of .* by the function itself, expected/],
    ['dataSync of a result', ({x}) => tf.mul(x, tf.sum(x).dataSync()[0]!), /a read of .* by the function itself after Sum/],
    [
      'a read that the function survives',
      ({x}) => {
        try {
          return tf.mul(x, tf.sum(x).dataSync()[0]!);
        } catch {
          return tf.square(x);
        }
      },
      /a read of .* after Sum/,
    ],
    [
      'data() that nobody waits for',
      ({x}) => {
        // As functions do that forget to await.
        void tf.square(x).data();
        return tf.square(x);
      },
      /a read of .* after Square/,
    ],
    [
      'a loop by data',
      ({x}) => {
        let y: tf.Tensor = x;
        while (tf.sum(y).dataSync()[0]! < 100) y = tf.mul(y, 2);
        return y;
      },
      /a read of .* after Sum/,
    ],
    [
      'nonMaxSuppression',
      ({x}) =>
        tf.image.nonMaxSuppression(
          tf.concat([x, x], 1) as tf.Tensor2D,
          tf.reshape(tf.slice(x, [0, 0], [1, 2]), [2]) as tf.Tensor1D,
          2,
        ),
      /a read of .* in NonMaxSuppressionV3/,
    ],
    ['tile of rank 5', ({x}) => tf.tile(tf.reshape(x, [1, 1, 2, 1, 2]), [1, 1, 1, 2, 1]), /a read of .* in Tile/],
    ['booleanMask', ({x}) => asTensors(tf.booleanMaskAsync(x, tf.greater(x, 2))), /a read of .* after Reshape/],
    ['setdiff1d', ({x}) => asTensors(tf.setdiff1dAsync(tf.reshape(x, [4]), tf.tensor1d([1, 2]))), /a read of|a promise/],
    ['an async function', (inputs) => asTensors((async () => tf.square(inputs.x))()), /a promise as result/],
    [
      'an async function that reads',
      (inputs) => asTensors((async () => tf.mul(inputs.x, (await tf.square(inputs.x).data())[0]!))()),
      /a read of .* after Square/,
    ],
    ['Math.random', ({x}) => tf.mul(x, Math.random()), /Math\.random, by the function itself, expected/],
    ['randomNormal', ({x}) => tf.add(x, tf.randomNormal([2, 2])), /Math\.random/],
    ['dropout', ({x}) => tf.dropout(tf.square(x), 0.5), /Math\.random, by the function itself after Square/],
    [
      'dropout of attention without a seed',
      ({x}) => {
        const y = tf.reshape(x, [1, 1, 2, 2]) as tf.Tensor4D;
        return sparseAttention(y, y, y, causal(), {dropout: 0.5});
      },
      /Math\.random, by the function itself after Reshape/,
    ],
    [
      'tf.time',
      ({x}) => {
        // The answer is of no use.
        void tf.time(() => tf.square(x).dispose());
        return tf.square(x);
      },
      /tf\.time/,
    ],
    [
      'a read inside tf.time',
      ({x}) => {
        tf.time(() => tf.square(x).dataSync()).catch(() => undefined);
        return tf.square(x);
      },
      /tf\.time/,
    ],
    [
      'tf.profile',
      ({x}) => {
        tf.profile(() => tf.square(x)).catch(() => undefined);
        return tf.square(x);
      },
      /tf\.profile/,
    ],
    [
      'a write to the queue',
      ({x}) => {
        const buffer = backend().device.createBuffer({size: 16, usage: GPUBufferUsage.COPY_DST});
        backend().device.queue.writeBuffer(buffer, 0, new Float32Array(4));
        buffer.destroy();
        return tf.square(x);
      },
      /a write into memory .* by the function itself/,
    ],
    [
      'a buffer made a tensor',
      ({x}) => {
        const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
        const buffer = backend().device.createBuffer({size: 16, usage});
        return tf.add(x, tf.tensor({buffer, zeroCopy: true}, [2, 2], 'float32'));
      },
      /GPUBuffer/,
    ],
    [
      'a tensor made a buffer',
      ({x}) => {
        tf.square(x).dataToGPU();
        return tf.square(x);
      },
      /GPUBuffer/,
    ],
    ['no tensor', () => asTensors(3), /outputs: found 3, expected tensors/],
    ['a list with no tensor', ({x}) => asTensors([tf.square(x), 'y']), /output 1: found the text 'y'/],
    ['a complex output', ({x}) => ({a: tf.complex(x, x)}), /output 'a': found dtype complex64/],
    ['a string output', () => tf.tensor(['a']), /output: found dtype string/],
  ];
  for (const [what, run, message] of cases) it(what, async () => expect(await refusalOf(run)).toMatch(message));

  it('pictures that are drawn; those of plain numbers are constants', async () => {
    const pixels = {data: new Uint8Array(16).fill(3), width: 2, height: 2};
    const read = ({x}: {x: tf.Tensor}): tf.Tensor => tf.add(x, tf.mean(tf.cast(tf.browser.fromPixels(pixels), 'float32'), -1));
    const inputs = example();
    const replay = await capture(read, inputs);
    expect(replay.constants.length).toBe(1);
    expect(Array.from(await replay.read(inputs))).toEqual([4, 5, 6, 7]);
    replay.dispose();
    // Not in Node.
    if (typeof OffscreenCanvas === 'undefined') return;
    const canvas = new OffscreenCanvas(2, 2);
    canvas.getContext('2d')!.fillRect(0, 0, 2, 2);
    const draw: Function = ({x}) => tf.add(x, tf.mean(tf.cast(tf.browser.fromPixels(canvas as never), 'float32'), -1));
    await expectAsync(capture(draw, inputs)).toBeRejectedWithError(SplatError, /a picture|a write into memory/);
  });

  it('pipelines that compile in parallel', async () => {
    tf.env().set('WEBGPU_ENGINE_COMPILE_ONLY', true);
    try {
      expect(await capture(({x}: {x: tf.Tensor}) => tf.square(x), example()).catch(String)).toMatch(
        /a pipeline that still compiles/,
      );
    } finally {
      tf.env().set('WEBGPU_ENGINE_COMPILE_ONLY', false);
    }
  });

  it('errors of the function itself pass', async () => {
    await expectAsync(
      refusalOf(() => {
        throw new RangeError('mine');
      }),
    ).toBeRejectedWithError(RangeError, 'mine');
  });

  it('a capture and a replay inside of one', async () => {
    const replay = await capture(({x}: {x: tf.Tensor}) => tf.square(x), example());
    expect(await refusalOf((inputs) => replay.run(inputs))).toMatch(/found a replay/);
    expect(await refusalOf((inputs) => asTensors(capture(({x}: {x: tf.Tensor}) => tf.square(x), inputs)))).toMatch(
      /a capture|a promise/,
    );
    replay.dispose();
  });
});

describe('what a function does to others is refused, and undone', () => {
  it('an assignment: the variable is as it was', async () => {
    const variable = tf.variable(tf.fill([2, 2], 5), true, 'mine');
    const run: Function = ({x}) => {
      const y = tf.add(variable, x);
      variable.assign(y as tf.Tensor2D);
      return tf.mul(y, 2);
    };
    expect(await refusalOf(run)).toMatch(/an assignment \(mine\), by the function itself after Add/);
    expect(Array.from(await variable.data())).toEqual([5, 5, 5, 5]);
    variable.dispose();
  });

  it('a training step: weights are as they were', async () => {
    const model = tfl.sequential({layers: [tfl.layers.dense({units: 1, inputShape: [2]})]});
    const optimizer = tf.train.sgd(0.1);
    const run: Function = ({x}) => optimizer.minimize(() => tf.sum(model.predict(x) as tf.Tensor), true)!;
    // Uploads the weights and what the optimizer keeps.
    run(example());
    const before = await model.getWeights()[0]!.data();
    expect(await refusalOf(run)).toMatch(/an assignment/);
    expect(await model.getWeights()[0]!.data()).toEqual(before);
    optimizer.dispose();
    model.dispose();
  });

  it('tensors that it keeps: they live on and are right', async () => {
    const kept: tf.Tensor[] = [];
    const before = counts();
    const run: Function = ({x}) => {
      kept.push(tf.keep(tf.square(x)));
      return tf.add(kept.at(-1)!, 1);
    };
    await expectAsync(capture(run, example())).toBeRejectedWithError(SplatError, /tensors that outlive the function/);
    for (const tensor of kept) expect(Array.from(await tensor.data())).toEqual([1, 4, 9, 16]);
    tf.dispose(kept);
    expect(counts()[2]! - before[2]!).toBe(1);
  });

  it('a state that it hands on: one kept, one disposed of', async () => {
    let state: tf.Tensor = tf.zeros([2, 2]);
    const run: Function = ({x}) => {
      const next = tf.keep(tf.add(state, x));
      state.dispose();
      state = next;
      return tf.square(state);
    };
    await expectAsync(capture(run, example())).toBeRejectedWithError(SplatError, /tensors that outlive the function/);
    expect(Array.from(await state.data())).toEqual([2, 4, 6, 8]);
    state.dispose();
  });

  it('layers with states', async () => {
    const model = tfl.sequential({
      layers: [tfl.layers.simpleRNN({units: 2, stateful: true, recurrentInitializer: 'zeros', batchInputShape: [1, 2, 2]})],
    });
    const run: Function = ({x}) => model.predict(tf.reshape(x, [1, 2, 2])) as tf.Tensor;
    await expectAsync(capture(run, example())).toBeRejectedWithError(SplatError, /outlive|assignment|differ/);
    model.dispose();
  });

  it('a tensor of others that it disposes of', async () => {
    const outside = Array.from({length: 5}, (_, i) => tf.mul(tf.fill([2, 2], i), 3));
    const run: Function = ({x}) => {
      const other = outside.pop()!;
      const y = tf.add(other, x);
      other.dispose();
      return y;
    };
    await expectAsync(capture(run, example())).toBeRejectedWithError(
      SplatError,
      /a tensor from outside that the function disposes of/,
    );
    tf.dispose(outside);
  });
});

describe('two runs that differ are refused', () => {
  let count = 0;
  const numbers = [1, 2, 3, 4];
  let seed = 1;
  const differing: readonly (readonly [string, Function, RegExp])[] = [
    ['a counter', ({x}) => tf.mul(x, count++), /dispatch 0, Multiply, has other numbers/],
    [
      'an array that changes',
      ({x}) => {
        numbers[2]!++;
        return tf.add(tf.square(x), tf.tensor2d(numbers, [2, 2]));
      },
      /dispatch 1, Add, has other numbers/,
    ],
    ['a moving seed', ({x}) => tf.add(x, tf.randomUniform([2, 2], 0, 1, 'float32', seed++)), /dispatch 0, Add, has other numbers/],
    ['a moving slice', ({x}) => tf.slice(x, [count++ % 2, 0], [1, 2]), /dispatch 0, Slice/],
    ['the clock', ({x}) => tf.mul(x, Date.now() % 1000), /dispatch 0, Multiply, has other numbers/],
    ['a branch in turns', ({x}) => (count++ % 2 === 0 ? tf.square(x) : tf.sqrt(x)), /dispatch 0, (Square|Sqrt), then/],
    ['more and more', ({x}) => Array.from({length: ++count}).reduce<tf.Tensor>((y) => tf.square(y), x), /goes on with Square/],
    ['outputs that differ', ({x}) => (count++ % 2 === 0 ? [x, tf.square(x)] : [tf.square(x), x]), /output 0 differs/],
    ['outputs on the CPU that differ', () => tf.scalar(count++), /output 0 differs/],
  ];
  for (const [what, run, message] of differing) it(what, async () => expect(await refusalOf(run)).toMatch(message));

  it('another weight each time', async () => {
    const weights = [tf.fill([2, 2], 1), tf.fill([2, 2], 2)].map((weight) => tf.add(weight, 0));
    expect(await refusalOf(({x}) => tf.mul(x, weights[count++ % 2]!))).toMatch(/dispatch 0, Multiply, has other inputs/);
    tf.dispose(weights);
  });
});

describe('arguments', () => {
  it('of capture are checked', async () => {
    const run = ({x}: {x: tf.Tensor}): tf.Tensor => tf.square(x);
    const say = async (...given: unknown[]): Promise<string> =>
      (capture as (...given: unknown[]) => Promise<unknown>)(...given).then(
        () => 'captured',
        (error: Error) => (error instanceof SplatError ? error.message : `no SplatError: ${error.message}`),
      );
    const gone = tf.ones([2]);
    gone.dispose();
    expect(await say(3, example())).toMatch(/^capture: found 3, expected a function/);
    expect(await say(run, 3)).toMatch(/^examples: found 3/);
    expect(await say(run, {x: [1, 2]})).toMatch(/^example 'x': found an array, expected a tensor/);
    expect(await say(run, {x: gone})).toMatch(/^example 'x': found a tensor that was disposed of/);
    expect(await say(run, {x: tf.complex([1], [2])})).toMatch(/^example 'x': found dtype complex64/);
    expect(await say(run, {x: tf.tensor(['a'])})).toMatch(/^example 'x': found dtype string/);
    expect(await say(run, example(), {outputs: 'alia'})).toMatch(/^option outputs: .*Did you mean 'alias'\?/);
    expect(await say(run, example(), {output: 'copy'})).toMatch(
      /^option output: found an unknown option.*Did you mean 'outputs'\?/,
    );
  });

  it('of run are checked, before anything runs', async () => {
    const x = tf.ones([2, 2]);
    const replay = await capture(({x}: {x: tf.Tensor}) => tf.square(x), {x});
    const before = counts();
    const submits = spyOn(backend().device.queue, 'submit').and.callThrough();
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [{x: tf.ones([3, 2])}, /^input 'x': found float32 \[3, 2\], expected float32 \[2, 2\]\. A capture is for one shape/],
      [{x: tf.ones([2, 2], 'int32')}, /^input 'x': found int32 \[2, 2\], expected float32 \[2, 2\]/],
      [{x: new Float32Array(3)}, /^input 'x': found 3 numbers, expected float32 \[2, 2\], as a tensor or a Float32Array of 4/],
      [{x: new Int32Array(4)}, /^input 'x': found an object, expected float32 \[2, 2\], as a tensor or a Float32Array/],
      [{}, /^input 'x': found undefined/],
      [{x, y: x}, /^inputs: found an unknown one, 'y', expected the names x/],
      [x, /^inputs: found an object, expected the names x/],
      [[x], /^inputs: found an array, expected the names x/],
    ];
    for (const [given, message] of cases) {
      const error: unknown = await replay.read(given as {x: tf.Tensor}).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(SplatError);
      expect((error as Error).message).toMatch(message);
      expect(() => replay.run(given as {x: tf.Tensor})).toThrowError(SplatError, message);
    }
    expect(submits).not.toHaveBeenCalled();
    expect(counts()[3]).toBe(before[3]);
    replay.dispose();
    replay.dispose();
    expect(() => replay.run({x})).toThrowError(SplatError, /replay: found one that was disposed of/);
  });

  it('other backends are refused', async () => {
    await tf.setBackend('cpu');
    try {
      await expectAsync(capture((x: tf.Tensor) => tf.square(x), tf.ones([2]))).toBeRejectedWithError(
        SplatError,
        /the backend 'cpu', expected the WebGPU backend/,
      );
    } finally {
      await tf.setBackend('webgpu');
    }
  });

  it('a backend whose inside is another is refused', async () => {
    class Other extends WebGPUBackend {}
    tf.copyRegisteredKernels('webgpu', 'other');
    const {device, adapterInfo} = backend();
    tf.registerBackend('other', () => {
      const other = new Other(device, adapterInfo as unknown as GPUAdapterInfo);
      return Object.assign(other, {recordAndSubmit: () => undefined});
    });
    await tf.setBackend('other');
    try {
      await expectAsync(capture((x: tf.Tensor) => tf.square(x), tf.ones([2]))).toBeRejectedWithError(
        SplatError,
        /inside is not that of 4\.22/,
      );
    } finally {
      await tf.setBackend('webgpu');
      tf.removeBackend('other');
      for (const {kernelName} of tf.getKernelsForBackend('other')) tf.unregisterKernel(kernelName, 'other');
    }
  });
});
