import * as tfjs from '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {
  causal,
  globalTokens,
  slidingWindow,
  sparseAttention,
  sparseAttentionWithAux,
  SplatError,
  type SparseAttentionOptions,
} from '../../src/index.js';
import {backend, host, tensorsOf, type Three} from '../support/attend.js';
import {randomInputs, tfjsDense} from '../oracle.js';
import {problemFor} from '../support/plans.js';

const SIZES = {queryLength: 40, keyLength: 40, queryOffset: 0};
const PATTERN = slidingWindow({left: 6, right: 2}).or(globalTokens(2));
const SHAPE: [number, number, number, number] = [1, 2, 40, 16];

const inputs = (): Three => tensorsOf(randomInputs(problemFor(SIZES, {heads: 2})));

/** 0 where the pattern attends, else −10⁹. */
const additive = (pattern = PATTERN, length = 40): tf.Tensor =>
  tf.tensor2d(
    Float32Array.from({length: length * length}, (_, i) => {
      const shape = {queryLength: length, keyLength: length, queryOffset: 0};
      return pattern.attends(Math.floor(i / length), i % length, shape) ? 0 : -1e9;
    }),
    [length, length],
  );

/** What a user of tfjs would write. */
const dense = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor =>
  tfjsDense(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, additive(), 1 / 4);

const sparse = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor => sparseAttention(q, k, v, PATTERN);

type Attention = typeof dense;

/** A scalar that depends on every element of the output differently. */
const lossOf = (output: tf.Tensor): tf.Scalar => tf.sum(tf.mul(output, tf.sin(tf.range(0, output.size).reshape(output.shape))));

async function expectNear(found: tf.Tensor, expected: tf.Tensor, what: string): Promise<void> {
  expect(found.shape).withContext(what).toEqual(expected.shape);
  const [error] = await tf.max(tf.abs(tf.sub(found, expected))).data();
  const [size] = await tf.max(tf.abs(expected)).data();
  expect(error)
    .withContext(what)
    .toBeLessThanOrEqual(1e-5 * size!);
  expect(size).withContext(what).toBeGreaterThan(0);
}

