import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModel, type GraphModel} from '@tensorflow/tfjs-converter';
import {
  cast,
  dispose,
  io,
  memory,
  ones,
  setBackend,
  tensor,
  tensor1d,
  tensor2d,
  transpose,
  zeros,
  type Tensor,
} from '@tensorflow/tfjs-core';
import {sparseIOHandler, type SwapOptions} from '../../../src/model/index.js';
import {full, slidingWindow, type Pattern} from '../../../src/pattern/index.js';
import {attentionGraph, node, product, scores, spellings} from '../../support/attention_graphs.js';
import {graphFixture} from '../../support/graph_fixture.js';
import {handMade, uniform, type GraphArtifacts} from '../../support/hand_made_graph.js';

type Inputs = Record<string, Tensor>;

const handlerOf = (artifacts: io.ModelArtifacts): io.IOHandler => ({load: () => Promise.resolve(artifacts)});

const plain = (artifacts: io.ModelArtifacts): Promise<GraphModel> => loadGraphModel(handlerOf(artifacts));

const swapped = (artifacts: io.ModelArtifacts, options: Pattern | SwapOptions): Promise<GraphModel> =>
  loadGraphModel(sparseIOHandler(handlerOf(artifacts), 'pattern' in options ? options : {pattern: options}));

/** All outputs of a model, as numbers. */
async function outputsOf(model: GraphModel, inputs: Inputs): Promise<number[][]> {
  const outputs = [model.execute(inputs)].flat();
  return Promise.all(outputs.map(async (output) => Array.from(await output.data())));
}

/** The float32 rounding of two ways to compute the same: within 1e-5 of the largest magnitude of each output. */
function expectSame(found: readonly number[][], expected: readonly number[][]): void {
  expect(found.map(({length}) => length)).toEqual(expected.map(({length}) => length));
  expected.forEach((values, i) => {
    const largest = Math.max(...values.map(Math.abs));
    const error = Math.max(...values.map((value, j) => Math.abs(value - found[i]![j]!)));
    expect(largest).toBeGreaterThan(0);
    expect(error).toBeLessThanOrEqual(1e-5 * largest);
  });
}

/** The same model with a window written out: an additive mask [length, length] in front of every softmax. */
function withWindow(artifacts: GraphArtifacts, length: number, {left, right}: {left: number; right: number}): GraphArtifacts {
  const allowed = (query: number, key: number): boolean => key >= query - left && key <= query + right;
  const mask = Float32Array.from({length: length * length}, (_, i) => (allowed(Math.floor(i / length), i % length) ? 0 : -1e9));
  const masked = artifacts.modelTopology.node.flatMap((softmax) => {
    if (softmax.op !== 'Softmax') return [softmax];
    const sum = node(`${softmax.name}/masked`, 'AddV2', softmax.input![0]!, 'window');
    return [sum, {...softmax, input: [sum.name]}];
  });
  return {
    ...artifacts,
    modelTopology: {...artifacts.modelTopology, node: [{name: 'window', op: 'Const'}, ...masked]},
    weightSpecs: [...artifacts.weightSpecs!, {name: 'window', shape: [length, length], dtype: 'float32'}],
    weightData: io.CompositeArrayBuffer.join([artifacts.weightData as ArrayBuffer, mask.buffer]),
  };
}

const bertInputs = (lengths: readonly number[], padding = 7): Inputs => {
  const length = Math.max(...lengths);
  const ids = lengths.map((own, row) => Array.from({length}, (_, i) => (i < own ? (11 * i + 5 * row) % 120 : padding)));
  const mask = lengths.map((own) => Array.from({length}, (_, i) => (i < own ? 1 : 0)));
  return {input_ids: tensor2d(ids, undefined, 'int32'), attention_mask: tensor2d(mask, undefined, 'int32')};
};

const espnetInputs = (): Inputs => ({input_1: tensor2d([3, 1, 4, 1, 5], [5, 1], 'int32')});

