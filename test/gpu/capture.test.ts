import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import * as tfl from '@tensorflow/tfjs-layers';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {alibiModel} from '../support/captured_models.js';
import {capture, full, globalTokens, slidingWindow, sparseAttention, sparseIOHandler} from '../../src/index.js';
import {encoderGraph} from '../../bench/model_graphs.js';
import {backend, host} from '../support/attend.js';
import {expectReplays, outputsOf} from '../support/captures.js';
import {deviceCalls} from '../support/device_calls.js';
import {withWholeLaunches} from '../support/whole_launches.js';

const SIZES = {layers: 2, heads: 2, headDim: 8, ffn: 64, vocabulary: 1000};

const tokens = (seed: number, length = 64) => ({
  input_ids: tf.tensor(
    Int32Array.from({length}, (_, i) => (i * 37 + seed * 101) % 1000),
    [1, length],
    'int32',
  ),
  attention_mask: tf.tensor(
    Int32Array.from({length}, (_, i) => Number(i < length - seed * 5)),
    [1, length],
    'int32',
  ),
});
const random = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed + 1);
const square = (seed: number) => ({x: random([2, 2], seed)});

describe('a replay gives the bits of the function', () => {
  for (const graph of ['matMul', 'Einsum'] as const) {
    it(`for a BERT of ${graph}, as it is and swapped`, async () => {
      const artifacts = encoderGraph(graph, SIZES, 128);
      const models = [
        loadGraphModelSync(sparseIOHandler(artifacts, {pattern: full()})),
        loadGraphModelSync({load: () => artifacts}),
      ];
      for (const model of models) {
        await expectReplays((inputs: tf.NamedTensorMap) => model.execute(inputs), tokens);
        model.dispose();
      }
    });
  }

  it('for outputs that lie in the memory of the capture', async () => {
    const model = loadGraphModelSync(sparseIOHandler(encoderGraph('matMul', SIZES, 128), {pattern: full()}));
    await expectReplays((inputs: tf.NamedTensorMap) => model.execute(inputs), tokens, {outputs: 'alias'});
    model.dispose();
  });

  it('for a language model of attention with terms', async () => {
    // 8 layers run 14 times, and a software adapter takes seconds for 64 bytes. So many show steps of up to 16.
    const {run, inputs} = alibiModel(24);
    await expectReplays(run, inputs);
  });

  it('for layers: pictures, sequences, states inside of a run', async () => {
    const pictures = tfl.sequential({
      layers: [
        tfl.layers.conv2d({inputShape: [16, 16, 3], filters: 8, kernelSize: 3, activation: 'relu'}),
        tfl.layers.batchNormalization(),
        tfl.layers.maxPooling2d({poolSize: 2}),
        tfl.layers.flatten(),
        tfl.layers.dropout({rate: 0.5}),
        tfl.layers.dense({units: 5, activation: 'softmax'}),
      ],
    });
    await expectReplays(
      (x: tf.Tensor) => pictures.predict(x) as tf.Tensor,
      (seed) => random([2, 16, 16, 3], seed),
    );
    const sequences = tfl.sequential({
      layers: [
        tfl.layers.embedding({inputDim: 50, outputDim: 8, inputLength: 6}),
        tfl.layers.lstm({units: 8, recurrentInitializer: 'glorotUniform'}),
        tfl.layers.dense({units: 3}),
      ],
    });
    const ids = (seed: number): tf.Tensor =>
      tf.tensor(
        Int32Array.from({length: 12}, (_, i) => (i * 7 + seed) % 50),
        [2, 6],
        'int32',
      );
    await expectReplays((x: tf.Tensor) => sequences.predict(x) as tf.Tensor, ids);
    pictures.dispose();
    sequences.dispose();
  });

  const ops: Record<string, (inputs: {x: tf.Tensor}) => tf.Tensor | tf.Tensor[] | tf.NamedTensorMap> = {
    topk: ({x}) => tf.topk(x as tf.Tensor2D, 1).values,
    where: ({x}) => tf.where(tf.greater(x, 0), x, tf.zerosLike(x)),
    'a gradient': ({x}) => tf.grad((t: tf.Tensor) => tf.sum(tf.square(t)))(x),
    'an input itself, numbers, shapes, one output twice': ({x}) => {
      const y = tf.square(x);
      return {same: x, scalar: tf.scalar(3), shape: tf.tensor1d(x.shape, 'int32'), y, again: y};
    },
    'another shape of an input': ({x}) => tf.reshape(x, [4]),
    'a cast that stays bool in memory': ({x}) => [
      tf.cast(tf.greater(x, 0), 'float32'),
      tf.greater(x, 0),
      tf.cast(tf.less(x, 0), 'int32'),
    ],
    'the Fourier transform': ({x}) => tf.real(tf.spectral.fft(tf.complex(x, x))),
    gathers: ({x}) => tf.gather(tf.cumsum(x, 1), tf.argMax(x, 1)),
    counts: ({x}) => tf.denseBincount(tf.reshape(tf.cast(tf.abs(x), 'int32'), [4]) as tf.Tensor1D, tf.ones([4]) as tf.Tensor1D, 6),
    'sums of segments': ({x}) => tf.unsortedSegmentSum(tf.reshape(x, [4]), tf.tensor1d([0, 1, 0, 1], 'int32'), 2),
    scatters: ({x}) => tf.scatterND(tf.tensor2d([[0], [2]], [2, 1], 'int32'), x, [4, 2]),
    'scatters into an upload': ({x}) =>
      tf.sparseToDense(tf.tensor1d([1, 3, 4, 6], 'int32'), tf.reshape(x, [4]) as tf.Tensor1D, [9], tf.scalar(0)),
    'scatters where the numbers say': ({x}) =>
      tf.sparseToDense(
        tf.cast(tf.round(tf.abs(tf.reshape(x, [4]))), 'int32') as tf.Tensor1D,
        tf.ones([4]) as tf.Tensor1D,
        [9],
        tf.scalar(0),
      ),
    'resized pictures': ({x}) =>
      tf.image.resizeBilinear(
        tf.reshape(
          tf.pad(x, [
            [1, 1],
            [1, 1],
          ]),
          [1, 4, 4, 1],
        ) as tf.Tensor4D,
        [7, 5],
      ),
    'convolutions by im2col': ({x}) =>
      tf.conv2d(
        tf.reshape(tf.tile(x, [8, 8]), [1, 16, 16, 1]) as tf.Tensor4D,
        tf.fill([3, 3, 1, 16], 0.5) as tf.Tensor4D,
        1,
        'same',
      ),
    lists: ({x}) => tf.concat(tf.split(tf.stack([x, tf.square(x)]), 2, 2), 1),
    'nothing at all': () => [],
    'an empty tensor': ({x}) => [tf.slice(x, [0, 0], [0, 2]), tf.neg(x)],
    'outputs of odd sizes': ({x}) => [tf.slice(x, [0, 0], [1, 1]), tf.slice(tf.reshape(x, [4]), [1], [3]), tf.neg(x)],
    'outputs of no elements': ({x}) => [tf.reshape(tf.slice(x, [0, 0], [2, 0]), [0]), tf.tensor1d([])],
    'a random number with a seed': ({x}) => tf.add(x, tf.randomUniform([2, 2], 0, 1, 'float32', 7)),
  };
  for (const [what, run] of Object.entries(ops)) it(`for ${what}`, () => expectReplays(run, square));

  it('for attention with masks, lengths and segments that are inputs, and its gradients', async () => {
    const length = 40;
    const inputs = (seed: number) => ({
      x: random([2, 2, length, 8], seed),
      mask: tf.greater(random([length, length], seed + 5), -0.5),
      keyLengths: tf.tensor1d([length - seed, 30 + seed], 'int32'),
      segmentIds: tf.tensor2d(
        Int32Array.from({length: 2 * length}, (_, i) => Math.floor(i / (7 + seed))),
        [2, length],
        'int32',
      ),
    });
    const call = (x: tf.Tensor, options: object, mask: tf.Tensor | null = null): tf.Tensor => {
      const given = x as tf.Tensor4D;
      const attends = (mask as tf.Tensor2D | null) ?? slidingWindow({left: 9}).or(globalTokens(2));
      return sparseAttention(given, given, given, attends, {implementation: 'fused', ...options});
    };
    await expectReplays(
      ({x, mask, keyLengths, segmentIds}: ReturnType<typeof inputs>): tf.Tensor[] => [
        call(x, {implementation: 'auto'}, mask),
        call(x, {keyLengths}),
        call(x, {segmentIds: {query: segmentIds, key: segmentIds}, alibiSlopes: [0.5, 0.25]}),
        call(x, {precision: 'float16'}),
        call(x, {dropout: 0.3, seed: 7}),
        tf.grad((x: tf.Tensor) => tf.sum(tf.square(call(x, {keyLengths}))))(x),
      ],
      inputs,
    );
  });

  it('for inputs of no elements', () =>
    expectReplays(
      ({x}: {x: tf.Tensor}) => [x, tf.concat([x, tf.ones([2, 3])], 1)],
      () => ({x: tf.zeros([2, 0])}),
    ));

  it('for inputs of int32 and bool', async () => {
    const inputs = (seed: number): tf.Tensor[] => [
      tf.tensor1d([seed, 2, -3], 'int32'),
      tf.tensor1d([seed % 2 === 0, true, false], 'bool'),
    ];
    await expectReplays(([a, b]) => tf.add(tf.mul(a!, a!), tf.cast(b!, 'int32')), inputs);
  });
});

