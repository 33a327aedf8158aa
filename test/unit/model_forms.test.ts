import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModel, loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {dispose, memory, setBackend, tensor, type io, type Tensor} from '@tensorflow/tfjs-core';
import type {GraphDef, NodeDef} from '../../src/model/graph/graph.js';
import {loadGraphModel as loadSwapped, rewriteGraphModel} from '../../src/model/index.js';
import {causal, full} from '../../src/pattern/index.js';
import {attentionGraph, node, product, scores} from '../support/attention_graphs.js';
import {uniform, type GraphArtifacts} from '../support/hand_made_graph.js';

const einsum = (name: string, equation: string, ...input: string[]): NodeDef => ({
  ...node(name, 'Einsum', ...input),
  attr: {T: {type: 'DT_FLOAT'}, equation: {s: btoa(equation)}},
});

const draw = (shape: number[], seed: number): Tensor => {
  const random = uniform(seed);
  return tensor(
    Float32Array.from({length: shape.reduce((a, b) => a * b)}, () => 2 * random() - 1),
    shape,
  );
};

const valuesOf = async (
  model: {execute: (inputs: Record<string, Tensor>) => unknown},
  inputs: Record<string, Tensor>,
): Promise<number[]> => {
  const output = model.execute(inputs) as Tensor;
  return [...output.shape, ...(await output.data())];
};

async function expectSame(
  artifacts: GraphArtifacts,
  inputs: Record<string, Tensor>,
): Promise<ReturnType<typeof rewriteGraphModel>> {
  const rewritten = rewriteGraphModel(artifacts, {pattern: full()});
  expect(rewritten.report.left).toEqual([]);
  expect(rewritten.report.replaced.length).toBe(1);
  const expected = await valuesOf(loadGraphModelSync(artifacts), inputs);
  const found = await valuesOf(loadGraphModelSync(rewritten.artifacts), inputs);
  expect(found.length).toBe(expected.length);
  found.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5));
  return rewritten;
}

