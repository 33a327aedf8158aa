import * as tfjs from '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {GroupedQueryAttention, MultiHeadAttention, replaceAttention} from '../../src/layers/index.js';
import {slidingWindow} from '../../src/pattern/index.js';
import {expectAttention, randomInputs} from '../oracle.js';
import {expectNumbers, kerasAttention, numbers, randomWeights, tensorOf, tokens} from '../support/keras_attention.js';

describe('attention layers on WebGPU', () => {
  it('compute a model with masks of an Embedding, grouped heads, a band and a pattern', async () => {
    const ids = [
      [1, 2, 3, 4, 1, 0, 0, 0],
      [0, 0, 2, 3, 4, 1, 2, 3],
    ];
    const table = numbers(40, 1);
    const weights = [tf.tensor2d(Float32Array.from(table), [5, 8])];
    const model = tfjs.sequential({
      layers: [
        tfjs.layers.embedding({inputDim: 5, outputDim: 8, maskZero: true, inputLength: 8, weights}),
        new GroupedQueryAttention({
          ...{headDim: 4, numQueryHeads: 4, numKeyValueHeads: 2, slidingWindow: 3},
          pattern: slidingWindow({left: 4, right: 1}),
        }),
      ],
    });
    const values = await randomWeights(model.layers[1]!);
    const query = {
      shape: [2, 8, 8] as const,
      values: Float64Array.from(ids.flat().flatMap((id) => Array.from(table.subarray(id * 8, id * 8 + 8)))),
    };
    const visible = (b: number, _: number, i: number, j: number): boolean => ids[b]![i]! * ids[b]![j]! !== 0 && Math.abs(i - j) < 3;
    const sizes = {heads: 4, keyHeads: 2, keyDim: 4, valueDim: 4, outputSize: 8};
    const pattern = slidingWindow({left: 4, right: 1});
    const expected = kerasAttention({query, value: query, key: query, ...sizes, weights: values, visible, pattern});
    await expectNumbers(model.predict(tf.tensor2d(ids)) as tf.Tensor, expected);
  });

  it('give gradients under an attention mask', async () => {
    const layer = new MultiHeadAttention({numHeads: 2, keyDim: 4, pattern: 'slidingWindow(left: 3)'});
    const x = tokens([1, 6, 8], 1);
    const input = tensorOf(x);
    layer.apply(input);
    const weights = await randomWeights(layer);
    // The first query sees nothing.
    const bits = Array.from(numbers(36, 2), (value, i) => (i < 6 || value < -0.6 ? 0 : 1));
    const mask = tf.tensor3d(bits, [1, 6, 6]);
    const lossOf = (weights: number[][]): number =>
      kerasAttention({
        ...{query: x, value: x, key: x, heads: 2, keyHeads: 2, keyDim: 4, valueDim: 4, outputSize: 8, weights},
        visible: (_, __, i, j) => bits[i * 6 + j] === 1,
        pattern: slidingWindow({left: 3}),
      }).reduce((sum, value) => sum + value * value, 0);
    const {value: loss, grads} = tf.variableGrads(() => tf.sum(tf.square(layer.apply(input, {attentionMask: mask}) as tf.Tensor)));
    await expectNumbers(loss, [lossOf(weights)]);
    for (const [w, variable] of layer.weights.entries()) {
      const found = await grads[variable.name]!.data();
      const some = weights[w]!.map((_, i) => i).filter((i) => i % 7 === 0);
      const expected = some.map((i) => {
        const moved = (by: number): number => lossOf(weights.map((all, v) => (v === w ? all.with(i, all[i]! + by) : all)));
        return (moved(1e-4) - moved(-1e-4)) / 2e-4;
      });
      await expectNumbers(tf.tensor1d(some.map((i) => found[i]!)), expected, 1e-3);
    }
  });

  it('train by fit', async () => {
    const model = tfjs.sequential({
      layers: [
        new MultiHeadAttention({numHeads: 2, keyDim: 4, dropout: 0.1, seed: 1, pattern: 'causal()', inputShape: [6, 4]}),
        tfjs.layers.dense({units: 1}),
      ],
    });
    for (const layer of model.layers) await randomWeights(layer);
    model.compile({optimizer: tf.train.adam(0.03), loss: 'meanSquaredError'});
    const inputs = tensorOf(tokens([4, 6, 4], 4));
    const {history} = await model.fit(inputs, tf.mean(inputs, -1, true), {epochs: 12, verbose: 0});
    const losses = history['loss'] as number[];
    expect(losses.at(-1)!).toBeLessThan(0.5 * losses[0]!);
  });

  it('take the place of stock dots', async () => {
    // The sizes of test/gpu/runtime_op.test.ts, whose pipelines serve here as well.
    const sizes = {batch: 2, heads: 1, queryLength: 33, keyLength: 33, headDim: 8, valueDim: 8};
    const inputs = randomInputs(sizes);
    const [query, key, value] = [1, 2, 3].map(() => tfjs.input({shape: [33, 8]}));
    const dot = (axes: number | [number, number]): tfjs.layers.Layer => tfjs.layers.dot({axes} as never);
    const scores = tfjs.layers.rescaling({scale: 0.25}).apply(dot(2).apply([query!, key!])) as tfjs.SymbolicTensor;
    const probabilities = tfjs.layers.activation({activation: 'softmax'}).apply(scores) as tfjs.SymbolicTensor;
    const outputs = dot([2, 1]).apply([probabilities, value!]) as tfjs.SymbolicTensor;
    const model = tfjs.model({inputs: [query!, key!, value!], outputs});
    const pattern = slidingWindow({left: 5, right: 2});
    expect(replaceAttention(model, pattern).replaced.length).toBe(1);
    const given = [inputs.query, inputs.key, inputs.value].map((values) => tf.tensor3d(values, [2, 33, 8]));
    const output = model.predict(given) as tf.Tensor;
    await expectAttention(output, inputs, (row, column) => pattern.attends(row, column, sizes), {scale: 0.25});
  });
});