describe('attention in the gradients of TensorFlow.js', () => {
  beforeAll(() => tf.env().set('IS_TEST', true)); // the engine then fails kernels that leave tensors behind
  afterAll(() => tf.env().set('IS_TEST', false));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('gives the same to tf.grad, tf.grads, tf.valueAndGrads and tf.variableGrads', async () => {
    const [q, k, v] = inputs();
    const loss = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Scalar => lossOf(sparse(q, k, v));
    const all = tf.grads(loss)([q, k, v]);
    const {value, grads} = tf.valueAndGrads(loss)([q, k, v]);
    expect(await value.data()).toEqual(await loss(q, k, v).data());
    const variables = [q, k, v].map((tensor, i) => tf.variable(tensor, true, `variable ${i}`));
    const named = tf.variableGrads(() => loss(...(variables as unknown as Three))).grads;
    const ones = [
      tf.grad((x: tf.Tensor) => loss(x, k, v))(q),
      tf.grad((x: tf.Tensor) => loss(q, x, v))(k),
      tf.grad((x: tf.Tensor) => loss(q, k, x))(v),
    ];
    const expected = tf.grads((q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => lossOf(dense(q, k, v)))([q, k, v]);
    for (const [i, name] of ['query', 'key', 'value'].entries()) {
      await expectNear(all[i]!, expected[i]!, name);
      const bits = await all[i]!.data();
      for (const same of [grads[i]!, named[`variable ${i}`]!, ones[i]!])
        expect(await same.data())
          .withContext(name)
          .toEqual(bits);
    }
    tf.dispose(variables);
  });

  it('takes the gradient that is handed to tf.grad', async () => {
    const [q, k, v] = inputs();
    const dy = tf.randomNormal(SHAPE, 0, 1, 'float32', 3);
    await expectNear(tf.grad((x: tf.Tensor) => sparse(x, k, v))(q, dy), tf.grad((x: tf.Tensor) => dense(x, k, v))(q, dy), 'query');
  });

  it('adds up what a tensor gets from several uses', async () => {
    const [q, k, v] = inputs();
    const uses: readonly (readonly [string, (attention: Attention) => (x: tf.Tensor) => tf.Scalar])[] = [
      ['two attentions of one query', (a) => (x) => tf.add(lossOf(a(x, k, v)), lossOf(a(x, v, k)))],
      [
        'one output, used twice',
        (a) => (x) => {
          const output = a(x, k, v);
          return tf.add(lossOf(output), lossOf(tf.square(output)));
        },
      ],
      ['query, key and value at once', (a) => (x) => lossOf(a(x, x, x))],
      ['attention of attention', (a) => (x) => lossOf(a(a(x, k, v), x, v))],
    ];
    for (const [what, use] of uses) await expectNear(tf.grad(use(sparse))(q), tf.grad(use(dense))(q), what);
  });

  it('trains only what is asked for', async () => {
    const [q, k, v] = inputs();
    await expectNear(
      tf.grad((x: tf.Tensor) => lossOf(sparse(q, k, x)))(v),
      tf.grad((x: tf.Tensor) => lossOf(dense(q, k, x)))(v),
      'value',
    );
    const bias = tf.randomNormal([1, 2, 40, 40], 0, 1, 'float32', 8);
    const hidden = additive();
    const biased = (x: tf.Tensor): tf.Scalar => lossOf(tfjsDense(q, k, v, tf.add(x, hidden), 1 / 4));
    await expectNear(
      tf.grad((x: tf.Tensor) => lossOf(sparseAttention(q, k, v, PATTERN, {bias: x})))(bias),
      tf.grad(biased)(bias),
      'bias',
    );
    // The frozen ones may even be of other types and places: arrays.
    const frozen = (await q.array()) as unknown as tf.TensorLike;
    await expectNear(
      tf.grad((x: tf.Tensor) => lossOf(sparseAttention(frozen, k, x, PATTERN)))(v),
      tf.grad((x: tf.Tensor) => lossOf(dense(q, k, x)))(v),
      'value beside an array',
    );
  });

  it('comes through the log-sum-exp alone', async () => {
    const [q, k, v] = inputs();
    const found = tf.grad((x: tf.Tensor) => lossOf(sparseAttentionWithAux(x, k, v, PATTERN).logSumExp))(q);
    const scores = (x: tf.Tensor): tf.Tensor => tf.add(tf.mul(tf.matMul(x, k, false, true), 1 / 4), additive());
    await expectNear(found, tf.grad((x: tf.Tensor) => lossOf(tf.logSumExp(scores(x), -1)))(q), 'query');
  });

  it('says what has no gradient', () => {
    const [q, k, v] = inputs();
    const mask = tf.ones([40, 40], 'bool');
    const keyLengths = tf.tensor1d([30], 'int32');
    const [segments, others] = [tf.zeros([1, 40], 'int32'), tf.zeros([1, 40], 'int32')];
    const refusals: readonly (readonly [tf.Tensor, (x: tf.Tensor) => tf.Tensor, RegExp])[] = [
      [mask, (x) => sparseAttention(q, k, v, x), /^gradient of mask: /],
      [keyLengths, (x) => sparseAttention(q, k, v, PATTERN, {keyLengths: x}), /^gradient of keyLengths: /],
      [segments, (x) => sparseAttention(q, k, v, PATTERN, {segmentIds: {query: x, key: others}}), /^gradient of querySegments: /],
      [segments, (x) => sparseAttention(q, k, v, PATTERN, {segmentIds: {query: others, key: x}}), /^gradient of keySegments: /],
    ];
    for (const [x, attention, message] of refusals)
      expect(() => tf.grad((y: tf.Tensor) => tf.sum(attention(y)))(x)).toThrowError(SplatError, message);
  });

  it('leaves nothing behind, step by step', async () => {
    const variables = inputs().map((tensor) => tf.variable(tensor));
    const bias = tf.variable(tf.zeros([1, 2, 1, 40]));
    const sinks = tf.variable(tf.zeros([2]));
    const optimizer = tf.train.adam(0.01);
    const step = (options: SparseAttentionOptions): tf.Scalar =>
      optimizer.minimize(() => {
        const [q, k, v] = variables as unknown as Three;
        return tf.mean(tf.square(sparseAttention(q, k, v, PATTERN, {...options, bias, sinks}))) as tf.Scalar;
      }, true)!;
    // A dropout without a seed draws a new one in each step.
    const train = async (steps: number): Promise<void> => {
      for (let i = 0; i < steps; i++) {
        const loss = tf.tidy(() => step({dropout: 0.2}));
        await loss.data();
        loss.dispose();
      }
    };
    let buffers = 0;
    const {device} = host();
    const createBuffer = device.createBuffer.bind(device);
    spyOn(device, 'createBuffer').and.callFake((descriptor) => {
      const buffer = createBuffer(descriptor);
      // Those of seeds that do not come again are remembered, up to a bound (test/unit/memory.test.ts).
      if ((descriptor.usage & GPUBufferUsage.UNIFORM) !== 0) return buffer;
      buffers++;
      const destroy = buffer.destroy.bind(buffer);
      buffer.destroy = () => (buffers--, destroy());
      return buffer;
    });
    const pool = backend().bufferManager;
    const state = (): number[] => [
      tf.memory().numTensors,
      tf.memory().numBytes,
      pool.numBytesUsed,
      pool.numBytesAllocated,
      buffers,
    ];
    await train(12);
    const before = state();
    await train(20);
    expect(state()).toEqual(before);
    optimizer.dispose();
    tf.dispose([...variables, bias, sinks]);
  });

  it('saves nothing for a gradient that nobody can ask for', () => {
    const [q, k, v] = inputs();
    const before = tf.memory().numTensors;
    const output = sparse(q, k, v);
    expect(tf.memory().numTensors).toBe(before + 1);
    output.dispose();
  });
});

describe('a model that trains with attention', () => {
  const [LENGTH, WIDTH, HEADS, DIM] = [24, 8, 2, 8];
  const causalMask = (): tf.Tensor => additive(causal(), LENGTH);

  /** Values of a weight, the same for every model. */
  const initial = (name: string, shape: number[]): tf.Tensor => tf.randomNormal(shape, 0, 0.5, 'float32', name.charCodeAt(1));

  /** [batch, LENGTH, WIDTH] → the same: projections, attention with heads after lengths, a projection. */
  function block(x: tf.Tensor, weights: Record<string, tf.Tensor>, sparse: boolean): tf.Tensor {
    const [batch] = x.shape as [number];
    const project = (name: string): tf.Tensor =>
      tf.reshape(tf.matMul(tf.reshape(x, [batch * LENGTH, WIDTH]), weights[name]! as tf.Tensor2D), [batch, LENGTH, HEADS, DIM]);
    const [q, k, v] = [project('wq'), project('wk'), project('wv')] as Three;
    const heads = (tensor: tf.Tensor4D): tf.Tensor4D => tf.transpose(tensor, [0, 2, 1, 3]);
    const attended = sparse
      ? sparseAttention(q, k, v, causal(), {layout: 'blhd'})
      : heads(tfjsDense(heads(q), heads(k), heads(v), causalMask(), 1 / Math.sqrt(DIM)));
    return tf.reshape(tf.matMul(tf.reshape(attended, [batch * LENGTH, HEADS * DIM]), weights['wo']! as tf.Tensor2D), [
      batch,
      LENGTH,
      WIDTH,
    ]);
  }

  /** The task: the mean of all tokens so far. */
  function data(): {x: tf.Tensor3D; y: tf.Tensor3D} {
    const x = tf.randomNormal<tf.Rank.R3>([4, LENGTH, WIDTH], 0, 1, 'float32', 11);
    const counts = tf.reshape(tf.range(1, LENGTH + 1), [1, LENGTH, 1]);
    return {x, y: tf.div(tf.cumsum(x, 1), counts)};
  }

  it('has the loss curve of dense attention', async () => {
    const {x, y} = data();
    const curves: number[][] = [];
    for (const sparse of [true, false]) {
      const weights: Record<string, tf.Variable> = {};
      for (const name of ['wq', 'wk', 'wv', 'wo'])
        weights[name] = tf.variable(initial(name, name === 'wo' ? [HEADS * DIM, WIDTH] : [WIDTH, HEADS * DIM]));
      const optimizer = tf.train.adam(0.02);
      const curve: number[] = [];
      for (let step = 0; step < 20; step++) {
        const loss = optimizer.minimize(() => tf.losses.meanSquaredError(y, block(x, weights, sparse)) as tf.Scalar, true)!;
        curve.push((await loss.data())[0]!);
        loss.dispose();
      }
      curves.push(curve);
      optimizer.dispose();
      tf.dispose(weights);
    }
    tf.dispose([x, y]);
    const [found, expected] = curves as [number[], number[]];
    expect(found[19]).toBeLessThan(0.5 * found[0]!);
    found.forEach((loss, step) =>
      expect(Math.abs(loss / expected[step]! - 1))
        .withContext(`step ${step}: ${loss}, ${expected[step]}`)
        .toBeLessThan(0.01),
    );
  });

  it('is made of layers, and fits', async () => {
    class SelfAttention extends tfjs.layers.Layer {
      static className = 'SelfAttentionOfATest';
      private readonly own: Record<string, tfjs.LayerVariable> = {};

      override build(): void {
        for (const name of ['wq', 'wk', 'wv', 'wo']) {
          const shape = name === 'wo' ? [HEADS * DIM, WIDTH] : [WIDTH, HEADS * DIM];
          const seed = name.charCodeAt(1);
          this.own[name] = this.addWeight(name, shape, 'float32', tfjs.initializers.randomNormal({stddev: 0.5, seed}));
        }
        super.build([]);
      }

      override call(given: tf.Tensor | tf.Tensor[]): tf.Tensor {
        const weights = Object.fromEntries(Object.entries(this.own).map(([name, variable]) => [name, variable.read()]));
        return tf.tidy(() => block(Array.isArray(given) ? given[0]! : given, weights, true));
      }

      override computeOutputShape(shape: tfjs.Shape): tfjs.Shape {
        return shape;
      }
    }
    const model = tfjs.sequential({layers: [new SelfAttention({inputShape: [LENGTH, WIDTH]}), new SelfAttention({})]});
    model.compile({optimizer: tf.train.adam(0.02), loss: 'meanSquaredError'});
    const {x, y} = data();
    const losses = async (epochs: number): Promise<number[]> =>
      (await model.fit(x, y, {epochs, batchSize: 2, verbose: 0})).history['loss'] as number[];
    const first = await losses(2);
    const before = tf.memory().numTensors;
    const last = await losses(8);
    expect(tf.memory().numTensors).toBe(before);
    expect(last.at(-1)).toBeLessThan(0.7 * first[0]!);
    const output = model.predict(x) as tf.Tensor;
    expect(output.shape).toEqual([4, LENGTH, WIDTH]);
    tf.dispose([output, x, y]);
    model.dispose();
  });
});