describe('an attention of other axes', () => {
  beforeAll(() => setBackend('cpu'));

  it('has one head of keys for all queries where key and value have no heads', async () => {
    const nodes = [
      einsum('scores', 'bqhd,bkd->bhqk', 'q', 'k'),
      node('probs', 'Softmax', 'scores'),
      einsum('out', 'bhqk,bkd->bqhd', 'probs', 'v'),
    ];
    const inputs = {q: draw([2, 5, 3, 4], 1), k: draw([2, 7, 4], 2), v: draw([2, 7, 6], 3)};
    const {report} = await expectSame(attentionGraph(nodes), inputs);
    expect(report.replaced[0]!.axes).toBe('blhd,bld,bld->blhd');
  });

  it('may have three leading axes, and a mask over them', async () => {
    const nodes = [
      product('scores', 'q', 'k', {adj_y: {b: true}}),
      node('masked', 'AddV2', 'scores', 'm'),
      node('probs', 'Softmax', 'masked'),
      product('out', 'probs', 'v'),
    ];
    const shapes = {q: [-1, 3, 2, -1, 4], k: [-1, 3, 2, -1, 4], v: [-1, 3, 2, -1, 4]};
    const inputs = {q: draw([2, 3, 2, 5, 4], 1), k: draw([2, 3, 2, 7, 4], 2), v: draw([2, 3, 2, 7, 4], 3)};
    await expectSame(attentionGraph(nodes, {}, ['out'], shapes), {...inputs, m: draw([5, 7], 4)});
    await expectSame(attentionGraph(nodes, {}, ['out'], shapes), {...inputs, m: draw([2, 1, 2, 1, 7], 4)});
    await expectSame(attentionGraph(nodes), {...inputs, m: draw([3, 1, 1, 7], 4)});
  });

  it('may be a product of two matrices, or of one head', async () => {
    const flat = [
      {...node('scores', 'MatMul', 'q', 'k'), attr: {transpose_b: {b: true}}},
      node('scaled', 'Mul', 'scores', 'c'),
      node('probs', 'Softmax', 'scaled'),
      node('out', 'MatMul', 'probs', 'v'),
    ];
    const {report} = await expectSame(attentionGraph(flat, {c: 0.5}), {q: draw([5, 4], 1), k: draw([7, 4], 2), v: draw([7, 3], 3)});
    expect(report.replaced[0]!.axes).toBe('ld,ld,ld->ld');
    const plain = [scores, node('probs', 'Softmax', 'scores'), product('out', 'probs', 'v')];
    await expectSame(attentionGraph(plain), {q: draw([3, 5, 4], 1), k: draw([3, 7, 4], 2), v: draw([3, 7, 3], 3)});
  });

  it('may ask with learned queries', async () => {
    const learned = {shape: [1, 2, 3, 4], values: Array.from({length: 24}, (_, i) => Math.sin(i))};
    const nodes = [
      product('scores', 'learned', 'k', {adj_y: {b: true}}),
      node('probs', 'Softmax', 'scores'),
      product('out', 'probs', 'v'),
    ];
    const {report} = await expectSame(attentionGraph(nodes, {learned}, ['out'], {k: [-1, 2, -1, 4]}), {
      k: draw([2, 2, 7, 4], 2),
      v: draw([2, 2, 7, 4], 3),
    });
    expect(report.replaced[0]!.query).toBe('learned');
  });

  it('keeps heads that are repeated as a whole, which grouped queries are not', async () => {
    const nodes = [
      node('many', 'Tile', 'k', 'times'),
      product('scores', 'q', 'many', {adj_y: {b: true}}),
      node('probs', 'Softmax', 'scores'),
      product('out', 'probs', 'v'),
    ];
    const shapes = {q: [-1, 4, -1, 3], k: [-1, 2, -1, 3], v: [-1, 4, -1, 3]};
    const graph = attentionGraph(nodes, {times: {shape: [4], values: [1, 2, 1, 1], int: true}}, ['out'], shapes);
    const {report} = await expectSame(graph, {q: draw([2, 4, 5, 3], 1), k: draw([2, 2, 7, 3], 2), v: draw([2, 4, 7, 3], 3)});
    expect(report.replaced[0]!.key).toBe('many');
  });

  it('understands an ellipsis, which TensorFlow.js does not', () => {
    const nodes = [
      einsum('scores', '...qd,...kd->...qk', 'q', 'k'),
      node('probs', 'Softmax', 'scores'),
      einsum('out', '...qk,...kd->...qd', 'probs', 'v'),
    ];
    expect(rewriteGraphModel(attentionGraph(nodes), {pattern: full()}).report.replaced[0]!.axes).toBe('*ld,*ld,*ld->*ld');
    const known = attentionGraph(nodes, {}, ['out'], {q: [2, 3, 5, 4], k: [2, 3, 7, 4], v: [2, 3, 7, 4]});
    expect(rewriteGraphModel(known, {pattern: full()}).report.replaced[0]!.axes).toBe('bhld,bhld,bhld->bhld');
  });

  it('with a cache that is written in place is left, for nobody knows where its query stands', () => {
    const nodes = [
      node('cache', 'TensorScatterUpdate', 'm', 'n', 'k'),
      product('scores', 'q', 'cache', {adj_y: {b: true}}),
      node('probs', 'Softmax', 'scores'),
      product('out', 'probs', 'v'),
    ];
    const {report} = rewriteGraphModel(attentionGraph(nodes), {pattern: causal()});
    expect(report.left.map(({reason}) => reason)).toEqual([
      jasmine.stringMatching(/'cache' is a cache that is written in place/) as unknown as string,
    ]);
  });

  it('with keys that grow by concatenation is swapped: its queries are the last ones', async () => {
    const nodes = [
      node('grown', 'ConcatV2', 'm', 'k', 'axis'),
      product('scores', 'q', 'grown', {adj_y: {b: true}}),
      node('probs', 'Softmax', 'scores'),
      product('out', 'probs', 'v'),
    ];
    const graph = attentionGraph(nodes, {axis: {shape: [], values: [2], int: true}});
    const inputs = {q: draw([1, 2, 1, 4], 1), k: draw([1, 2, 1, 4], 2), m: draw([1, 2, 6, 4], 4), v: draw([1, 2, 7, 4], 3)};
    const {artifacts} = await expectSame(graph, inputs);
    const {artifacts: last} = rewriteGraphModel(graph, {pattern: causal()});
    expect(await valuesOf(loadGraphModelSync(last), inputs)).toEqual(await valuesOf(loadGraphModelSync(artifacts), inputs));
  });
});

