import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import fc from 'fast-check';
import {mergeAttention} from '../../src/runtime/helpers/merge.js';
import {SplatError} from '../../src/support/index.js';
import {expectWithin, mulberry32, oracleWithAux, randomInputs, type AttentionInputs, type Attends} from '../oracle.js';
import {oracleGradients} from '../oracle_gradients.js';

const SIZES = {batch: 2, heads: 3, queryLength: 7, keyLength: 10, headDim: 4, valueDim: 5};

/** What the oracle gives for each set of keys alone, as tensors. */
function partsOf(inputs: AttentionInputs, attends: Attends, sets: readonly Attends[]) {
  const {batch, heads, queryLength, valueDim} = inputs;
  const found = sets.map((set) => oracleWithAux(inputs, (q, k, b, h) => set(q, k, b, h) && attends(q, k, b, h)));
  return {
    outputs: found.map(({output}) => tf.tensor4d(Float32Array.from(output), [batch, heads, queryLength, valueDim])),
    sums: found.map(({logSumExp}) => tf.tensor3d(Float32Array.from(logSumExp), [batch, heads, queryLength])),
  };
}

const finite = (data: ArrayLike<number>): number[] => Array.from(data, (x) => (x === -Infinity ? -1e6 : x));

for (const backend of ['cpu', 'wasm'])
  describe(`mergeAttention on the ${backend} backend`, () => {
    // Without IS_TEST: on wasm it takes every tensor that tf.customGrad saves for a leak.
    beforeAll(() => tf.setBackend(backend));

    it('joins parts into the whole, however the keys are dealt out', () =>
      fc.assert(
        fc.asyncProperty(fc.integer({min: 1, max: 4}), fc.nat(1000), async (count, seed) => {
          tf.engine().startScope();
          const inputs = randomInputs(SIZES, seed);
          const random = mulberry32(seed);
          const owner = Array.from({length: 7 * 10}, () => Math.floor(random() * count));
          const sets = Array.from(
            {length: count},
            (_, part): Attends =>
              (q, k) =>
                owner[q * 10 + k] === part,
          );
          // The first query has no key at all, the second one key.
          const attends: Attends = (q, k) => k < q * q;
          const {outputs, sums} = partsOf(inputs, attends, sets);
          const {output, logSumExp} = mergeAttention(outputs, sums);
          const whole = oracleWithAux(inputs, attends);
          expect([output.shape, logSumExp.shape]).toEqual([outputs[0]!.shape, sums[0]!.shape]);
          expectWithin(await output.data(), whole.output, 1e-6, `output of ${count} parts`);
          expectWithin(finite(await logSumExp.data()), finite(whole.logSumExp), 1e-6, `logSumExp of ${count} parts`);
          tf.engine().endScope();
        }),
        {numRuns: 30},
      ));

    it('hands gradients to its parts that make those of the whole', async () => {
      const inputs = randomInputs(SIZES, 3);
      const attends: Attends = (q, k) => k < q * q;
      const sets: Attends[] = [(_q, k) => k < 4, (_q, k) => k >= 4];
      const {outputs, sums} = partsOf(inputs, attends, sets);
      const {query: dOutput} = randomInputs({...SIZES, headDim: SIZES.valueDim}, 9);
      const {query: dSums} = randomInputs({...SIZES, headDim: 1}, 10);
      const loss = (...[a, b, c, d]: tf.Tensor[]): tf.Tensor => {
        const {output, logSumExp} = mergeAttention([a!, b!], [c!, d!]);
        const weighed = tf.sum(tf.mul(output, tf.tensor4d(dOutput, [2, 3, 7, 5])));
        return tf.add(weighed, tf.sum(tf.mul(logSumExp, tf.tensor3d(dSums, [2, 3, 7]))));
      };
      const found = tf.grads(loss)([...outputs, ...sums]);
      const data = await Promise.all(found.map((tensor) => tensor.data()));
      const parts = sets.map((set, i) =>
        oracleGradients(inputs, (q, k, b, h) => set(q, k, b, h) && attends(q, k, b, h), {}, data[i]!, data[2 + i]!),
      );
      const whole = oracleGradients(inputs, attends, {}, dOutput, dSums);
      for (const name of ['query', 'key', 'value'] as const)
        expectWithin(
          parts[0]![name].map((x, i) => x + parts[1]![name][i]!),
          whole[name],
          1e-5,
          `gradient of ${name}`,
        );
    });

    it('ignores what a part without keys holds', async () => {
      const output = tf.tensor3d([NaN, NaN, 3, 4, NaN, NaN], [1, 3, 2]);
      const sum = tf.tensor2d([-Infinity, 0, -Infinity], [1, 3]);
      const other = {output: tf.tensor3d([1, 2, 5, 6, NaN, NaN], [1, 3, 2]), sum: tf.tensor2d([7, Math.log(3), -Infinity], [1, 3])};
      const merged = mergeAttention([output, other.output], [sum, other.sum]);
      expectWithin(await merged.output.data(), [1, 2, 4.5, 5.5, 0, 0], 1e-6);
      expectWithin(finite(await merged.logSumExp.data()), [7, Math.log(4), -1e6], 1e-6);
      const gradients = tf.grads((a: tf.Tensor, b: tf.Tensor, c: tf.Tensor, d: tf.Tensor) => {
        const {output, logSumExp} = mergeAttention([a, b], [c, d]);
        return tf.add(tf.sum(output), tf.sum(tf.slice(logSumExp, [0, 0], [1, 2])));
      })([output, other.output, sum, other.sum]);
      expectWithin(await gradients[0]!.data(), [0, 0, 0.25, 0.25, 0, 0], 1e-6, 'first output');
      expectWithin(await gradients[1]!.data(), [1, 1, 0.75, 0.75, 0, 0], 1e-6, 'second output');
      // Of the second row: 0.25 · (3 + 4 − 4.5 − 5.5) + 0.25, and what the other part loses.
      expectWithin(await gradients[2]!.data(), [0, -0.5, 0], 1e-6, 'first logSumExp');
      expectWithin(await gradients[3]!.data(), [1, 1.5, 0], 1e-6, 'second logSumExp');
    });

    it('keeps parts apart whose sums no exponential holds', async () => {
      const parts = [tf.ones([1, 1, 2]), tf.zeros([1, 1, 2])];
      const merged = mergeAttention(parts, [tf.tensor2d([[5000]]), tf.tensor2d([[5000 - Math.log(3)]])]);
      // Around 5000 neighbours in float32 are 2⁻¹¹ apart.
      expectWithin(await merged.output.data(), [0.75, 0.75], 2 ** -11);
      expectWithin(await merged.logSumExp.data(), [5000 + Math.log(4 / 3)], 2 ** -11);
    });

    it('leaves nothing behind but its results', () => {
      const [output, sum] = [tf.ones([1, 2, 3, 4]), tf.zeros([1, 2, 3])];
      const before = tf.memory().numTensors;
      const merged = mergeAttention([output, output], [sum, sum]);
      expect(tf.memory().numTensors).toBe(before + 2);
      tf.dispose(merged);
      const gradient = tf.grad((a: tf.Tensor) => tf.sum(mergeAttention([a, output], [sum, sum]).output))(output);
      expect(tf.memory().numTensors).toBe(before + 1);
      gradient.dispose();
    });
  });