describe('a replay', () => {
  withWholeLaunches();
  it('takes typed arrays, tensors that are not computed yet and casts', async () => {
    const replay = await capture(({x, y}: {x: tf.Tensor; y: tf.Tensor}) => tf.add(tf.mul(x, 2), y), {
      x: tf.ones([3]),
      y: tf.zeros([3]),
    });
    const pending = tf.add(tf.keep(tf.fill([3], 4)), tf.tensor1d([1, 2, 3]));
    const int = tf.tensor1d([5, 6, 7], 'int32');
    const onDevice = tf.add(int, 0);
    const given = [
      {x: new Float32Array([1, 2, 3]), y: pending},
      {x: tf.cast(int, 'float32'), y: tf.cast(onDevice, 'float32')},
      {x: tf.cast(tf.greater(pending, 6), 'float32'), y: tf.zeros([3])},
    ];
    const before = tf.memory().numTensors;
    const read = await Promise.all(given.map(async (inputs) => Array.from(await replay.read(inputs))));
    expect(read).toEqual([
      [7, 10, 13],
      [15, 18, 21],
      [0, 0, 2],
    ]);
    expect(tf.memory().numTensors).toBe(before);
    replay.dispose();
  });

  it('feeds itself', async () => {
    for (const outputs of ['copy', 'alias'] as const) {
      const replay = await capture((x: tf.Tensor) => tf.add(tf.mul(x, 0.5), 1), tf.ones([4]), {outputs});
      let x: tf.Tensor = tf.zeros([4]);
      let expected = 0;
      for (let i = 0; i < 50; i++) {
        const next = replay.run(x);
        x.dispose();
        x = next;
        expected = expected / 2 + 1;
      }
      expect((await x.data())[3]).toBeCloseTo(expected, 6);
      x.dispose();
      replay.dispose();
    }
  });

  it('goes after another', async () => {
    const first = await capture((x: tf.Tensor) => tf.square(x), tf.ones([5]));
    const second = await capture((x: tf.Tensor) => tf.sum(x), tf.ones([5]));
    const middle = first.run(tf.tensor1d([1, 2, 3, 4, 5]));
    expect(Array.from(await second.read(middle))).toEqual([55]);
    first.dispose();
    second.dispose();
  });

  it('reads twice at once', async () => {
    const replay = await capture((x: tf.Tensor) => tf.square(x), tf.ones([2]));
    const reads = [1, 2, 3, 4].map((value) => replay.read(new Float32Array([value, 0])));
    expect((await Promise.all(reads)).map((values) => values[0])).toEqual([1, 4, 9, 16]);
    replay.dispose();
  });

  it('makes nothing on the device once it runs', async () => {
    const {run, inputs} = alibiModel(32);
    const replay = await capture(run, inputs(0));
    const given = {bytes: new Int32Array(32).fill(7)};
    for (let i = 0; i < 2; i++) await replay.read(given);
    const calls = await deviceCalls(backend().device, () => replay.read(given));
    expect(calls).toEqual({createBindGroup: 0, createBuffer: 0, writeBuffer: 1, destroy: 0});
    replay.dispose();
  });

  it('says what it holds', async () => {
    const replay = await capture((x: tf.Tensor) => tf.add(tf.mul(x, tf.tensor1d([1, 2, 3])), tf.tensor1d([4, 5, 6])), tf.ones([3]));
    expect(replay.dispatches).toBe(2);
    expect(replay.constants).toEqual([
      {op: 'Multiply', bytes: 12},
      {op: 'Add', bytes: 12},
    ]);
    // Input, product, sum, two constants, uniforms.
    expect(replay.bytes).toBeGreaterThan(5 * 12);
    expect(replay.bytes).toBeLessThan(5 * 12 + 1024);
    replay.dispose();
  });

  it('plans memory by last use: a deep function holds no more than a flat one', async () => {
    const deep = (depth: number) => (x: tf.Tensor) => {
      let y: tf.Tensor = x;
      for (let i = 0; i < depth; i++) y = tf.tanh(tf.add(y, i));
      return y;
    };
    const [few, many] = await Promise.all([2, 40].map((depth) => capture(deep(depth), tf.ones([10_000]))));
    expect(many!.dispatches).toBe(80);
    // What differs is numbers of uniforms.
    expect(many!.bytes - few!.bytes).toBeLessThan(40 * 256);
    few!.dispose();
    many!.dispose();
  });

  it('runs on after its model is gone, with other lengths between, and leaks nothing', async () => {
    const artifacts = encoderGraph('matMul', SIZES, 128);
    const load = () => loadGraphModelSync(sparseIOHandler(artifacts, {pattern: full()}));
    const [model, other] = [load(), load()];
    const sets = [1, 2, 3, 4].map((seed) => tokens(seed));
    const expected: unknown[] = [];
    const kept: tf.Tensor[] = [];
    for (const set of sets) {
      const outputs = model.execute(set) as tf.Tensor[];
      expected.push(await outputsOf(outputs));
      kept.push(...outputs);
    }
    const replay = await capture((inputs: tf.NamedTensorMap) => model.execute(inputs) as tf.Tensor[], sets[0]!);
    model.dispose();
    const long = tokens(3, 120);
    const counts = (): number[] => [tf.memory().numTensors, backend().numDataIds(), backend().bufferManager.numBytesUsed];
    let steady: number[] = [];
    for (let i = 0; i < 60; i++) {
      const outputs = replay.run(sets[i % 4]!);
      if (i % 7 === 0) tf.dispose(other.execute(long));
      if (i % 3 === 0)
        expect(await outputsOf(outputs))
          .withContext(`replay ${i}`)
          .toEqual(expected[i % 4]);
      tf.dispose(outputs);
      host().flush();
      if (i === 20) steady = counts();
      if (i > 20) expect(counts()).toEqual(steady);
    }
    replay.dispose();
    other.dispose();
    tf.dispose([kept, sets, long]);
  });

  it('on a backend that is not active gives tensors of its own backend', async () => {
    const replay = await capture((x: tf.Tensor) => tf.square(x), tf.ones([2]));
    await tf.setBackend('cpu');
    try {
      const y = replay.run(new Float32Array([3, 4]));
      expect(Array.from(await y.data())).toEqual([9, 16]);
      expect(Array.from(await replay.read(tf.tensor1d([5, 6])))).toEqual([25, 36]);
    } finally {
      await tf.setBackend('webgpu');
      replay.dispose();
    }
  });

  it('submits long attention in turns, as calls do', async () => {
    const x = random([1, 1, 64, 8], 1) as tf.Tensor4D;
    const submits = spyOn(backend().device.queue, 'submit').and.callThrough();
    const before = tf.env().getNumber('SPLAT_DISPATCH_MS');
    tf.env().set('SPLAT_DISPATCH_MS', 1e-4);
    try {
      await expectReplays(
        (q: tf.Tensor) => sparseAttention(q as tf.Tensor4D, x, x, slidingWindow({left: 5}), {implementation: 'fused'}),
        (seed) => random([1, 1, 64, 8], seed),
        {},
        (replay) => {
          submits.calls.reset();
          replay.run(x).dispose();
          expect(submits.calls.count()).toBeGreaterThan(1);
        },
      );
    } finally {
      tf.env().set('SPLAT_DISPATCH_MS', before);
    }
  });
});
