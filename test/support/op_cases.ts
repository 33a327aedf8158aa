// Specs of norms and activations that every backend has to pass. Importers need the gradients of tf ops: '@tensorflow/tfjs'.
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {gelu, layerNorm, rmsNorm, silu} from '../../src/index.js';
import {normed} from '../../src/runtime/index.js';
import type {Activation} from '../../src/wgsl/index.js';
import {expectWithin, mulberry32} from '../oracle.js';
import {ACTIVATION_ORACLES, normGradients, normOracle, slopeAt, type NormTensors} from './op_oracle.js';

/** A norm of random rows. */
export interface RandomNorm {
  readonly name: 'layerNorm' | 'rmsNorm';
  readonly rows: number;
  readonly width: number;
  readonly epsilon: number;
  readonly gamma: boolean;
  readonly beta: boolean;
  readonly residual: boolean;
  readonly withSum: boolean;
  /** Added to all numbers: the mean is then known to fewer digits than what is left of them. */
  readonly far: number;
  readonly seed: number;
}

const fill = (length: number, random: () => number, far = 0): Float32Array =>
  Float32Array.from({length}, () => far + 2 * random() - 1);
const most = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30);

/** What a pool hands out next holds NaN wherever nobody writes. */
function poison(sizes: readonly (readonly number[])[]): void {
  for (let turn = 0; turn < 2; turn++) {
    const tensors = sizes.map((shape) => tf.mul(tf.fill([...shape], 1), NaN));
    tensors.forEach((tensor) => tensor.dispose());
  }
}

function drawn({rows, width, far, seed, ...given}: RandomNorm): NormTensors {
  const random = mulberry32(seed);
  return {
    x: fill(rows * width, random, far),
    gamma: given.gamma ? fill(width, random) : undefined,
    beta: given.beta ? fill(width, random) : undefined,
    residual: given.residual ? fill(rows * width, random) : undefined,
  };
}

/** Compares outputs and gradients, to `limit` of the largest number that is expected. */
export async function expectNorm(given: RandomNorm, limit: number): Promise<void> {
  const {name, rows, width, epsilon, withSum, seed} = given;
  tf.engine().startScope();
  const values = drawn(given);
  const shape = [rows, width];
  const tensors = Object.entries(values).flatMap(([role, data]: [string, ArrayLike<number> | undefined]) =>
    data === undefined
      ? []
      : [[role, tf.tensor(data as Float32Array, role === 'x' || role === 'residual' ? shape : [width])] as const],
  );
  const of = {centred: name === 'layerNorm', rows, width, epsilon};
  const random = mulberry32(seed + 1);
  const [dOutput, dSum] = [fill(rows * width, random), fill(rows * width, random)];
  const inputs = tensors.map(([, tensor]) => tensor);
  const compute = (...all: tf.Tensor[]): tf.Tensor[] => {
    const {x, gamma, beta, residual} = Object.fromEntries(tensors.map(([role], i) => [role, all[i]!]));
    return normed(name, x!, gamma, beta, {epsilon, residual}, withSum);
  };
  poison([shape, shape]);
  const found = compute(...inputs);
  const right = normOracle(of, values);
  expectWithin(await found[0]!.data(), right.output, limit * most(right.output), `output of ${JSON.stringify(given)}`);
  if (withSum) expectWithin(await found[1]!.data(), right.sum, 1e-7 * most(right.sum), 'sum');
  const loss = (...all: tf.Tensor[]): tf.Tensor => {
    const [output, sum] = compute(...all);
    const own = tf.sum(tf.mul(output!, tf.tensor(dOutput, shape)));
    return withSum ? tf.add(own, tf.sum(tf.mul(sum!, tf.tensor(dSum, shape)))) : own;
  };
  poison([shape, [width], [width]]);
  const gradients = tf.grads(loss)(inputs);
  const wanted = normGradients(of, values, dOutput, withSum ? dSum : undefined);
  const byRole: Record<string, Float64Array> = {x: wanted.dX, residual: wanted.dX, gamma: wanted.dGamma, beta: wanted.dBeta};
  for (const [i, [role]] of tensors.entries()) {
    const expected = byRole[role]!;
    // Where beta has none of a row of one, gradients cancel to zero: compared with what they are sums of.
    const size = Math.max(most(expected), role === 'x' || role === 'residual' ? most(right.scales) : 1);
    expectWithin(await gradients[i]!.data(), expected, 2 * limit * size, `gradient of ${role} of ${JSON.stringify(given)}`);
  }
  tf.engine().endScope();
}

