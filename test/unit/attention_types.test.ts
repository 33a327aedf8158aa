import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '../../src/chained.js';
import {causal, sparseAttention, sparseAttentionWithAux, SplatError, type NumberArray} from '../../src/index.js';

/** Compiles where the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <T extends true>(): T | undefined => undefined;

describe('the types of attention', () => {
  beforeAll(() => tf.setBackend('cpu'));

  const three: tf.Tensor3D = tf.ones([1, 2, 2]);
  const four: tf.Tensor4D = tf.ones([1, 1, 2, 2]);
  const two: tf.Tensor2D = tf.ones([2, 2]);
  const five: tf.Tensor5D = tf.ones([1, 1, 1, 2, 2]);
  const unknown: tf.Tensor = tf.ones([1, 1, 2, 2]);
  const rows = [
    [
      [1, 0],
      [0, 1],
    ],
  ];

  it('keep the rank of the query', () => {
    const ofFour = sparseAttention(four, four, four, causal());
    const ofThree = sparseAttention(three, three, three, causal());
    const ofUnknown = sparseAttention(unknown, unknown, unknown, causal());
    const mixed = sparseAttention(four, unknown, four, causal());
    const ofVariable = sparseAttention(tf.variable(four), four, four, causal());
    const either = sparseAttention(four as tf.Tensor3D | tf.Tensor4D, four, unknown, causal());
    same<Same<typeof ofFour, tf.Tensor4D>>();
    same<Same<typeof ofThree, tf.Tensor3D>>();
    same<Same<typeof ofUnknown, tf.Tensor>>();
    same<Same<typeof mixed, tf.Tensor4D>>();
    same<Same<typeof ofVariable, tf.Tensor4D>>();
    same<Same<typeof either, tf.Tensor3D | tf.Tensor4D>>();
    expect([ofFour, ofThree, ofUnknown, mixed, ofVariable, either].map(({rank}) => rank)).toEqual([4, 3, 4, 4, 4, 4]);
  });

  it('take arrays', () => {
    const ofArrays = sparseAttention(rows, rows, rows, causal());
    const beside = sparseAttention(three, rows, rows, causal());
    const like: NumberArray = rows;
    const ofLike = sparseAttention(like, like as tf.TensorLike, like, causal());
    const perhaps = sparseAttention(rows as tf.Tensor | tf.TensorLike, rows, rows, causal());
    const big = sparseAttention([[[1n, 0n]]], [[[1n, 0n]]], [[[1n, 0n]]], causal(), {keyLengths: BigInt64Array.of(1n)});
    same<Same<typeof ofArrays, tf.Tensor3D | tf.Tensor4D>>();
    same<Same<typeof beside, tf.Tensor3D>>();
    same<Same<typeof ofLike, tf.Tensor3D | tf.Tensor4D>>();
    const tensors: tf.Tensor[] = [ofArrays, beside, ofLike, perhaps, big];
    expect(tensors.map(({rank}) => rank)).toEqual([3, 3, 3, 3, 3]);
  });

  it('say the rank of the log-sum-exp', () => {
    const {output, logSumExp} = sparseAttentionWithAux(four, four, four, causal());
    const aux = sparseAttentionWithAux(three, three, rows, causal());
    const unsaid = sparseAttentionWithAux(unknown, unknown, unknown, causal());
    same<Same<typeof output, tf.Tensor4D>>();
    same<Same<typeof logSumExp, tf.Tensor3D>>();
    same<Same<typeof aux.output, tf.Tensor3D>>();
    same<Same<typeof aux.logSumExp, tf.Tensor2D>>();
    same<Same<typeof unsaid.logSumExp, tf.Tensor>>();
    expect([output, logSumExp, aux.logSumExp, unsaid.logSumExp].map(({rank}) => rank)).toEqual([4, 3, 2, 3]);
  });

  it('hold for the chained form', () => {
    const ofFour = four.sparseAttention(four, four, causal());
    const ofThree = three.sparseAttention(rows, three, causal());
    same<Same<typeof ofFour, tf.Tensor4D>>();
    same<Same<typeof ofThree, tf.Tensor3D>>();
    const unsaid = unknown.sparseAttention(four, four, causal());
    expect([ofFour, ofThree, unsaid].map(({rank}) => rank)).toEqual([4, 3, 4]);
  });

  it('refuse other ranks, and ranks that differ, as the call does', () => {
    const wrong: (() => unknown)[] = [
      // @ts-expect-error a query of rank 2
      () => sparseAttention(two, two, two, causal()),
      // @ts-expect-error a query of rank 5
      () => sparseAttention(five, five, five, causal()),
      // @ts-expect-error a key of rank 2
      () => sparseAttention(four, two, four, causal()),
      // @ts-expect-error a value of another rank
      () => sparseAttention(four, four, three, causal()),
      // @ts-expect-error a query of another rank
      () => sparseAttention(three, four, four, causal()),
      // @ts-expect-error a key of rank 2 beside a query of which nothing is known
      () => sparseAttention(unknown, two, unknown, causal()),
      // @ts-expect-error with the log-sum-exp, too
      () => sparseAttentionWithAux(two, two, two, causal()),
      // @ts-expect-error chained, too
      () => two.sparseAttention(two, two, causal()),
      // @ts-expect-error and beside a chained query
      () => four.sparseAttention(four, three, causal()),
    ];
    for (const act of wrong) expect(act).toThrowError(SplatError, /rank|expected \[batch/);
  });
});
