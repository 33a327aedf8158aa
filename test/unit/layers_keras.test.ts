import {readFileSync} from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import {kerasIOHandler, type MultiHeadAttention} from '../../src/layers/index.js';
import {SplatError} from '../../src/support/index.js';
import {expectNumbers, kerasAttention, numbers, tensorOf, tokens} from '../support/keras_attention.js';

interface KerasFile {
  readonly modelTopology: object;
  readonly weights: readonly {readonly name: string; readonly shape: number[]; readonly values: number[]}[];
  readonly inputs: {readonly ids: number[][]; readonly memory_ids: number[][]; readonly pairs: number[][][]};
  readonly output: {readonly values: number[]};
}

const artifacts = (modelTopology: object, weights: KerasFile['weights']): tf.io.IOHandler => ({
  load: () =>
    Promise.resolve({
      modelTopology,
      weightSpecs: weights.map(({name, shape}) => ({name, shape, dtype: 'float32' as const})),
      weightData: new Float32Array(weights.flatMap(({values}) => values)).buffer,
    }),
});

const keras3 = (): KerasFile =>
  JSON.parse(readFileSync(new URL('../fixtures/keras3_attention.json', import.meta.url), 'utf8')) as KerasFile;

/** Weights of a MultiHeadAttention of 2 heads of 3 on 4 features, as Keras names them. */
const weightsOf = (layer: string, seed: number): KerasFile['weights'] =>
  (
    [
      ['query/kernel', [4, 2, 3]],
      ['query/bias', [2, 3]],
      ['key/kernel', [4, 2, 3]],
      ['key/bias', [2, 3]],
      ['value/kernel', [4, 2, 3]],
      ['value/bias', [2, 3]],
      ['attention_output/kernel', [2, 3, 4]],
      ['attention_output/bias', [4]],
    ] as [string, number[]][]
  ).map(([name, shape], i) => {
    const values = Array.from(numbers(tf.util.sizeFromShape(shape), seed + i));
    return {name: `${layer}/${name}`, shape, values};
  });

const input = (name: string, length: number): object => ({
  class_name: 'InputLayer',
  name,
  config: {batch_input_shape: [null, length, 4], dtype: 'float32', sparse: false, ragged: false, name},
  inbound_nodes: [],
});

/** What tf.keras 2.15 writes: value, key and mask are named arguments of the only tensor in the list. */
const attention2 = (name: string, query: string, named: object): object => ({
  class_name: 'MultiHeadAttention',
  name,
  config: {
    ...{name, trainable: true, dtype: 'float32', num_heads: 2, key_dim: 3, value_dim: 3, dropout: 0.1, use_bias: true},
    ...{output_shape: null, attention_axes: [1], query_shape: [null, 3, 4], key_shape: [null, 5, 4], value_shape: [null, 5, 4]},
    kernel_initializer: {class_name: 'GlorotUniform', config: {seed: null}},
    bias_initializer: {class_name: 'Zeros', config: {}},
    ...{kernel_regularizer: {class_name: 'L2', config: {l2: 0.01}}, bias_regularizer: null, activity_regularizer: null},
    ...{kernel_constraint: null, bias_constraint: null, softmax_robust_masking: false},
  },
  inbound_nodes: [[[query, 0, 0, named]]],
});

const functional2 = (layers: object[], inputs: string[], output: string): object => ({
  keras_version: '2.15.0',
  backend: 'tensorflow',
  model_config: {
    class_name: 'Functional',
    config: {
      name: 'model',
      trainable: true,
      layers,
      input_layers: inputs.map((name) => [name, 0, 0]),
      output_layers: [[output, 0, 0]],
    },
  },
});

