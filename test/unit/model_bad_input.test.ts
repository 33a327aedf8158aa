import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import type {io} from '@tensorflow/tfjs-core';
import {dispose, env, memory, ones, setBackend, type Tensor} from '@tensorflow/tfjs-core';
import type {GraphDef} from '../../src/model/graph/graph.js';
import {loadGraphModel, rewriteGraphModel, sparseIOHandler, type SwapReport} from '../../src/model/index.js';
import {causal, full, slidingWindow} from '../../src/pattern/index.js';
import {attentionGraph, node, oddOnes, product, scores, spellings} from '../support/attention_graphs.js';
import {refusal} from '../support/errors.js';
import {graphFixture} from '../support/graph_fixture.js';

const good = spellings.find(({title}) => title === 'a multiplication after the scores')!.artifacts;
const swap = (model: unknown): {artifacts: io.ModelArtifacts; report: SwapReport} =>
  rewriteGraphModel(model as io.ModelArtifacts, {pattern: full()});
const strictly =
  (model: unknown): (() => unknown) =>
  () =>
    rewriteGraphModel(model as io.ModelArtifacts, {pattern: full(), strict: true});

const two = attentionGraph([
  scores,
  node('probs', 'Softmax', 'scores'),
  product('first', 'probs', 'v'),
  product('more', 'first', 'k', {adj_y: {b: true}}),
  node('weights', 'Softmax', 'more'),
  product('out', 'weights', 'v'),
]);

describe('a model that is not as it should be', () => {
  beforeAll(() => setBackend('cpu'));

  const bad: [title: string, model: unknown, problem: RegExp][] = [
    ['a layers model', {format: 'layers-model', modelTopology: {class_name: 'Sequential'}}, /a model of format 'layers-model'/],
    ['nothing', {}, /a model of format 'unknown'/],
    ['null', null, /a model of format 'unknown'/],
    ['a graph without a list', {modelTopology: {node: 'nodes'}}, /expected a graph model/],
    ['a node without a name', {modelTopology: {node: [{op: 'Const'}]}}, /node 0 of the graph has no name/],
    ['null for a node', {modelTopology: {node: [null]}}, /node 0 of the graph has no name/],
    ['two nodes of a name', {modelTopology: {node: [node('a', 'Placeholder'), node('a', 'Placeholder')]}}, /the same name/],
    [
      'an input that is not there',
      {modelTopology: {node: [node('a', 'Identity', 'gone:1')]}},
      /'a' reads 'gone:1', which no node makes/,
    ],
    ['no weights', {...good, weightData: undefined}, /the weights are missing/],
    ['weights cut off', {...good, weightData: new ArrayBuffer(3)}, /have 3 bytes, their shapes ask for 4/],
    [
      'weights of another shape',
      {...good, weightSpecs: [{name: 'c', shape: [2], dtype: 'float32'}]},
      /have 4 bytes, their shapes ask for 8/,
    ],
    ['a constant without a weight', {...good, weightSpecs: [], weightData: new ArrayBuffer(0)}, /the constant 'c' has no weight/],
    ['no attention', attentionGraph([node('out', 'Relu', 'q')]), /no attention was found/],
  ];
  for (const [title, model, problem] of bad) {
    it(`(${title}) is given back as it is, with the reason; strict throws`, () => {
      const {artifacts, report} = swap(model);
      if (model !== null) expect(artifacts).toBe(model as io.ModelArtifacts);
      expect(report.problems).toEqual([jasmine.stringMatching(problem) as unknown as string]);
      expect([report.found, report.replaced, report.left]).toEqual([0, [], []]);
      const error = refusal(strictly(model));
      expect(error.thing).toBe('rewriteGraphModel model');
      expect(error.found).toMatch(problem);
      expect(error.cure).toContain('strict');
    });
  }

  it('(a matrix of another width, as many bytes) is given back as it is', () => {
    const artifacts = graphFixture('conv_keras2_mha');
    const weightSpecs = artifacts.weightSpecs!.map((spec) =>
      spec.shape.join() === '32,4,8' ? {...spec, shape: [8, 4, 32]} : spec,
    );
    const {artifacts: same, report} = swap({...artifacts, weightSpecs});
    expect(report.problems).toEqual([jasmine.stringMatching(/weights of the wrong shape: the Einsum/) as unknown as string]);
    expect(same.modelTopology).toBe(artifacts.modelTopology);
  });

  it('with an attention that cannot be swapped throws only when strict, and names it', () => {
    for (const {title, artifacts} of oddOnes) {
      expect(swap(artifacts).report.left.length).withContext(title).toBe(1);
      const error = refusal(strictly(artifacts));
      expect(error.found).withContext(title).toContain(`1 of 1 attentions that cannot be swapped ('probs': `);
    }
    expect(strictly(good)).not.toThrow();
  });

  it('takes a pattern for each attention, in the order in which they run', () => {
    const patterns = [causal(), slidingWindow({left: 3})];
    const {report} = rewriteGraphModel(two, {pattern: patterns});
    expect(report.replaced.map(({name, pattern}) => [name, pattern])).toEqual([
      ['first', 'causal()'],
      ['out', 'slidingWindow(left: 3)'],
    ]);
    // Whatever order the file has.
    const topology = {...two.modelTopology, node: two.modelTopology.node.toReversed()};
    const turned = rewriteGraphModel({...two, modelTopology: topology}, {pattern: patterns}).report;
    expect(turned.replaced.map(({name}) => name)).toEqual(['first', 'out']);
  });

  it('is given back as it is when there are more or fewer patterns than attentions', () => {
    spyOn(console, 'warn');
    for (const pattern of [[], [full()], [full(), full(), full()]]) {
      const {artifacts, report} = rewriteGraphModel(two, {pattern});
      expect(artifacts).toBe(two);
      expect(report.problems).toEqual([`${pattern.length} patterns were given, and 2 attentions can be swapped; nothing was`]);
      expect(report.left.map(({name}) => name)).toEqual(['probs', 'weights']);
      expect(refusal(() => rewriteGraphModel(two, {pattern, strict: true})).found).toContain('2 attentions can be swapped');
    }
  });

  it('loads through the handler as it would have loaded, and the report is told before strict throws', async () => {
    const told: SwapReport[] = [];
    const handler = sparseIOHandler(
      {load: () => Promise.resolve({...good, weightData: undefined})},
      {
        pattern: full(),
        strict: true,
        onReport: (report) => told.push(report),
      },
    );
    await expectAsync(handler.load()).toBeRejectedWithError(/the weights are missing/);
    expect(told.length).toBe(1);
    expect(handler.report).toBe(told[0]!);
  });

  it('without any attention loads and runs', async () => {
    const artifacts = attentionGraph([node('out', 'Relu', 'q')]);
    const model = await loadGraphModel({load: () => Promise.resolve(artifacts)}, {pattern: full()});
    expect(model.report.problems.length).toBe(1);
    const output = model.execute({q: ones([2])}) as Tensor;
    expect(Array.from(await output.data())).toEqual([1, 1]);
  });
});