describe('a swapped graph model', () => {
  beforeAll(() => setBackend('cpu'));

  it('computes what ESPnet computed, under full()', async () => {
    const artifacts = graphFixture('espnet_lm');
    const handler = sparseIOHandler(handlerOf(artifacts), {pattern: full()});
    const model = await loadGraphModel(handler);
    expect(handler.report!.replaced.length).toBe(8);
    expectSame(await outputsOf(model, espnetInputs()), await outputsOf(await plain(artifacts), espnetInputs()));
  });

  it('computes what BERT computed, under full(), padding included', async () => {
    const artifacts = graphFixture('conv_hf_bert');
    const inputs = bertInputs([13, 20, 1]);
    const [before, after] = [await plain(artifacts), await swapped(artifacts, full())];
    expectSame(await outputsOf(after, inputs), await outputsOf(before, inputs));
    expect(after.modelSignature).toEqual(before.modelSignature);
    expect(after.outputs).toEqual(before.outputs);
    expect(after.inputs).toEqual(before.inputs);
  });

  it('computes what ESPnet computes with a window written out as a mask', async () => {
    const artifacts = graphFixture('espnet_lm');
    const expected = await outputsOf(await plain(withWindow(artifacts, 5, {left: 1, right: 0})), espnetInputs());
    expectSame(await outputsOf(await swapped(artifacts, slidingWindow({left: 1})), espnetInputs()), expected);
  });

  it('intersects the pattern with the padding mask of BERT', async () => {
    const artifacts = graphFixture('conv_hf_bert');
    const model = await swapped(artifacts, slidingWindow({left: 3, right: 4}));
    const inputs = bertInputs([13, 20, 9]);
    const expected = await outputsOf(await plain(withWindow(artifacts, 20, {left: 3, right: 4})), inputs);
    expectSame(await outputsOf(model, inputs), expected);
    const unswapped = await outputsOf(await plain(artifacts), inputs);
    expect(Math.abs(unswapped[0]![0]! - expected[0]![0]!)).toBeGreaterThan(1e-6);
  });

  it('never lets a padded token change the answer', async () => {
    const model = await swapped(graphFixture('conv_hf_bert'), slidingWindow({left: 5, right: 5}));
    expect(await outputsOf(model, bertInputs([6, 12], 7))).toEqual(await outputsOf(model, bertInputs([6, 12], 99)));
  });

  it('computes the same for every spelling of attention', async () => {
    const random = uniform(3);
    const draw = (...shape: number[]): Tensor => {
      const count = shape.reduce((a, b) => a * b);
      return tensor(
        Float32Array.from({length: count}, () => 2 * random() - 1),
        shape,
      );
    };
    const inputs = {q: draw(2, 2, 5, 4), k: draw(2, 2, 7, 4), v: draw(2, 2, 7, 3), m: draw(2, 1, 1, 7), n: draw(5, 7)};
    for (const {title, artifacts, turned = []} of spellings) {
      const used = Object.entries(inputs).filter(([name]) => usesInput(artifacts, name));
      const feed = Object.fromEntries(
        used.map(([name, value]) => [name, turned.includes(name) ? transpose(value, [0, 1, 3, 2]) : value]),
      );
      const expected = await outputsOf(await plain(artifacts), feed);
      const handler = sparseIOHandler(handlerOf(artifacts), {pattern: full()});
      const found = await outputsOf(await loadGraphModel(handler), feed);
      expect(handler.report!.replaced.length).withContext(title).toBe(1);
      expect(found.length).withContext(title).toBe(1);
      expectSame(found, expected);
    }
  });

  it('broadcasts batch, heads and rank as the products and masks of the original did', async () => {
    const summed = [scores, node('sum', 'AddV2', 'scores', 'm'), node('probs', 'Softmax', 'sum'), product('out', 'probs', 'v')];
    const artifacts = attentionGraph(summed);
    // No [2, 1] beside [2, 3]: TensorFlow.js multiplies that wrongly (see runGraphNode).
    const cases = [
      {q: [1, 3, 3, 2], k: [2, 3, 4, 2], v: [1, 1, 4, 5], m: [4]},
      {q: [3, 3, 2], k: [3, 4, 2], v: [3, 4, 2], m: [3, 1, 4]},
      {q: [3, 3, 2], k: [3, 4, 2], v: [3, 4, 2], m: [2, 1, 1, 4]},
      {q: [1, 2, 3, 2], k: [1, 2, 4, 2], v: [1, 2, 4, 2], m: [2, 1, 3, 4]},
    ];
    const random = uniform(4);
    for (const shapes of cases) {
      const entries = Object.entries(shapes).map(([name, shape]) => {
        const count = shape.reduce((a, b) => a * b);
        return [name, tensor(Array.from({length: count}, random), shape)] as const;
      });
      const inputs = Object.fromEntries(entries);
      const [expected] = [(await plain(artifacts)).execute(inputs)].flat();
      const [found] = [(await swapped(artifacts, full())).execute(inputs)].flat();
      expect(found!.shape).toEqual(expected!.shape);
      expectSame([Array.from(await found!.data())], [Array.from(await expected!.data())]);
    }
  });

  it('tells the shape of the scores without computing them', async () => {
    const shape = node('shape', 'Shape', 'scores');
    const nodes = [scores, shape, node('probs', 'Softmax', 'scores'), product('out', 'probs', 'v')];
    const artifacts = attentionGraph(nodes, {}, ['out', 'shape'], {q: [-1, -1, -1, 4], k: [-1, -1, -1, 4]});
    const handler = sparseIOHandler(handlerOf(artifacts), {pattern: full()});
    const after = await loadGraphModel(handler);
    expect(handler.report!.replaced[0]!.kept).toEqual(['scores']);
    const inputs = {q: ones([1, 2, 3, 4]), k: ones([1, 2, 5, 4]), v: ones([1, 2, 5, 4])};
    expectSame(await outputsOf(after, inputs), await outputsOf(await plain(artifacts), inputs));
    // One batch and one number of heads for both: then query and key tell it.
    const same = attentionGraph(nodes, {}, ['out', 'shape'], {q: [2, 2, -1, 4], k: [2, 2, -1, 4]});
    const known = sparseIOHandler(handlerOf(same), {pattern: full()});
    const model = await loadGraphModel(known);
    expect(known.report!.replaced[0]!.kept).toEqual([]);
    const more = {q: ones([2, 2, 3, 4]), k: ones([2, 2, 5, 4]), v: ones([2, 2, 5, 4])};
    expectSame(await outputsOf(model, more), await outputsOf(await plain(same), more));
  });

  it('reads its scales from quantized weights', async () => {
    const {artifacts} = spellings.find(({title}) => title === 'a multiplication after the scores')!;
    const weightSpecs = artifacts.weightSpecs!.map((spec) => ({
      ...spec,
      quantization: {dtype: 'uint8' as const, min: 0.125, scale: 1},
    }));
    const handler = sparseIOHandler(handlerOf({...artifacts, weightSpecs, weightData: Uint8Array.of(0).buffer}), {pattern: full()});
    await loadGraphModel(handler);
    expect(handler.report!.replaced[0]!.scale).toBe(0.125);
  });

  it('runs in a dynamic model without leaving a tensor behind', async () => {
    // The tokens whose flag is set attend to each other: [flagged, 4] becomes [1, flagged, 4].
    const nodes = [
      node('tokens', 'Placeholder'),
      {name: 'flags', op: 'Placeholder', attr: {dtype: {type: 'DT_BOOL'}}},
      node('where', 'Where', 'flags'),
      node('gathered', 'GatherNd', 'tokens', 'where'),
      node('x', 'Reshape', 'gathered', 'shape'),
      product('scores', 'x', 'x', {adj_y: {b: true}}),
      node('scaled', 'Mul', 'scores', 'c'),
      node('probs', 'Softmax', 'scaled'),
      product('out', 'probs', 'x'),
    ];
    const artifacts = handMade(nodes, {shape: {shape: [3], values: [1, -1, 4], int: true}, c: 0.5}, ['out']);
    const [before, after] = [await plain(artifacts), await swapped(artifacts, slidingWindow({left: 9, right: 9}))];
    const tokens = tensor2d(Array.from({length: 28}, uniform(5)), [7, 4]);
    const flags = cast(tensor1d([1, 0, 1, 1, 0, 1, 1]), 'bool');
    const expected = (await before.executeAsync({tokens, flags})) as Tensor;
    const start = memory().numTensors;
    for (let i = 0; i < 3; i++) {
      const found = (await after.executeAsync({tokens, flags})) as Tensor;
      expect(memory().numTensors).toBe(start + 1);
      expectSame([Array.from(await found.data())], [Array.from(await expected.data())]);
      found.dispose();
    }
    expect(memory().numTensors).toBe(start);
  });

  it('leaves no tensor behind when it is run and disposed', async () => {
    const artifacts = graphFixture('conv_hf_bert');
    const start = memory().numTensors;
    const model = await swapped(artifacts, slidingWindow({left: 2, right: 2}));
    const inputs = bertInputs([9, 4]);
    const output = model.execute(inputs) as Tensor;
    for (const used of [output, ...Object.values(inputs)]) used.dispose();
    model.dispose();
    expect(memory().numTensors).toBe(start);
  });

  const fixtures: [file: string, inputs: () => Inputs][] = [
    ['conv_hf_bert', () => bertInputs([13, 20, 1])],
    ['conv_hf_gpt2_lm', () => bertInputs([12, 12, 7])],
    ['conv_hf_gpt2_lm', () => bertInputs([1])],
    [
      'conv_keras2_mha',
      // The second query of each sequence sees no key at all.
      () => ({x: filled([2, 7, 32]), attention_mask: cast(tensor(maskOf(2, 7), [2, 7, 7]), 'bool')}),
    ],
    ['conv_keras2_vit', () => ({image: filled([3, 32, 32, 3])})],
    ['espnet_lm', espnetInputs],
  ];
  for (const [file, inputs] of fixtures) {
    it(`computes what ${file} computed under full(), in execute and executeAsync, and leaves no tensor behind`, async () => {
      const warn = spyOn(console, 'warn'); // TensorFlow.js says that execute would do.
      const artifacts = graphFixture(file);
      const [before, after] = [await plain(artifacts), await swapped(artifacts, full())];
      const feed = inputs();
      const expected = await outputsOf(before, feed);
      const start = memory().numTensors;
      const now = [after.execute(feed)].flat();
      const later = [await after.executeAsync(feed)].flat();
      expect(memory().numTensors).toBe(start + now.length + later.length);
      for (const found of [now, later]) {
        expectSame(await Promise.all(found.map(async (output) => Array.from(await output.data()))), expected);
      }
      dispose([now, later]);
      expect(memory().numTensors).toBe(start);
      expect(warn).toHaveBeenCalled();
    });
  }

  it('computes what the sentence encoder computed under full(), which needs executeAsync', async () => {
    const artifacts = graphFixture('use_lite_2018');
    const [before, after] = [await plain(artifacts), await swapped(artifacts, full())];
    const pairs = [0, 0, 0, 1, 0, 2, 1, 0, 2, 0, 2, 1];
    const feed = {indices: tensor2d(pairs, [6, 2], 'int32'), values: tensor1d([5, 17, 900, 3, 42, 7], 'int32')};
    const expected = (await before.executeAsync(feed)) as Tensor;
    const start = memory().numTensors;
    const found = (await after.executeAsync(feed)) as Tensor;
    expect(memory().numTensors).toBe(start + 1);
    expectSame([Array.from(await found.data())], [Array.from(await expected.data())]);
  });

  it('can be saved and loaded again like any other model', async () => {
    const artifacts = graphFixture('espnet_lm');
    const model = await swapped(artifacts, slidingWindow({left: 1}));
    let saved: io.ModelArtifacts | undefined;
    await model.save(
      io.withSaveHandler((written) => {
        saved = written;
        return Promise.resolve({modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON' as const}});
      }),
    );
    expect(await outputsOf(await plain(saved!), espnetInputs())).toEqual(await outputsOf(model, espnetInputs()));
  });

  it('says clearly when the implementation asked for needs WebGPU', async () => {
    const model = await swapped(spellings[0]!.artifacts, {pattern: full(), implementation: 'fused'});
    const inputs = {q: zeros([1, 1, 2, 2]), k: zeros([1, 1, 2, 2]), v: zeros([1, 1, 2, 2])};
    expect(() => model.execute(inputs)).toThrowError(/WebGPU/);
  });
});

const filled = (shape: number[]): Tensor => {
  const random = uniform(6);
  return tensor(
    Float32Array.from({length: shape.reduce((a, b) => a * b)}, () => 2 * random() - 1),
    shape,
  );
};

/** A random mask [batch, length, length] in which row 1 is empty. */
function maskOf(batch: number, length: number): number[] {
  const random = uniform(8);
  return Array.from({length: batch * length * length}, (_, i) => Number(Math.floor(i / length) % length !== 1 && random() < 0.6));
}

function usesInput({modelTopology}: GraphArtifacts, name: string): boolean {
  return modelTopology.node.some(({input}) => input?.includes(name));
}
