import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import {GroupedQueryAttention, MultiHeadAttention, type MultiHeadAttentionArgs} from '../../../src/layers/index.js';
import {causal, full, globalTokens, prefix, slidingWindow, type Pattern} from '../../../src/pattern/index.js';
import {arbitraryPattern} from '../../support/arbitraries.js';
import {expectNumbers, kerasAttention, randomWeights, tensorOf, tokens} from '../../support/keras_attention.js';

describe('attention layers', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  it('give the numbers that the docstring computes by hand', async () => {
    const layer = new MultiHeadAttention({numHeads: 1, keyDim: 1, useBias: false});
    const x = tf.tensor3d([1, 0, 0, 1], [1, 2, 2]);
    layer.apply(x);
    layer.setWeights([
      tf.tensor3d([1, 0], [2, 1, 1]),
      tf.tensor3d([0, 1], [2, 1, 1]),
      tf.tensor3d([2, 4], [2, 1, 1]),
      tf.tensor3d([1, 10], [1, 1, 2]),
    ]);
    await expectNumbers(layer.apply(x) as tf.Tensor, [3.4621171573, 34.621171573, 3, 30], 1e-7);
    // Token 0 sees itself alone.
    await expectNumbers(layer.apply(x, {useCausalMask: true}) as tf.Tensor, [2, 20, 3, 30], 1e-7);
  });

  it('have the weights of Keras: names, shapes and order', () => {
    const multi = new MultiHeadAttention({numHeads: 2, keyDim: 3, valueDim: 5, outputShape: [4, 7], name: 'mha'});
    const inputs = [tf.zeros([1, 2, 8]), tf.zeros([1, 3, 9]), tf.zeros([1, 3, 10])];
    expect((multi.apply(inputs) as tf.Tensor).shape).toEqual([1, 2, 4, 7]);
    expect(multi.weights.map(({originalName, shape}) => [originalName, shape] as [string, number[]])).toEqual([
      ['mha/query/kernel', [8, 2, 3]],
      ['mha/query/bias', [2, 3]],
      ['mha/key/kernel', [10, 2, 3]],
      ['mha/key/bias', [2, 3]],
      ['mha/value/kernel', [9, 2, 5]],
      ['mha/value/bias', [2, 5]],
      ['mha/attention_output/kernel', [2, 5, 4, 7]],
      ['mha/attention_output/bias', [4, 7]],
    ]);
    const grouped = new GroupedQueryAttention({numQueryHeads: 6, numKeyValueHeads: 2, headDim: 3, useBias: false, name: 'gqa'});
    expect((grouped.apply(tf.zeros([1, 2, 8])) as tf.Tensor).shape).toEqual([1, 2, 8]);
    expect(grouped.weights.map(({originalName, shape}) => [originalName, shape] as [string, number[]])).toEqual([
      ['gqa/query/kernel', [8, 6, 3]],
      ['gqa/key/kernel', [8, 2, 3]],
      ['gqa/value/kernel', [8, 2, 3]],
      ['gqa/attention_output/kernel', [6, 3, 8]],
    ]);
  });

  it('compute what float64 loops compute, whatever the sizes, the pattern and the inputs', async () => {
    const sizes = fc.record({
      batch: fc.integer({min: 1, max: 2}),
      queryLength: fc.integer({min: 1, max: 7}),
      keyLength: fc.integer({min: 1, max: 7}),
      keyHeads: fc.integer({min: 1, max: 3}),
      repeats: fc.integer({min: 1, max: 3}),
      keyDim: fc.integer({min: 1, max: 4}),
      valueDim: fc.integer({min: 1, max: 4}),
      outputShape: fc.constantFrom<number | readonly number[] | null>(null, 3, [2, 3]),
      useBias: fc.boolean(),
      inputs: fc.integer({min: 1, max: 3}),
      pattern: fc.constantFrom<Pattern>(full(), causal(), slidingWindow({left: 1, right: 1}).or(globalTokens(1)), prefix(0)),
    });
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(1000), async (s, seed) => {
        const {batch, queryLength, keyHeads, repeats, keyDim, outputShape, useBias, pattern} = s;
        const grouped = repeats > 1;
        const heads = keyHeads * repeats;
        const valueDim = grouped ? keyDim : s.valueDim;
        const layer = grouped
          ? new GroupedQueryAttention({numQueryHeads: heads, numKeyValueHeads: keyHeads, headDim: keyDim, useBias, pattern})
          : new MultiHeadAttention({numHeads: heads, keyDim, valueDim, outputShape, useBias, pattern: pattern.toString()});
        const keyLength = s.inputs === 1 ? queryLength : s.keyLength;
        const query = tokens([batch, queryLength, 4], seed);
        const value = s.inputs > 1 ? tokens([batch, keyLength, 5], seed + 1) : query;
        const key = s.inputs > 2 ? tokens([batch, keyLength, 3], seed + 2) : value;
        const given = [query, value, key].slice(0, s.inputs).map(tensorOf);
        layer.apply(given);
        const weights = await randomWeights(layer, seed);
        const outputSize = grouped || outputShape === null ? 4 : [outputShape].flat().reduce((a, b) => a * b, 1);
        const expected = kerasAttention({query, value, key, heads, keyHeads, keyDim, valueDim, outputSize, weights, pattern});
        await expectNumbers(layer.apply(s.inputs === 1 ? given[0]! : given) as tf.Tensor, expected);
        layer.dispose();
        tf.dispose(given);
      }),
      {numRuns: 60},
    );
  });

  it('drop probabilities in training only, by their seed, and keep the mean', async () => {
    const x = tensorOf(tokens([1, 6, 4], 3));
    const make = (seed?: number): MultiHeadAttention => {
      const layer = new MultiHeadAttention({numHeads: 2, keyDim: 2, dropout: 0.4, seed: seed ?? null, kernelInitializer: 'ones'});
      layer.apply(x);
      return layer;
    };
    const layer = make(7);
    await randomWeights(layer);
    const still = Array.from((layer.apply(x) as tf.Tensor).dataSync());
    expect(Array.from((layer.apply(x, {training: false}) as tf.Tensor).dataSync())).toEqual(still);
    const twin = make(7);
    twin.setWeights(layer.getWeights());
    const runs = Array.from({length: 3}, () => Array.from((layer.apply(x, {training: true}) as tf.Tensor).dataSync()));
    expect(runs[0]).not.toEqual(still);
    expect(runs[1]).not.toEqual(runs[0]);
    expect(Array.from((twin.apply(x, {training: true}) as tf.Tensor).dataSync())).toEqual(runs[0]!);
    const draws = 2000;
    const sum = tf.tidy(() => {
      let sum: tf.Tensor = tf.zeros([1, 6, 4]);
      for (let i = 0; i < draws; i++) sum = sum.add(layer.apply(x, {training: true}) as tf.Tensor);
      return sum.div(draws);
    });
    // The deviation of a mean of 2,000 draws is about 0.02 of an output of size 1.
    await expectNumbers(sum, still, 0.06);
  });

  it('take another pattern at any time, and hand it on as text that survives a model.json', () => {
    const layer = new MultiHeadAttention({numHeads: 1, keyDim: 1, pattern: 'SlidingWindow(left: 2) or globalTokens([0, 3])'});
    expect(layer.getConfig()['pattern']).toBe('slidingWindow(left: 2) or globalTokens([0, 3])');
    layer.pattern = causal();
    expect(layer.getConfig()['pattern']).toBe('causal()');
    layer.pattern = 'full()';
    expect(layer.pattern.toString()).toBe('full()');
    // TensorFlow.js rewrites all texts of a config to snake_case and back.
    fc.assert(
      fc.property(arbitraryPattern(9, {maskQueryLength: 9}), (pattern) => {
        const model = tf.sequential({layers: [new MultiHeadAttention({numHeads: 1, keyDim: 1, pattern, inputShape: [9, 1]})]});
        const config = JSON.parse(model.toJSON() as string) as {config: {layers: {config: {pattern: string}}[]}};
        const text = config.config.layers[0]!.config.pattern.replace(/_+(\w|$)/g, (_, letter: string) => letter.toUpperCase());
        model.dispose();
        expect(new MultiHeadAttention({numHeads: 1, keyDim: 1, pattern: text}).pattern.toString()).toBe(pattern.toString());
      }),
      {numRuns: 50},
    );
  });

  it('read and write the rules of weights as other layers do', () => {
    const rules = {
      kernelInitializer: 'heNormal',
      biasInitializer: {className: 'Constant', config: {value: 3}},
      kernelRegularizer: tf.regularizers.l2({l2: 0.5}),
      biasConstraint: 'nonNeg',
    };
    const layer = new MultiHeadAttention({numHeads: 1, keyDim: 2, ...(rules as object)});
    const x = tf.ones([1, 2, 2]);
    layer.apply(x);
    expect(Array.from(layer.weights[1]!.read().dataSync())).toEqual([3, 3]);
    const kernels = [0, 2, 4, 6].map((i) => layer.weights[i]!.read().square().sum().dataSync()[0]!);
    const losses = layer.calculateLosses().map((loss) => loss.dataSync()[0]!);
    kernels.forEach((sum, i) => expect(losses[i]).toBeCloseTo(0.5 * sum, 5));
    const config = layer.getConfig();
    expect(config['kernelInitializer']).toEqual({
      className: 'VarianceScaling',
      config: jasmine.objectContaining({scale: 2, mode: 'fanIn'}),
    });
    expect(config['kernelRegularizer']).toEqual({className: 'L1L2', config: {l1: 0, l2: 0.5}});
    expect(config['biasConstraint']).toEqual({className: 'NonNeg', config: {}});
    expect(config['kernelConstraint']).toBeNull();
    // TensorFlow.js writes into the configs that it reads.
    const again = new MultiHeadAttention(structuredClone(config) as unknown as MultiHeadAttentionArgs);
    expect(again.getConfig()).toEqual(config);
    const other = tf.layers.dense({units: 1}).name;
    new MultiHeadAttention({numHeads: 1, keyDim: 1});
    const number = (name: string): number => Number(/\d+$/.exec(name)![0]);
    expect(number(tf.layers.dense({units: 1}).name)).toBe(number(other) + 1);
  });
});