describe('loadGraphModel', () => {
  beforeAll(() => setBackend('cpu'));

  it('loads from a URL, swaps, and says what it did', async () => {
    const {modelTopology, signature, weightSpecs, weightData} = good;
    const files: Record<string, BodyInit> = {
      'http://models.test/m/model.json': JSON.stringify({
        ...{modelTopology, signature, format: 'graph-model', generatedBy: null, convertedBy: null},
        weightsManifest: [{paths: ['group1.bin'], weights: weightSpecs}],
      }),
      'http://models.test/m/group1.bin': weightData as ArrayBuffer,
    };
    spyOn(env().platform, 'fetch').and.callFake((url) => Promise.resolve(new Response(files[url]!)));
    const start = memory().numTensors;
    const model = await loadGraphModel('http://models.test/m/model.json', {pattern: slidingWindow({left: 1})});
    expect(model.report.replaced.map(({name, pattern}) => [name, pattern])).toEqual([['out', 'slidingWindow(left: 1)']]);
    const inputs = {q: ones([1, 1, 3, 2]), k: ones([1, 1, 3, 2]), v: ones([1, 1, 3, 2])};
    const output = model.execute(inputs) as Tensor;
    expect(Array.from(await output.data())).toEqual([1, 1, 1, 1, 1, 1]);
    dispose([inputs, output]);
    model.dispose();
    expect(memory().numTensors).toBe(start);
  });

  it('refuses options as the handler does', async () => {
    await expectAsync(loadGraphModel('model.json', {} as unknown as {pattern: ReturnType<typeof full>})).toBeRejectedWithError(
      /pattern: found undefined/,
    );
  });
});

describe('rewriteGraphModel', () => {
  beforeAll(() => setBackend('cpu'));

  it('takes a model.json with its weights, and gives artifacts that load', async () => {
    const fixture = graphFixture('conv_keras2_vit');
    const {modelTopology, signature, weightSpecs, weightData} = fixture;
    const json = {
      modelTopology,
      signature,
      format: 'graph-model',
      weightsManifest: [{paths: [], weights: weightSpecs!}],
    } as unknown as io.ModelJSON;
    const before = JSON.stringify(json);
    const {artifacts, report} = rewriteGraphModel([json, weightData as ArrayBuffer], {pattern: full(), strict: true, fold: false});
    expect(report.replaced.length).toBe(2);
    expect(JSON.stringify(json)).toBe(before);
    // The constants of the new nodes come after the weights of the model.
    expect(artifacts.weightSpecs!.slice(0, weightSpecs!.length)).toEqual(weightSpecs!);
    expect(artifacts.weightSpecs!.length).toBeGreaterThan(weightSpecs!.length);
    const model = loadGraphModelSync(artifacts);
    const output = model.execute({image: ones([1, 32, 32, 3])}) as Tensor;
    const expected = loadGraphModelSync(fixture).execute({image: ones([1, 32, 32, 3])}) as Tensor;
    const [a, b] = [await output.data(), await expected.data()];
    for (let i = 0; i < b.length; i++) expect(a[i]!).toBeCloseTo(b[i]!, 4);
  });

  it('leaves a model.json without weights as it is, and says why', () => {
    const {modelTopology, weightSpecs} = good;
    const json = {modelTopology, weightsManifest: [{paths: [], weights: weightSpecs!}]} as unknown as io.ModelJSON;
    const {artifacts, report} = rewriteGraphModel(json, {pattern: full()});
    expect(report.problems).toEqual([jasmine.stringMatching('the weights are missing') as unknown as string]);
    expect(artifacts.modelTopology as GraphDef).toBe(modelTopology);
  });

  it('refuses an unknown option in its own name', () => {
    const options = {pattern: full(), stric: true} as unknown as {pattern: ReturnType<typeof full>};
    expect(refusal(() => rewriteGraphModel(good, options)).message).toContain("Did you mean 'strict'?");
  });
});
