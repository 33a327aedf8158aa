import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import {loadGraphModelSync, type GraphModel} from '@tensorflow/tfjs-converter';
import {dispose, io, memory, ones, setBackend, tensor1d, tensor2d, type Tensor} from '@tensorflow/tfjs-core';
import {registerGraphOp, rewriteGraphModel, sparseIOHandler, type FoldReport} from '../../../src/model/index.js';
import {full} from '../../../src/pattern/index.js';
import {executedNodes} from '../../support/executed_nodes.js';
import {graphFixture} from '../../support/graph_fixture.js';
import {bert} from '../../support/models/bert.js';
import {distilBert} from '../../support/models/distilbert.js';
import {espnet} from '../../support/models/espnet.js';
import {gpt2} from '../../support/models/gpt2.js';
import type {BuiltModel} from '../../support/models/graph_builder.js';
import {keras2} from '../../support/models/keras2.js';
import {keras3} from '../../support/models/keras3.js';
import {hfVit, kerasVit} from '../../support/models/vit.js';
import {zoo, type ZooModel, type ZooRun} from '../../support/models/zoo.js';
import {floats, ids, padding, pairs, type Inputs} from '../../support/models/zoo_inputs.js';
import {quantized} from '../../support/quantized.js';

/** Of the largest number of an output: what the order of float32 sums may change. */
const TOLERANCE = 2e-6;

type SyncModel = GraphModel<io.IOHandlerSync>;

const load = (artifacts: io.ModelArtifacts, fold: boolean): {model: SyncModel; folded: FoldReport | undefined} => {
  const handler = sparseIOHandler(artifacts, {pattern: full(), fold});
  const model = loadGraphModelSync(handler);
  return {model, folded: handler.report!.folded};
};