export const anyNorm = (width: fc.Arbitrary<number>): fc.Arbitrary<RandomNorm> =>
  fc.record({
    name: fc.constantFrom('layerNorm', 'rmsNorm'),
    rows: fc.integer({min: 1, max: 150}),
    width,
    epsilon: fc.constantFrom(1e-5, 1e-3),
    gamma: fc.boolean(),
    beta: fc.boolean(),
    residual: fc.boolean(),
    withSum: fc.boolean(),
    far: fc.constantFrom(0, 0, 3),
    seed: fc.nat(1000),
  });

const APPROXIMATE: Readonly<Record<Activation, (x: tf.Tensor) => tf.Tensor>> = {
  silu,
  erf: gelu,
  tanh: (x) => gelu(x, {approximate: true}),
  sigmoid: (x) => gelu(x, {approximate: 'sigmoid'}),
};

/** Inside `describe`, with the backend to test active in each spec; errors are up to `limit` of the largest number. `runs` are of random norms. */
export function specifyOps(limit: number, runs: number): void {
  const scoped = (body: () => Promise<void>) => async (): Promise<void> => {
    const start = tf.memory().numTensors;
    tf.engine().startScope();
    await body();
    tf.engine().endScope();
    expect(tf.memory().numTensors).toBe(start);
  };

  it('norm random rows and differentiate, with and without gamma, beta, residual and sum', () =>
    fc.assert(
      fc.asyncProperty(anyNorm(fc.constantFrom(1, 2, 3, 4, 7, 12, 33, 100)), (given) => expectNorm(given, limit)),
      {numRuns: runs},
    ));

  for (const [name, activate] of Object.entries(APPROXIMATE) as [Activation, (typeof APPROXIMATE)[Activation]][]) {
    const oracle = ACTIVATION_ORACLES[name];

    for (const count of [1, 7, 1000])
      it(
        `${name} of ${count} numbers and its gradient`,
        scoped(async () => {
          const random = mulberry32(count);
          const values = Float32Array.from({length: count}, () => 24 * random() - 12);
          const weights = fill(count, random);
          const x = tf.tensor1d(values);
          poison([[count]]);
          const output = activate(x);
          const expected = Array.from(values, oracle);
          expectWithin(await output.data(), expected, limit * most(expected));
          poison([[count]]);
          const gradient = tf.grad((at: tf.Tensor) => tf.sum(tf.mul(activate(at), tf.tensor1d(weights))))(x);
          const slopes = Array.from(values, (at, i) => weights[i]! * slopeAt(oracle, at));
          expectWithin(await gradient.data(), slopes, 2 * limit * most(slopes));
        }),
      );

    it(
      `${name} of numbers without measure`,
      scoped(async () => {
        const x = tf.tensor1d([-Infinity, -1e30, -1000, 1000, 1e30, Infinity, NaN]);
        const [output, gradient] = [await activate(x).data(), await tf.grad(activate)(x).data()];
        expectWithin(output.subarray(0, 4), [0, 0, 0, 1000], 1e-30);
        expect(output[4]! / 1e30).toBeCloseTo(1, 6);
        expect([output[5], output[6]]).toEqual([Infinity, NaN]);
        expectWithin(gradient.subarray(0, 6), [0, 0, 0, 1, 1, 1], 1e-6);
        expect(gradient[6]).toBeNaN();
      }),
    );

    it(
      `${name}: the derivative of its gradient`,
      scoped(async () => {
        const values = [-2, -0.7, 0, 0.3, 1.9];
        const x = tf.tensor1d(values);
        const second = tf.grad((at: tf.Tensor) => tf.sum(tf.square(tf.grad(activate)(at))))(x);
        const slope = (at: number): number => slopeAt(oracle, at);
        const expected = values.map((at) => slopeAt((near) => slope(near) ** 2, at, 1e-2));
        expectWithin(await second.data(), expected, 1e-5);
      }),
    );
  }

  it(
    'the derivative of a gradient of layerNorm',
    scoped(async () => {
      const of = {centred: true, rows: 1, width: 5, epsilon: 1e-2};
      const [values, weights] = [
        [0.3, -1.2, 0.8, 2, -0.1],
        [1, -2, 0.5, 1.5, 0.7],
      ];
      const loss = (x: tf.Tensor): tf.Tensor => tf.sum(tf.mul(layerNorm(x, null, null, {epsilon: 1e-2}), tf.tensor1d(weights)));
      const second = tf.grad((x: tf.Tensor) => tf.sum(tf.square(tf.grad(loss)(x))))(tf.tensor1d(values));
      const penalty = (x: readonly number[]): number =>
        normGradients(of, {x}, weights).dX.reduce((sum, each) => sum + each * each, 0);
      const expected = values.map((at, i) => slopeAt((near) => penalty(values.with(i, near)), at, 1e-3));
      expectWithin(await second.data(), expected, 2e-5 * most(expected));
    }),
  );

  it(
    'variables in tf.variableGrads, and one tensor in two places',
    scoped(async () => {
      const values = [1, 2, 4, -3, 0.5, 1.5];
      const x = tf.variable(tf.tensor2d(values, [2, 3]));
      const gamma = tf.variable(tf.tensor1d([1, 2, 3]));
      const {grads} = tf.variableGrads(() => tf.sum(tf.square(rmsNorm(x, gamma, {residual: x}))) as tf.Scalar);
      const of = {centred: false, rows: 2, width: 3, epsilon: 1e-6};
      const doubled = values.map((value) => 2 * value);
      const {output} = normOracle(of, {x: doubled, gamma: [1, 2, 3]});
      const right = normGradients(
        of,
        {x: doubled, gamma: [1, 2, 3]},
        output.map((value) => 2 * value),
      );
      expectWithin(
        await grads[x.name]!.data(),
        right.dX.map((value) => 2 * value),
        1e-4,
      );
      expectWithin(await grads[gamma.name]!.data(), right.dGamma, 1e-4);
      x.dispose();
      gamma.dispose();
    }),
  );

  for (const shape of [[0, 4], [3, 0], [0]])
    it(
      `nothing of shape [${shape.join()}]`,
      scoped(async () => {
        const [x, vector] = [tf.zeros(shape), tf.ones([shape.at(-1)!])];
        const outputs = [layerNorm(x, vector, vector, {residual: x}), rmsNorm(x), gelu(x), silu(x)];
        for (const output of outputs) expect([output.shape, output.dtype]).toEqual([shape, 'float32']);
        const gradients = tf.grads((at, gamma, beta) => layerNorm(at!, gamma, beta))([x, vector, vector]);
        expect(gradients.map((each) => each.shape)).toEqual([shape, vector.shape, vector.shape]);
        for (const each of gradients.slice(1)) expectWithin(await each.data(), new Array(shape.at(-1)!).fill(0), 0);
        expect(tf.grad(gelu)(x).shape).toEqual(shape);
      }),
    );

  it(
    'floats that are stored as whole numbers or booleans, of rank 1 and 4',
    scoped(async () => {
      const x = tf.cast(tf.tensor1d([1, 5, 2, 0], 'int32'), 'float32');
      const gamma = tf.cast(tf.tensor1d([1, 0, 1, 1], 'bool'), 'float32');
      const {output} = normOracle({centred: true, rows: 1, width: 4, epsilon: 1e-5}, {x: [1, 5, 2, 0], gamma: [1, 0, 1, 1]});
      expectWithin(await layerNorm(x, gamma).data(), output, 1e-5);
      const high = layerNorm(tf.reshape(x, [1, 1, 1, 4]), gamma);
      expect(high.shape).toEqual([1, 1, 1, 4]);
      expectWithin(await high.data(), output, 1e-5);
      expectWithin(await silu(x).data(), [1, 5, 2, 0].map(ACTIVATION_ORACLES.silu), 1e-5);
    }),
  );

  it('arrays in place of tensors, outside of any tidy', async () => {
    const start = tf.memory().numTensors;
    const output = layerNorm([[1, 2, 3]], [1, 1, 1], [0, 0, 0], {residual: [[1, 1, 1]]});
    expectWithin(await output.data(), [-1.2247, 0, 1.2247], 1e-4);
    output.dispose();
    const row = rmsNorm([3, 3]);
    expectWithin(await row.data(), [1, 1], 1e-4);
    row.dispose();
    expect(tf.memory().numTensors).toBe(start);
  });
}