describe('kerasIOHandler', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  it('loads a model of Keras 3.15 with the numbers of Keras: masks, causal, window, grouped, a mask of pairs', async () => {
    const file = keras3();
    const model = await tf.loadLayersModel(kerasIOHandler(artifacts(file.modelTopology, file.weights)));
    const {ids, memory_ids: memory, pairs} = file.inputs;
    const inputs = [tf.tensor2d(ids), tf.tensor2d(memory), tf.tensor3d(pairs)];
    await expectNumbers(model.predict(inputs) as tf.Tensor, file.output.values, 2e-6);
    const kept = model.weights.map(({originalName}) => originalName);
    expect(kept.sort()).toEqual(file.weights.map(({name}) => name).sort());
  });

  it('loads models of Keras 2: self-attention, cross-attention, another key, a mask', async () => {
    const layers = [
      input('my_x', 3),
      input('my_memory', 5),
      {...input('my_mask', 5), config: {batch_input_shape: [null, 3, 5], dtype: 'bool', name: 'my_mask'}},
      attention2('self_attention', 'my_x', {value: ['my_x', 0, 0], key: null, use_causal_mask: true}),
      attention2('cross_attention', 'self_attention', {
        value: ['my_memory', 0, 0],
        key: ['my_memory', 0, 0],
        attention_mask: ['my_mask', 0, 0],
      }),
    ];
    const weights = [...weightsOf('self_attention', 10), ...weightsOf('cross_attention', 30)];
    const topology = functional2(layers, ['my_x', 'my_memory', 'my_mask'], 'cross_attention');
    const model = await tf.loadLayersModel(kerasIOHandler(artifacts(topology, weights)));
    expect((model.getLayer('self_attention') as MultiHeadAttention).dropout).toBe(0.1);
    const [x, memory, bits] = [tokens([2, 3, 4], 1), tokens([2, 5, 4], 2), Array.from(numbers(30, 3), (value) => value > 0)];
    const inputs = [tensorOf(x), tensorOf(memory), tf.tensor3d(bits.map(Number), [2, 3, 5], 'bool')];
    const sizes = {heads: 2, keyHeads: 2, keyDim: 3, valueDim: 3, outputSize: 4};
    const values = (from: number): number[][] => weights.slice(from, from + 8).map((weight) => weight.values);
    const first = kerasAttention({query: x, value: x, key: x, ...sizes, weights: values(0), visible: (_, __, i, j) => j <= i});
    const query = {shape: [2, 3, 4] as const, values: first};
    const visible = (b: number, _: number, i: number, j: number): boolean => bits[(b * 3 + i) * 5 + j]!;
    const expected = kerasAttention({query, value: memory, key: memory, ...sizes, weights: values(8), visible});
    await expectNumbers(model.predict(inputs) as tf.Tensor, expected);
  });

  it('leaves alone what TensorFlow.js saved', async () => {
    const file = keras3();
    const model = await tf.loadLayersModel(kerasIOHandler(artifacts(file.modelTopology, file.weights)));
    const topology = model.toJSON(null, false) as {config: object};
    const {modelTopology} = await kerasIOHandler({load: () => Promise.resolve({modelTopology: topology})}).load!();
    expect(modelTopology).toEqual(topology);
  });

  it('without it, a call of Keras is refused, not misread', async () => {
    const attention = attention2('mha', 'x', {value: ['x', 0, 0]});
    // TensorFlow.js alone knows no L2 either.
    const plain = JSON.parse(JSON.stringify(attention).replace(/{"class_name":"L2".*?}}/, 'null')) as object;
    const topology = functional2([input('x', 3), plain], ['x'], 'mha');
    const error: unknown = await tf.loadLayersModel(artifacts(topology, weightsOf('mha', 1))).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(SplatError);
    expect((error as SplatError).message).toContain('kerasIOHandler');
  });

  it('keeps the place of a tensor behind None', async () => {
    const tensor = (name: string): object => ({class_name: '__keras_tensor__', config: {keras_history: [name, 0, 0]}});
    const args = [tensor('x'), tensor('m'), null, null, null, null, tensor('mask')];
    const layer = {class_name: 'MultiHeadAttention', name: 'l', config: {}, inbound_nodes: [{args, kwargs: {}}]};
    const modelTopology = {class_name: 'Functional', config: {layers: [layer]}};
    const read = await kerasIOHandler({load: () => Promise.resolve({modelTopology})}).load!();
    const {config} = read.modelTopology as {config: {layers: {inbound_nodes: unknown}[]}};
    const sources = ['x', 'm', 'm', 'mask'];
    expect(config.layers[0]!.inbound_nodes).toEqual([sources.map((name) => [name, 0, 0, {}])]);
  });

  it('refuses what it cannot load', async () => {
    const load = (topology: object | undefined): Promise<unknown> =>
      kerasIOHandler({load: () => Promise.resolve({modelTopology: topology!})}).load!();
    expect(() => kerasIOHandler(3 as unknown as string)).toThrowError(
      SplatError,
      /kerasIOHandler source: found 3, expected a URL or a handler/,
    );
    await expectAsync(load({node: []})).toBeRejectedWithError(SplatError, /no layers model.*sparseIOHandler/);
    await expectAsync(load(undefined)).toBeRejectedWithError(SplatError, /no layers model/);
    const tensor = {class_name: '__keras_tensor__', config: {shape: [null, 3], dtype: 'float32', keras_history: ['x', 0, 0]}};
    const call = (className: string, args: unknown[], kwargs: object): Promise<unknown> =>
      load({
        class_name: 'Functional',
        config: {layers: [{class_name: className, name: 'l', config: {}, inbound_nodes: [{args, kwargs}]}]},
      });
    await expectAsync(call('Dense', [3], {})).toBeRejectedWithError(SplatError, /call of l in the model.json: found a constant/);
    await expectAsync(call('LSTM', [tensor], {state: tensor})).toBeRejectedWithError(SplatError, /found a tensor by name/);
    await expectAsync(call('MultiHeadAttention', [tensor], {})).toBeRejectedWithError(SplatError, /no query or no value/);
    await expectAsync(call('MultiHeadAttention', [tensor, tensor], {query_mask: tensor})).toBeRejectedWithError(
      SplatError,
      /a tensor as query_mask/,
    );
  });
});