interface Output {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

async function run(artifacts: io.ModelArtifacts, fold: boolean, inputs: Inputs, how: How, names?: string[]): Promise<Output[]> {
  const {model} = load(artifacts, fold);
  const outputs = [how === 'executeAsync' ? await model.executeAsync(inputs, names) : model.execute(inputs, names)].flat();
  const read = await Promise.all(outputs.map(async (output) => ({shape: output.shape, values: await output.data()})));
  dispose(outputs);
  model.dispose();
  return read;
}

type How = 'execute' | 'executeAsync';

/** `rows`: the last sequence of a padded batch is all padding, and scores of −10000 and more keep three decimals there. */
function expectSame(found: readonly Output[], expected: readonly Output[], context: string, rows = Infinity): void {
  expect(found.map(({shape}) => shape))
    .withContext(context)
    .toEqual(expected.map(({shape}) => shape));
  expected.forEach(({shape, values}, i) => {
    const count = shape.length === 0 ? 1 : (values.length / shape[0]!) * Math.min(rows, shape[0]!);
    let [largest, error] = [1e-30, 0];
    for (let j = 0; j < count; j++) {
      const [a, b] = [found[i]!.values[j]!, values[j]!];
      if (Number.isNaN(a) !== Number.isNaN(b)) error = Infinity;
      if (a === b || Number.isNaN(b)) continue;
      largest = Math.max(largest, Math.abs(b));
      error = Math.max(error, Math.abs(a - b));
    }
    for (let j = 0; j < values.length; j++) largest = Math.max(largest, Math.abs(values[j]!) || 0);
    expect(error / largest)
      .withContext(`${context}, output ${i}`)
      .toBeLessThanOrEqual(TOLERANCE);
  });
}

const tokensOf = (batch: number): number => (batch > 1 ? batch - 1 : batch);

describe('a folded model of the zoo', () => {
  beforeAll(() => setBackend('cpu'));
  // TensorFlow.js says that execute would do.
  beforeEach(() => spyOn(console, 'warn'));

  for (const zooModel of zoo) {
    it(`${zooModel.title}: computes what it computed, in fewer nodes`, async () => {
      const lengths = zooModel.runs.some(([batch]) => batch === 2) ? zooModel.runs : [...zooModel.runs, [2, 13] as const];
      for (const [batch, length] of lengths) {
        const {artifacts, inputs} = zooModel.make(batch, length);
        const given = inputs();
        for (const how of hows(zooModel)) {
          const expected = await run(artifacts, false, given, how);
          expectSame(await run(artifacts, true, given, how), expected, `${how}, batch ${batch}, length ${length}`, tokensOf(batch));
        }
        dispose(given);
        const {model, folded} = load(artifacts, true);
        expect(folded!.after).toBeLessThanOrEqual(folded!.before);
        model.dispose();
      }
    });
  }

  it('computes what it computed where a mask has more sequences than the query, or a sum broadcasts', async () => {
    const models: readonly (readonly [BuiltModel, Inputs])[] = [
      [
        keras2({layers: 2, heads: 2, keyDim: 8, hidden: 12, ffn: 20}, {mask: 'pairs'}),
        {x: floats([1, 9, 12]), attention_mask: pairs(2, 9, 9)},
      ],
      [bert({...SIZES, layers: 2}), {input_ids: ids(1, 1), attention_mask: padding(1, 1)}],
      [distilBert({...SIZES, layers: 2}), {input_ids: ids(3, 1), attention_mask: ones([3, 1], 'int32')}],
    ];
    for (const [{artifacts}, given] of models) {
      const expected = await run(artifacts, false, given, 'execute');
      expectSame(await run(artifacts, true, given, 'execute'), expected, Object.keys(given).join());
      dispose(given);
    }
  });

  it('computes every inner tensor that can be asked for, under its name', async () => {
    for (const zooModel of zoo.filter(({runs}) => runs.some(([batch, length]) => batch === 3 && length === 23))) {
      const {artifacts, inputs} = zooModel.make(3, 23);
      const given = inputs();
      const asItIs = sparseIOHandler(artifacts, {pattern: full(), fold: false}).load();
      const names = (asItIs.modelTopology as {node: {name: string; op: string}[]}).node
        .filter(({op}) => !['NoOp', 'Placeholder', 'Const', 'Split', 'SplitV'].includes(op))
        .map(({name}) => name);
      const hasSignature = asItIs.signature !== undefined;
      if (!hasSignature) continue;
      const how = zooModel.dynamic ? 'executeAsync' : 'execute';
      const expected = await run(artifacts, false, given, how, names);
      const found = await run(artifacts, true, given, how, names);
      found.forEach((output, i) => expectSame([output], [expected[i]!], `${zooModel.title} ${names[i]!}`, 2));
      dispose(given);
    }
  });

  it('leaves no tensor behind', async () => {
    for (const zooModel of zoo) {
      const {artifacts, inputs} = makeFirst(zooModel);
      const start = memory().numTensors;
      const given = inputs();
      for (const how of hows(zooModel)) await run(artifacts, true, given, how);
      dispose(given);
      expect(memory().numTensors).withContext(zooModel.title).toBe(start);
    }
  });

  it('is folded as far as can be: again, there is nothing to fold', () => {
    for (const zooModel of zoo) {
      const first = rewriteGraphModel(makeFirst(zooModel).artifacts, {pattern: full()});
      const again = rewriteGraphModel(first.artifacts, {pattern: full()});
      const told = again.report.folded!;
      expect([told.before, told.after])
        .withContext(zooModel.title)
        .toEqual([first.report.folded!.after, first.report.folded!.after]);
      expect(again.artifacts.weightSpecs).withContext(zooModel.title).toEqual(first.artifacts.weightSpecs);
    }
  });

  it('needs no more memory for its weights', () => {
    for (const zooModel of zoo) {
      const {artifacts} = makeFirst(zooModel);
      const bytes = ({weightData}: io.ModelArtifacts): number => new io.CompositeArrayBuffer(weightData).byteLength;
      const [before, after] = [false, true].map((fold) => rewriteGraphModel(artifacts, {pattern: full(), fold}).artifacts);
      // Permutations and shapes of a few numbers each.
      expect(bytes(after!))
        .withContext(zooModel.title)
        .toBeLessThan(bytes(before!) + 400);
    }
  });

  it('may be saved and loaded by TensorFlow.js alone', async () => {
    registerGraphOp();
    const {artifacts, inputs} = makeFirst(zoo.find(({title}) => title.startsWith('Keras 2, keys'))!);
    const given = inputs();
    const saved = rewriteGraphModel(artifacts, {pattern: full()}).artifacts;
    const model = loadGraphModelSync({
      load: () => ({...saved, modelTopology: JSON.parse(JSON.stringify(saved.modelTopology)) as object}),
    });
    const output = model.execute(given) as Tensor;
    expectSame([{shape: output.shape, values: await output.data()}], await run(artifacts, false, given, 'execute'), 'saved', 2);
    dispose([given, output]);
    model.dispose();
  });

  it('computes the same of quantised weights', async () => {
    for (const dtype of ['uint8', 'uint16', 'float16'] as const) {
      for (const title of ['BERT (C′)', 'Keras 2, keys masked', 'Keras 3, grouped queries', 'T5 (T)']) {
        const zooModel = zoo.find((each) => each.title === title)!;
        const {artifacts, inputs} = zooModel.make(2, 13);
        const few = quantized(artifacts, dtype);
        const given = inputs();
        const expected = await run(few, false, given, 'execute');
        expectSame(await run(few, true, given, 'execute'), expected, `${title}, ${dtype}`, 1);
        const after = [few, artifacts].map((each) => rewriteGraphModel(each, {pattern: full()}).report.folded!.after);
        // In halves, the constants of GELU are others.
        if (dtype !== 'float16' || title !== 'BERT (C′)') expect(after[0]).withContext(`${title}, ${dtype}`).toBe(after[1]!);
        dispose(given);
      }
    }
  });
});

describe('a folded model of the zoo on the wasm backend', () => {
  beforeAll(() => setBackend('wasm'));
  afterAll(() => setBackend('cpu'));

  // The Cumsum of TensorFlow.js along a negative axis reads beyond the memory of wasm.
  for (const zooModel of zoo.filter(({title}) => title !== 'Keras 3, causal')) {
    it(`${zooModel.title}: computes what it computed`, async () => {
      const [batch] = zooModel.runs[0]!;
      const {artifacts, inputs} = makeFirst(zooModel);
      const given = inputs();
      const how = zooModel.dynamic ? 'executeAsync' : 'execute';
      const expected = await run(artifacts, false, given, how);
      expectSame(await run(artifacts, true, given, how), expected, zooModel.title, tokensOf(batch));
      dispose(given);
    });
  }
});

const hows = ({dynamic}: ZooModel): How[] => (dynamic ? ['executeAsync'] : ['execute', 'executeAsync']);
const makeFirst = (zooModel: ZooModel): ZooRun => zooModel.make(...zooModel.runs[0]!);

const SIZES = {heads: 2, headDim: 6, ffn: 20, vocabulary: 40, positions: 64};
const KERAS = {heads: 2, keyDim: 8, headDim: 8, hidden: 12, ffn: 20};

/** Executed nodes of one more layer. */
const LAYERS: readonly (readonly [title: string, make: (layers: number) => BuiltModel, before: number, after: number])[] = [
  ['BERT', (layers) => bert({...SIZES, layers}), 107, 8],
  // Seven of them are the mask and sizes, which each layer makes anew.
  ['DistilBERT', (layers) => distilBert({...SIZES, layers}), 112, 15],
  ['ESPnet', (layers) => espnet({...SIZES, layers}, [2, 7]), 51, 7],
  ['GPT-2', (layers) => gpt2({...SIZES, layers}), 80, 8],
  ['Keras 2', (layers) => keras2({...KERAS, layers}, {mask: 'keys'}), 82, 7],
  ['Keras 3', (layers) => keras3({...KERAS, layers}), 52, 7],
  ['Keras 3, grouped queries', (layers) => keras3({...KERAS, layers, heads: 4, keyHeads: 2}), 52, 7],
  ['ViT of Keras', (layers) => kerasVit({...SIZES, layers, edge: 3}), 81, 11],
  ['ViT of Hugging Face', (layers) => hfVit({...SIZES, layers, edge: 3}), 107, 8],
];

describe('a layer', () => {
  for (const [title, make, before, after] of LAYERS) {
    it(`of ${title} takes ${after} nodes in place of ${before}`, () => {
      const count = (layers: number, fold: boolean): number =>
        executedNodes(sparseIOHandler(make(layers).artifacts, {pattern: full(), fold}).load()).length;
      expect(count(3, false) - count(2, false)).toBe(before);
      expect(count(3, true) - count(2, true)).toBe(after);
    });
  }
});

/** Of whole converted models, embeddings, masks and heads included. */
const FIXTURES: readonly (readonly [file: string, before: number, after: number, inputs: (batch: number) => Inputs])[] = [
  ['conv_hf_bert', 251, 43, (batch) => ({input_ids: ids(batch, 17), attention_mask: padding(batch, 17)})],
  ['conv_hf_gpt2_lm', 196, 36, (batch) => ({input_ids: ids(batch, 17), attention_mask: padding(batch, 17)})],
  ['conv_keras2_vit', 181, 29, (batch) => ({image: floats([batch, 32, 32, 3])})],
  ['conv_keras2_mha', 165, 19, (batch) => ({x: floats([batch, 7, 32]), attention_mask: pairs(batch, 7, 7)})],
  ['espnet_lm', 502, 74, () => ({input_1: ids(5, 1)})],
];

describe('a converted model', () => {
  beforeAll(() => setBackend('cpu'));

  for (const [file, before, after, make] of FIXTURES) {
    it(`${file} takes ${after} nodes in place of ${before}, and computes the same`, async () => {
      const artifacts = graphFixture(file);
      const {folded} = load(artifacts, true);
      expect([folded!.before, folded!.after]).toEqual([before, after]);
      expect(folded!.left).toEqual([]);
      expect(executedNodes(rewriteGraphModel(artifacts, {pattern: full()}).artifacts).length).toBe(after);
      for (const batch of [1, 2, 3]) {
        const given = make(batch);
        const expected = await run(artifacts, false, given, 'execute');
        expectSame(await run(artifacts, true, given, 'execute'), expected, `batch ${batch}`, tokensOf(batch));
        dispose(given);
      }
    });
  }

  it('use_lite_2018 takes 201 nodes in place of 228, and computes the same, in executeAsync', async () => {
    spyOn(console, 'warn'); // Of a size that TensorFlow.js works out while it runs.
    const artifacts = graphFixture('use_lite_2018');
    const {folded} = load(artifacts, true);
    expect([folded!.before, folded!.after]).toEqual([228, 201]);
    // Sentences of three, one and two tokens, and one alone.
    for (const [pairs, values] of [
      [
        [0, 0, 0, 1, 0, 2, 1, 0, 2, 0, 2, 1],
        [5, 17, 900, 3, 42, 7],
      ],
      [[0, 0], [8]],
    ] as const) {
      const given = {indices: tensor2d([...pairs], [values.length, 2], 'int32'), values: tensor1d([...values], 'int32')};
      const expected = await run(artifacts, false, given, 'executeAsync');
      expectSame(await run(artifacts, true, given, 'executeAsync'), expected, `${values.length} tokens`);
      dispose(given);
    }
  });

  it('with control flow of TensorFlow 1 stays, and the report says why', () => {
    const artifacts = graphFixture('efficientsam_decoder');
    const {report} = rewriteGraphModel(artifacts, {pattern: full()});
    expect(report.replaced.length).toBe(7);
    expect(report.folded!.folds).toEqual([]);
    expect(report.folded!.left.map(({reason}) => reason)).toEqual([
      'a graph with control flow of TensorFlow 1 (Switch) is not folded',
    ]);
  });
});
