import * as tf from '@tensorflow/tfjs';
import {GroupedQueryAttention, MultiHeadAttention} from '../../../src/layers/index.js';
import {causal, slidingWindow} from '../../../src/pattern/index.js';
import {expectNumbers, kerasAttention, numbers, randomWeights, tensorOf, tokens} from '../../support/keras_attention.js';

const HEADS = {heads: 2, keyHeads: 2, keyDim: 3, valueDim: 3, outputSize: 4};
const make = (more: object = {}): MultiHeadAttention => new MultiHeadAttention({numHeads: 2, keyDim: 3, ...more});
const symbolic = (tensors: unknown): tf.SymbolicTensor => tensors as tf.SymbolicTensor;

/** The same model, saved and loaded. */
async function reloaded(model: tf.LayersModel): Promise<tf.LayersModel> {
  const saved = await new Promise<tf.io.ModelArtifacts>((resolve, reject) => {
    const handler = tf.io.withSaveHandler((artifacts) => {
      // As a file would: nothing but JSON and bytes.
      resolve({...artifacts, modelTopology: JSON.parse(JSON.stringify(artifacts.modelTopology)) as object});
      return Promise.resolve({modelArtifactsInfo: {dateSaved: new Date(), modelTopologyType: 'JSON'}});
    });
    model.save(handler).catch(reject);
  });
  return tf.loadLayersModel(tf.io.fromMemory(saved));
}

