// Specs of second derivatives that every backend has to pass. Importers need the gradients of tf ops: '@tensorflow/tfjs'.
import * as tf from '@tensorflow/tfjs-core';
import {causal, full, mergeAttention, sparseAttention, sparseAttentionWithAux} from '../../src/index.js';
import {MultiHeadAttention} from '../../src/layers/index.js';
import {SplatError} from '../../src/support/index.js';
import {expectWithin} from '../oracle.js';

const square = (x: tf.Tensor): tf.Tensor => tf.sum(tf.mul(x, x));
/** tf.matMul has no gradient of weights that are broadcast. */
const project = (x: tf.Tensor, weights: tf.Tensor): tf.Tensor =>
  tf.reshape(tf.matMul(tf.reshape(x, [12, 4]) as tf.Tensor2D, weights as tf.Tensor2D), [1, 2, 6, weights.shape[1]!]);
const draw = (shape: number[], seed: number): tf.Tensor => tf.randomUniform(shape, -1, 1, 'float32', seed);

/** Inside `describe`, with the backend to test active in each spec. */
export function specifySecondDerivatives(): void {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const [query, key, value] = [1, 2, 3].map((seed) => (): tf.Tensor => draw([1, 2, 6, 4], seed)) as [
    () => tf.Tensor,
    () => tf.Tensor,
    () => tf.Tensor,
  ];
  const refused = (loss: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, of: string): void => {
    const penalty = (at: tf.Tensor): tf.Tensor => tf.add(loss(at), square(tf.grad(loss)(at)));
    expect(() => tf.grad(penalty)(x)).toThrowError(
      SplatError,
      new RegExp(`second derivative of ${of}: .* first derivatives.*tf.softmax`, 's'),
    );
  };

  it('refuse the gradient of a gradient, through each tensor that has one', () => {
    const [q, k, v] = [query(), key(), value()];
    refused((x) => square(sparseAttention(x, k, v, causal())), q, 'sparseAttention');
    refused((x) => square(sparseAttention(q, x, v, causal())), k, 'sparseAttention');
    refused((x) => square(sparseAttention(q, k, x, causal())), v, 'sparseAttention');
    const biased = (options: object): tf.Tensor => square(sparseAttention(q, k, v, full(), options));
    refused((bias) => biased({bias}), draw([1, 2, 6, 6], 4), 'sparseAttention');
    refused((relativeBias) => biased({relativeBias}), draw([2, 11], 5), 'sparseAttention');
    refused((alibiSlopes) => biased({alibiSlopes}), draw([2], 6), 'sparseAttention');
    refused((sinks) => biased({sinks}), draw([2], 7), 'sparseAttention');
  });

  it('refuse it through a log-sum-exp, and through merged parts', () => {
    const [q, k, v] = [query(), key(), value()];
    refused((x) => square(sparseAttentionWithAux(x, k, v, causal()).logSumExp), q, 'sparseAttention');
    const parts = [1, 2].map((seed) => ({output: draw([1, 2, 6, 4], seed), logSumExp: draw([1, 2, 6], seed + 2)}));
    const merged = (output: tf.Tensor, logSumExp: tf.Tensor): ReturnType<typeof mergeAttention> =>
      mergeAttention([output, parts[1]!.output], [logSumExp, parts[1]!.logSumExp]);
    refused((x) => square(merged(x, parts[0]!.logSumExp).output), parts[0]!.output, 'mergeAttention');
    refused((x) => square(merged(parts[0]!.output, x).output), parts[0]!.logSumExp, 'mergeAttention');
    refused((x) => square(merged(parts[0]!.output, x).logSumExp), parts[0]!.logSumExp, 'mergeAttention');
  });

  it('refuse it through a layer, and to an optimizer', () => {
    const layer = new MultiHeadAttention({numHeads: 2, keyDim: 4});
    const apply = (x: tf.Tensor): tf.Tensor => layer.apply(x) as tf.Tensor;
    refused((x) => square(apply(x)), draw([1, 6, 8], 1), 'sparseAttention');
    const [k, v, weight] = [key(), value(), tf.variable(draw([4, 4], 9))];
    const loss = (w: tf.Tensor): tf.Tensor => square(sparseAttention(project(query(), w), k, v, causal()));
    const minimize = (): unknown =>
      tf.train.sgd(0.1).minimize(() => tf.add(loss(weight), square(tf.grad(loss)(weight))) as tf.Scalar);
    expect(minimize).toThrowError(SplatError, /second derivative/);
    weight.dispose();
  });

  it('give what needs first derivatives alone, beside a gradient inside', async () => {
    const [q, k, v, w] = [query(), key(), value(), draw([4, 3], 8)];
    const attention = (x: tf.Tensor): tf.Tensor => sparseAttention(x, k, v, full());
    const dense = (x: tf.Tensor): tf.Tensor => tf.matMul(tf.softmax(tf.mul(tf.matMul(x, k, false, true), 0.5)), v);
    // The gradient of a projection behind the attention holds the attention, not its gradient.
    const penalty = (attend: typeof dense, x: tf.Tensor): tf.Tensor => {
      const ofWeights = tf.grad((weights: tf.Tensor) => square(project(attend(x), weights)))(w);
      return square(ofWeights);
    };
    const found = tf.grad((x: tf.Tensor) => penalty(attention, x))(q);
    const expected = tf.grad((x: tf.Tensor) => penalty(dense, x))(q);
    expectWithin(await found.data(), await expected.data(), 1e-4, 'a gradient behind the attention');
    // And a gradient that is only looked at is no part of the loss.
    const looked = tf.grad((x: tf.Tensor) => {
      tf.grad((y: tf.Tensor) => square(attention(y)))(x);
      return square(attention(x));
    })(q);
    const alone = tf.grad((x: tf.Tensor) => square(attention(x)))(q);
    expect(await looked.data()).toEqual(await alone.data());
  });
}
