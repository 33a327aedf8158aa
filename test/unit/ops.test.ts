import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import {gelu, layerNorm, rmsNorm, silu, SplatError} from '../../src/index.js';
import {expectWithin, mulberry32} from '../oracle.js';
import {specifyOps} from '../support/op_cases.js';
import {ACTIVATION_ORACLES, normGradients, normOracle, slopeAt} from '../support/op_oracle.js';

for (const backend of ['cpu', 'wasm'])
  describe(`norms and activations on the ${backend} backend:`, () => {
    beforeAll(() => tf.setBackend(backend));
    specifyOps(1e-5, 40);
  });

const exactly = (value: number): number => value;

describe('the oracle of norms and activations', () => {
  it('differentiates as finite differences do', () => {
    const random = mulberry32(5);
    const draw = (length: number): number[] => Array.from({length}, () => 2 * random() - 1);
    for (const centred of [true, false]) {
      const of = {centred, rows: 3, width: 4, epsilon: 1e-3};
      const tensors = {x: draw(12), gamma: draw(4), beta: draw(4), residual: draw(12)};
      const [dOutput, dSum] = [draw(12), draw(12)];
      const loss = (given: typeof tensors): number => {
        const {output, sum} = normOracle(of, given, exactly);
        return output.reduce((all, value, i) => all + value * dOutput[i]! + sum[i]! * dSum[i]!, 0);
      };
      const {dX, dGamma, dBeta} = normGradients(of, tensors, dOutput, dSum, exactly);
      for (const [role, found] of Object.entries({x: dX, residual: dX, gamma: dGamma, beta: dBeta}) as [
        keyof typeof tensors,
        Float64Array,
      ][]) {
        const slopes = tensors[role].map((at, i) => slopeAt((near) => loss({...tensors, [role]: tensors[role].with(i, near)}), at));
        expectWithin(found, slopes, 1e-8, role);
      }
    }
  });

  it('knows the error function', () => {
    // Of tables: erf(x) = 2 · gelu(x√2) / (x√2) − 1.
    for (const [x, erf] of [
      [0.5, 0.5204998778],
      [1, 0.8427007929],
      [2, 0.995322265],
      [3.5, 0.9999992569],
    ] as const)
      expect((2 * ACTIVATION_ORACLES.erf(x * Math.SQRT2)) / (x * Math.SQRT2) - 1).toBeCloseTo(erf, 9);
  });
});

describe('norms and activations refuse', () => {
  beforeAll(() => tf.setBackend('cpu'));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const x = (): tf.Tensor => tf.ones([2, 3]);
  const cases: [string, () => unknown, RegExp][] = [
    ['whole numbers', () => layerNorm(tf.ones([2, 3], 'int32')), /^x: found dtype int32, expected dtype float32\. Cast it/],
    ['whole numbers in gelu', () => gelu(tf.ones([2], 'int32')), /^x: found dtype int32/],
    ['booleans in silu', () => silu(tf.ones([2], 'bool')), /^x: found dtype bool/],
    ['a scalar', () => rmsNorm(tf.scalar(1)), /^x: found a scalar, expected a tensor \[\.\., width\]/],
    [
      'a gamma of another length',
      () => layerNorm(x(), tf.ones([2])),
      /^gamma: found shape \[2\], expected \[3\]\. .*shape is \[2, 3\]/,
    ],
    ['a gamma of higher rank', () => rmsNorm(x(), tf.ones([1, 3])), /^gamma: found shape \[1, 3\].*tf\.reshape\(gamma, \[3\]\)/],
    ['a beta of another type', () => layerNorm(x(), null, tf.ones([3], 'int32')), /^beta: found dtype int32/],
    [
      'a residual that would have to be spread',
      () => layerNorm(x(), null, null, {residual: tf.ones([1, 3])}),
      /^option residual: found shape \[1, 3\], expected \[2, 3\], that of x\. .*broadcastTo/,
    ],
    [
      'an epsilon below 0',
      () => layerNorm(x(), null, null, {epsilon: -1e-5}),
      /^option epsilon: found -0\.00001, expected a number of at least 0/,
    ],
    ['NaN as epsilon', () => rmsNorm(x(), null, {epsilon: NaN}), /^option epsilon: found NaN/],
    ['∞ as epsilon', () => rmsNorm(x(), null, {epsilon: Infinity}), /^option epsilon: found Infinity/],
    ['a text as epsilon', () => rmsNorm(x(), null, {epsilon: '1e-5' as never}), /^option epsilon: found the text '1e-5'/],
    [
      'the name of others',
      () => rmsNorm(x(), null, {eps: 1} as never),
      /^option eps: found an unknown option.*Did you mean 'epsilon'/,
    ],
    ['options in place of gamma', () => rmsNorm(x(), {epsilon: 1} as never), /^gamma: found an object, expected a float32 tensor/],
    ['a number as options', () => layerNorm(x(), null, null, 1e-5 as never), /^options: found 0\.00001/],
    [
      'an unknown approximation',
      () => gelu(x(), {approximate: 'tan' as never}),
      /^option approximate: found the text 'tan'.*Did you mean 'tanh'/,
    ],
    ["PyTorch's word", () => gelu(x(), {approximate: 'none' as never}), /^option approximate: .*'none' is 'erf'/],
    ['a promise', () => silu(Promise.resolve(1) as never), /^x: found a promise, .*Await it first/],
  ];
  for (const [title, call, message] of cases)
    it(title, () => {
      const start = tf.memory().numTensors;
      expect(() => tf.tidy(() => call() as tf.Tensor)).toThrowError(SplatError, message);
      expect(tf.memory().numTensors).toBe(start);
    });

  it('a disposed tensor', () => {
    const gone = tf.ones([2, 3]);
    gone.dispose();
    expect(() => layerNorm(gone)).toThrowError(SplatError, /^x: found a disposed tensor/);
  });
});