describe('models with attention layers', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  it('of the functional kind compute, save and load: cross attention, a residual, a mask that is an input', async () => {
    const [x, memory] = [tf.input({shape: [3, 4]}), tf.input({shape: [5, 4]})];
    const mask = tf.input({shape: [3, 5], dtype: 'bool'});
    const attention = make({pattern: slidingWindow({left: 2, right: 1}), name: 'cross'});
    const attended = symbolic(attention.apply([x, memory], {attentionMask: mask, useCausalMask: true}));
    const outputs = symbolic(tf.layers.add().apply([x, attended]));
    const model = tf.model({inputs: [x, memory, mask], outputs});
    const weights = await randomWeights(attention);
    const [query, value] = [tokens([2, 3, 4], 1), tokens([2, 5, 4], 2)];
    const bits = Array.from(numbers(30, 3), (value) => value > -0.5);
    const inputs = [tensorOf(query), tensorOf(value), tf.tensor3d(bits.map(Number), [2, 3, 5], 'bool')];
    const visible = (b: number, _: number, i: number, j: number): boolean => bits[(b * 3 + i) * 5 + j]! && j <= i;
    const call = {query, value, key: value, ...HEADS, weights, visible, pattern: slidingWindow({left: 2, right: 1})};
    const expected = kerasAttention(call).map((number, i) => number + query.values[i]!);
    await expectNumbers(model.predict(inputs) as tf.Tensor, expected);
    const again = await reloaded(model);
    const layer = again.getLayer('cross') as MultiHeadAttention;
    expect(layer).toBeInstanceOf(MultiHeadAttention);
    expect(String(layer.pattern)).toBe('slidingWindow(left: 2, right: 1)');
    expect(await (again.predict(inputs) as tf.Tensor).array()).toEqual(await (model.predict(inputs) as tf.Tensor).array());
  });

  it('of the sequential kind compute, save and load', async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.embedding({inputDim: 6, outputDim: 4, inputLength: 5, maskZero: true}),
        new GroupedQueryAttention({headDim: 2, numQueryHeads: 4, numKeyValueHeads: 2, pattern: 'causal()', name: 'gqa'}),
        make({slidingWindow: 2, outputShape: [2, 3], name: 'mha'}),
        tf.layers.flatten(),
      ],
    });
    const ids = tf.tensor2d([[1, 2, 3, 0, 0]]);
    const again = await reloaded(model);
    expect(again.layers.map((layer) => layer.getClassName())).toEqual([
      'Embedding',
      'GroupQueryAttention',
      'MultiHeadAttention',
      'Flatten',
    ]);
    expect(again.getLayer('mha').getConfig()).toEqual(model.getLayer('mha').getConfig());
    const [found, expected] = [again, model].map((each) => (each.predict(ids) as tf.Tensor).dataSync());
    expect(expected!.some((value) => value !== 0)).toBeTrue();
    expect(found).toEqual(expected!);
  });

  it('may give one tensor twice, and use it again after', async () => {
    const [q, x] = [tf.input({shape: [3, 4]}), tf.input({shape: [3, 4]})];
    // Neither is an input of the model, so TensorFlow.js frees them as soon as it thinks they are not needed.
    const [query, value] = [q, x].map((input) => symbolic(tf.layers.activation({activation: 'linear'}).apply(input)));
    const attention = make();
    const attended = symbolic(attention.apply([query!, value!, query!]));
    const model = tf.model({inputs: [q, x], outputs: symbolic(tf.layers.add().apply([query!, attended]))});
    const weights = await randomWeights(attention);
    const [a, b] = [tokens([1, 3, 4], 1), tokens([1, 3, 4], 2)];
    const expected = kerasAttention({query: a, value: b, key: a, ...HEADS, weights}).map((value, i) => value + a.values[i]!);
    await expectNumbers(model.predict([tensorOf(a), tensorOf(b)]) as tf.Tensor, expected);
    await expectNumbers((await reloaded(model)).predict([tensorOf(a), tensorOf(b)]) as tf.Tensor, expected);
  });

  it('keep useCausalMask of the symbolic call, which a model does not pass on', async () => {
    const input = tf.input({shape: [4, 4]});
    const attention = make();
    const model = tf.model({inputs: input, outputs: symbolic(attention.apply(input, {useCausalMask: true}))});
    const weights = await randomWeights(attention);
    const query = tokens([1, 4, 4], 1);
    const call = {query, value: query, key: query, ...HEADS, weights};
    const expected = kerasAttention({...call, pattern: causal()});
    await expectNumbers(model.predict(tensorOf(query)) as tf.Tensor, expected);
    await expectNumbers((await reloaded(model)).predict(tensorOf(query)) as tf.Tensor, expected);
    await expectNumbers(attention.apply(tensorOf(query), {useCausalMask: false}) as tf.Tensor, kerasAttention(call));
  });

  it('train: the gradient of each weight is the finite difference, and fit lowers the loss', async () => {
    const layer = new GroupedQueryAttention({headDim: 2, numQueryHeads: 4, numKeyValueHeads: 2, pattern: 'slidingWindow(left: 1)'});
    const x = tokens([2, 3, 4], 1);
    layer.apply(tensorOf(x));
    const weights = await randomWeights(layer);
    const [target, sizes] = [numbers(24, 9), {heads: 4, keyHeads: 2, keyDim: 2, valueDim: 2, outputSize: 4}];
    // The last query of the first sequence sees nothing: the mean of all values.
    const mask = tf.tensor3d(
      Array.from({length: 18}, (_, i) => (i >= 6 && i < 9 ? 0 : 1)),
      [2, 3, 3],
    );
    const visible = (b: number, _: number, i: number): boolean => b !== 0 || i !== 2;
    const lossOf = (weights: readonly (readonly number[])[]): number =>
      kerasAttention({query: x, value: x, key: x, ...sizes, weights, visible, pattern: slidingWindow({left: 1})}).reduce(
        (sum, value, i) => sum + value * target[i]!,
        0,
      );
    const {grads} = tf.variableGrads(() =>
      tf.sum(tf.mul(layer.apply(tensorOf(x), {attentionMask: mask}) as tf.Tensor, tf.tensor(Float32Array.from(target), [2, 3, 4]))),
    );
    for (const [w, variable] of layer.weights.entries()) {
      const found = grads[variable.name]!.dataSync();
      const expected = weights[w]!.map((value, i) => {
        const moved = (by: number): number => lossOf(weights.map((all, v) => (v === w ? all.with(i, value + by) : all)));
        return (moved(1e-4) - moved(-1e-4)) / 2e-4;
      });
      await expectNumbers(tf.tensor1d(found), expected, 1e-4);
    }
    const model = tf.sequential({
      layers: [
        tf.layers.masking({maskValue: 7, inputShape: [6, 4]}),
        make({dropout: 0.1, seed: 1, pattern: causal(), kernelRegularizer: 'l1l2'}),
        tf.layers.dense({units: 1}),
      ],
    });
    for (const [i, each] of model.layers.entries()) if (each.getWeights().length > 0) await randomWeights(each, 50 + i);
    model.compile({optimizer: tf.train.adam(0.02), loss: 'meanSquaredError'});
    const inputs = tensorOf(tokens([8, 6, 4], 4));
    const before = tf.memory().numTensors;
    const {history} = await model.fit(inputs, tf.mean(inputs, -1, true).cumsum(1), {epochs: 40, verbose: 0});
    const losses = history['loss'] as number[];
    expect(losses.at(-1)!).toBeLessThan(0.3 * losses[0]!);
    // The target above, and two moments for each of ten weights, made by Adam.
    expect(tf.memory().numTensors - before).toBeLessThanOrEqual(1 + 2 + 20 + 1);
    expect(model.getLayer(undefined as unknown as string, 1).trainableWeights.length).toBe(8);
  });

  it('leave no tensor behind but outputs and masks beside them', () => {
    const input = tf.input({shape: [5], dtype: 'int32'});
    const embedding = symbolic(tf.layers.embedding({inputDim: 6, outputDim: 4, maskZero: true}).apply(input));
    const attention = make({pattern: 'slidingWindow(left: 1)'});
    const model = tf.model({inputs: input, outputs: symbolic(attention.apply(embedding, {useCausalMask: true}))});
    const ids = tf.tensor2d([[1, 2, 3, 0, 0]]);
    tf.dispose(model.predict(ids));
    const before = tf.memory().numTensors;
    for (let i = 0; i < 3; i++) tf.dispose(model.predict(ids));
    expect(tf.memory().numTensors).toBe(before);
    const x = tf.ones([1, 5, 4]);
    for (let i = 0; i < 3; i++) tf.dispose(attention.apply(x) as tf.Tensor);
    expect(tf.memory().numTensors).toBe(before + 1);
    model.dispose();
    tf.dispose([ids, x]);
    expect(attention.weights.every((weight) => (weight as unknown as {val: tf.Tensor}).val.isDisposed)).toBeTrue();
  });
});
