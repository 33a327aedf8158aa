// Caches and merges whose numbers are near the ends of what float32 holds.
import * as tf from '@tensorflow/tfjs-core';
import {causal, KvCache, mergeAttention, type SparseAttentionOptions} from '../../src/index.js';
import {alibiBias, broadcastBias, oracleWithAux, randomInputs} from '../oracle.js';
import {DIM, expectNear, filled, HEADS, largest, LOWEST, SIZES, withValues} from './far_cases.js';
import {inHalves} from './halves.js';

/** A cache whose steps bring far numbers, on the current backend. */
export async function expectFarCaches({precision}: Pick<SparseAttentionOptions, 'precision'>): Promise<void> {
  const length = 9;
  const halves = precision === 'float16';
  const sizes = {...SIZES, queryLength: length, keyLength: length};
  const drawn = withValues(randomInputs(sizes), halves ? [1, 6e4] : [1, 3e38, 1e-36]);
  const columns = filled([-3e38, LOWEST, -2.9e38, -Infinity, -3e38], length);
  const slopes = filled([3e36, -3e36], HEADS);
  const far = {...drawn, query: drawn.query.map((x) => 1e20 * x), key: drawn.key.map((x) => 1e20 * x)};
  const cases = [
    {what: 'a far scale', inputs: halves ? drawn : far, options: {scale: -1e-40}, says: {scale: -1e-40}},
    {
      what: 'a far bias',
      inputs: drawn,
      options: {bias: tf.tensor1d(columns)},
      says: {bias: broadcastBias(columns, [1, 1, 1, length])},
    },
    {what: 'far slopes', inputs: drawn, options: {alibiSlopes: tf.tensor1d(slopes)}, says: {bias: alibiBias(slopes, 0)}},
    {what: 'far sinks', inputs: drawn, options: {sinks: tf.tensor1d([3e38, -3e38])}, says: {sinks: [3e38, -3e38]}},
  ];
  for (const {what, inputs, options, says} of cases) {
    const cache = new KvCache(causal(), {
      batch: 1,
      keyHeads: HEADS,
      headDim: DIM,
      maxLength: length,
      ...(precision && {precision}),
    });
    const whole = [inputs.query, inputs.key, inputs.value].map((data) => tf.tensor4d(data, [1, HEADS, length, DIM]));
    const outputs = [5, 1, 1, 2].map((count) => {
      const from = cache.lengths[0]!;
      const step = whole.map((tensor) => tf.slice(tensor, [0, 0, from, 0], [1, HEADS, count, DIM]) as tf.Tensor4D);
      return cache.attend(step[0]!, step[1]!, step[2]!, options);
    });
    const read = halves ? inHalves(inputs) : inputs;
    const expected = oracleWithAux(read, (q, k) => k <= q, says);
    const found = await tf.concat(outputs, 2).data();
    expectNear(found, expected.output, largest(read.value, DIM), `${what} of a cache`);
    cache.dispose();
  }
}

/** Merges of parts whose log-sum-exps and outputs are far, on the current backend. */
export async function expectFarMerges(): Promise<void> {
  const sums = [
    [-3e38, 3e38, -Infinity, 1e38, LOWEST, -1e38],
    [-3.1e38, 3e38, -3e38, 1e38, LOWEST, -3e38],
  ];
  const rows = sums[0]!.length;
  const outputs = [filled([3e38, 1e-36], 2 * rows), filled([-3e38, 3e-36], 2 * rows)];
  const weights = Array.from({length: rows}, (_, row) => {
    const most = Math.max(...sums.map((sum) => sum[row]!));
    const shares = sums.map((sum) => Math.exp(sum[row]! - most));
    const total = shares[0]! + shares[1]!;
    return {shares: shares.map((share) => share / total), logSumExp: most + Math.log(total)};
  });
  const right = Array.from({length: 2 * rows}, (_, i) => {
    const [first, second] = weights[i >> 1]!.shares;
    return first! * outputs[0]![i]! + second! * outputs[1]![i]!;
  });
  const given = [
    ...outputs.map((data) => tf.tensor3d(data, [1, rows, 2])),
    ...sums.map((data) => tf.tensor2d(data, [1, rows])),
  ] as const;
  const merge = (a: tf.Tensor, b: tf.Tensor, c: tf.Tensor, d: tf.Tensor): ReturnType<typeof mergeAttention> =>
    mergeAttention([a, b], [c, d]);
  const {output, logSumExp} = merge(given[0]!, given[1]!, given[2]!, given[3]!);
  const unit = [3e38, 3e-36];
  expectNear(await output.data(), right, unit, 'merged output');
  const foundSums = await logSumExp.data();
  expectNear(
    Array.from(foundSums, (sum, row) => sum / Math.abs(weights[row]!.logSumExp)),
    weights.map(({logSumExp: sum}) => Math.sign(sum)),
    [1],
    'merged log-sum-exp',
  );
  // Of the first log-sum-exp: w₁ · dOutput · (output₁ − output), with a dOutput that brings both features to about 1.
  const dOutput = tf.tensor3d(filled([1e-37, 0], 2 * rows), [1, rows, 2]);
  const gradient = tf.grad((sum) => tf.sum(tf.mul(merge(given[0]!, given[1]!, sum, given[3]!).output, dOutput)))(given[2]!);
  const moved = weights.map(({shares}, row) => shares[0]! * 1e-37 * (outputs[0]![2 * row]! - right[2 * row]!));
  expectNear(await gradient.data(), moved, [60], 'gradient of a log-sum-exp');
}