/** Two branches with an attention each, as functions of the library; the constants of a body are weights of the model. */
function branches(): io.ModelArtifacts {
  const body = (name: string, scale: string): object => ({
    signature: {
      name,
      inputArg: ['a', 'b', 'c'].map((arg) => ({name: arg, type: 'DT_FLOAT'})),
      outputArg: [{name: 'result', type: 'DT_FLOAT'}],
    },
    nodeDef: [
      {name: scale, op: 'Const', attr: {dtype: {type: 'DT_FLOAT'}}},
      product(`${name}_scores`, 'a', 'b', {adj_y: {b: true}}),
      node(`${name}_scaled`, 'Mul', `${name}_scores:output:0`, `${scale}:output:0`),
      node(`${name}_probs`, 'Softmax', `${name}_scaled:z:0`),
      product(`${name}_out`, `${name}_probs:softmax:0`, 'c'),
    ],
    ret: {result: `${name}_out:output:0`},
  });
  const graph = attentionGraph([
    {name: 'flag', op: 'Placeholder', attr: {dtype: {type: 'DT_BOOL'}, shape: {shape: {dim: []}}}},
    {
      ...node('out', 'StatelessIf', 'flag', 'q', 'k', 'v'),
      attr: {then_branch: {func: {name: 'yes'}}, else_branch: {func: {name: 'no'}}} as unknown as NodeDef['attr'],
    } as NodeDef,
  ]);
  const library = {function: [body('yes', 'half'), body('no', 'third')]};
  return {
    ...graph,
    modelTopology: {...graph.modelTopology, library} as unknown as GraphDef,
    weightSpecs: ['half', 'third'].map((name) => ({name, shape: [], dtype: 'float32' as const})),
    weightData: Float32Array.of(0.5, 0.3).buffer,
  };
}

describe('attention in the branches of an If', () => {
  beforeAll(() => setBackend('cpu'));

  it('is swapped, computes the same, and leaves no tensor behind', async () => {
    const load = {load: () => Promise.resolve(branches())};
    const [before, after] = [await loadGraphModel(load), await loadSwapped(load, {pattern: [full(), full()], strict: true})];
    expect(after.report.replaced.map(({name, scale}) => [name, scale])).toEqual([
      ['yes_out', 0.5],
      ['no_out', Math.fround(0.3)],
    ]);
    const inputs = {q: draw([1, 2, 5, 4], 1), k: draw([1, 2, 7, 4], 2), v: draw([1, 2, 7, 4], 3)};
    for (const flag of [true, false]) {
      const feed = {...inputs, flag: tensor([Number(flag)], [], 'bool')};
      const expected = (await before.executeAsync(feed)) as Tensor;
      const start = memory().numTensors;
      const found = (await after.executeAsync(feed)) as Tensor;
      expect(memory().numTensors).toBe(start + 1);
      const [a, b] = [await found.data(), await expected.data()];
      b.forEach((value, i) => expect(Math.abs(a[i]! - value)).toBeLessThan(1e-5));
      dispose([found, expected]);
    }
  });
});
