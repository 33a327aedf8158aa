import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {
  attentionWeights,
  causal,
  full,
  perHead,
  sddmm,
  slidingWindow,
  sparseSoftmax,
  spmm,
  type SparseScores,
  type Pattern,
} from '../../src/index.js';
import {refusal} from '../support/errors.js';

const draw = (...shape: [number, number, number, number]): tf.Tensor4D => tf.randomNormal(shape, 0, 1, 'float32', 3);

describe('sparse scores', () => {
  beforeAll(() => tf.setBackend('cpu'));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const made = (pattern: Pattern = slidingWindow({left: 1}), heads = 2): SparseScores =>
    sddmm(draw(1, heads, 4, 3), draw(1, heads, 4, 3), pattern);

  it('say where their numbers stand', () => {
    const scores = made();
    expect([...scores.rowOffsets]).toEqual([0, 1, 3, 5, 7]);
    expect([...scores.columns()]).toEqual([0, 0, 1, 1, 2, 2, 3]);
    expect([scores.nnz, scores.values.shape, scores.shape]).toEqual([7, [1, 2, 7], [1, 2, 4, 4]]);
    expect(String(scores.pattern)).toBe('slidingWindow(left: 1)');
  });

  it('have rows of their own where heads differ, with zeros behind the shorter', async () => {
    const scores = made(perHead([causal(), slidingWindow({left: 0})]));
    expect([...scores.rowOffsetsOf(0, 0)]).toEqual([0, 1, 3, 6, 10]);
    expect([...scores.rowOffsetsOf(0, 1)]).toEqual([0, 1, 2, 3, 4]);
    expect([...scores.columns(0, 1)]).toEqual([0, 1, 2, 3]);
    expect([...(await scores.values.data()).slice(14)]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('spread out, with any number for pairs that do not attend, and transposed', async () => {
    const scores = made(slidingWindow({left: 1}), 1).withValues([[[1, 2, 3, 4, 5, 6, 7]]]);
    expect(await scores.toDense(-1).array()).toEqual([
      [
        [
          [1, -1, -1, -1],
          [2, 3, -1, -1],
          [-1, 4, 5, -1],
          [-1, -1, 6, 7],
        ],
      ],
    ]);
    const turned = scores.transpose();
    expect([turned.isTransposed, turned.transpose().isTransposed]).toEqual([true, false]);
    expect(turned.values).toBe(scores.values);
    expect((await turned.toDense().array())[0]![0]![0]).toEqual([1, 2, 0, 0]);
    expect(await spmm(turned, [[[1], [10], [100], [1000]]]).array()).toEqual([[[21], [430], [6500], [7000]]] as never);
  });

  it('are equal tables where their pairs are, however they are written', () => {
    const one = made(slidingWindow({left: 1}));
    const other = made(slidingWindow({left: 1, right: 3}).and(causal()));
    expect(one.withValues(other).values).toBe(other.values);
  });

  it('go with their values', () => {
    const scores = made();
    scores.dispose();
    expect(scores.values.isDisposed).toBeTrue();
    expect(refusal(() => scores.toDense()).message).toMatch(/^values: found a disposed tensor/);
    expect(refusal(() => sparseSoftmax(scores)).message).toMatch(/^values of scores: found a disposed tensor/);
  });

  const value = (): tf.Tensor => draw(1, 2, 4, 3);
  const cases: [string, () => unknown, RegExp][] = [
    [
      'a mask in the place of a pattern',
      () => sddmm(value() as tf.Tensor4D, value() as tf.Tensor4D, tf.ones([4, 4], 'bool') as never),
      /^pattern: found a tensor.* expected a Pattern/,
    ],
    ['keys of other features', () => sddmm(draw(1, 2, 4, 3), draw(1, 2, 4, 5), full()), /^headDim of key: found 5, expected 3/],
    [
      'an option that makes no scores',
      () => sddmm(draw(1, 2, 4, 3), draw(1, 2, 4, 3), full(), {sinks: [1, 2]} as never),
      /^option 'sinks': found an unknown option/,
    ],
    [
      'dropout of weights',
      () => attentionWeights(draw(1, 2, 4, 3), draw(1, 2, 4, 3), full(), {dropout: 0.5} as never),
      /^option 'dropout': found an unknown option/,
    ],
    [
      'a softmax of tensors',
      () => sparseSoftmax(tf.ones([1, 2, 7]) as never),
      /^scores: found .*expected SparseScores\. Make them by sddmm/,
    ],
    ['a softmax of columns', () => sparseSoftmax(made().transpose()), /^scores: found transposed ones/],
    [
      'sinks of other heads',
      () => sparseSoftmax(made(), {sinks: [1, 2, 3]}),
      /^sinks: found shape \[3\], expected \[heads\] = \[2\]/,
    ],
    [
      'values of another number',
      () => made().withValues(tf.ones([1, 2, 8])),
      /^values: found shape \[1, 2, 8\], expected \[1, 2, 7\], \[batch, heads, nnz\]/,
    ],
    ['whole numbers as values', () => made().withValues(tf.ones([1, 2, 7], 'int32')), /^values: found dtype int32/],
    [
      'values of another pattern',
      () => made(causal()).withValues(made(slidingWindow({left: 1}).or(causal().and(slidingWindow({left: 3, right: 3}).not())))),
      /^values: found scores of .* from which row 2 differs/,
    ],
    [
      'values of other heads',
      () => made(causal(), 2).withValues(made(causal(), 3)),
      /^values: found scores of \[1, 3, 4, 4\], expected of \[1, 2, 4, 4\]/,
    ],
    [
      'values of transposed scores',
      () => made().withValues(made().transpose()),
      /^values: found scores of \[1, 2, 4, 4\], transposed/,
    ],
    [
      'a product with another length',
      () => spmm(made(), draw(1, 2, 5, 3)),
      /^length of value: found 5, expected 4, the columns of the weights/,
    ],
    ['a product with another batch', () => spmm(made(), draw(2, 2, 4, 3)), /^batch of value: found 2, expected 1/],
    [
      'a product with heads that divide nothing',
      () => spmm(made(causal(), 4), draw(1, 3, 4, 3)),
      /^heads of value: found 3, expected a divisor of 4/,
    ],
    [
      'a product with a vector',
      () => spmm(made(), tf.ones([4])),
      /^value: found shape \[4\], expected \[batch, heads, length, dim\]/,
    ],
    ['a head that is not there', () => made().columns(0, 2), /^head: found 2, expected a whole number from 0 to 1/],
    ['a filling that is no number', () => made().toDense('x' as never), /^fill: found x, expected a number/],
    [
      'second derivatives',
      () => tf.grad((x) => tf.grad((y) => sddmm(y as tf.Tensor4D, y as tf.Tensor4D, full()).values)(x))(draw(1, 2, 4, 3)),
      /^second derivative of sddmm/,
    ],
  ];
  for (const [what, call, message] of cases)
    it(`refuse ${what}`, () => {
      expect(refusal(call).message).toMatch(message);
    });
});