describe('mergeAttention', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it('says what does not fit together', () => {
    const [output, sum] = [tf.zeros([2, 3, 4, 5]), tf.zeros([2, 3, 4])];
    const gone = tf.zeros([2, 3, 4]);
    gone.dispose();
    const calls: [unknown, unknown, RegExp][] = [
      [[], [], /^outputs: found no part, expected one or more/],
      [output, sum, /found one part, expected an array/],
      [[output, output], [sum], /^logSumExps: found 1 beside 2 outputs, expected one for each output/],
      [[output, tf.zeros([2, 3, 4, 6])], [sum, sum], /^outputs\[1\]: found shape \[2, 3, 4, 6\], expected \[2, 3, 4, 5\]/],
      [[tf.zeros([2, 4, 3, 5])], [sum], /^logSumExps\[0\]: found shape \[2, 3, 4\], expected \[2, 4, 3\].*transpose/],
      [[tf.zeros([4, 5])], [tf.zeros([4])], /^outputs\[0\]: found shape \[4, 5\], expected \[batch, heads/],
      [[output], [gone], /^logSumExps\[0\]: found a disposed tensor/],
      [[output], [tf.zeros([2, 3, 4], 'int32')], /^logSumExps\[0\]: found dtype int32, expected dtype float32/],
      [[[1]], [sum], /^outputs\[0\]: found object, expected a float32 tensor/],
    ];
    for (const [outputs, sums, message] of calls)
      expect(() => mergeAttention(outputs as tf.Tensor[], sums as tf.Tensor[])).toThrowError(SplatError, message);
  });
});
