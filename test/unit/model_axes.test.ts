import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {setBackend, tensor, type io, type Tensor} from '@tensorflow/tfjs-core';
import type {NodeDef} from '../../src/model/graph/graph.js';
import {rewriteGraphModel, type SwapReport} from '../../src/model/index.js';
import {causal, full} from '../../src/pattern/index.js';
import {attentionGraph, node, product, scores} from '../support/attention_graphs.js';
import {uniform, type Constant} from '../support/hand_made_graph.js';
import {GraphBuilder} from '../support/models/graph_builder.js';
import * as l from '../support/models/layers.js';

type Inputs = Record<string, Tensor>;

const einsum = (name: string, equation: string, ...input: string[]): NodeDef => ({
  ...node(name, 'Einsum', ...input),
  attr: {T: {type: 'DT_FLOAT'}, equation: {s: btoa(equation)}},
});

const draw = (shape: number[], seed: number): Tensor => {
  const random = uniform(seed);
  const count = shape.reduce((a, b) => a * b);
  return tensor(
    Float32Array.from({length: count}, () => 4 * random() - 2),
    shape,
  );
};

const run = async (artifacts: io.ModelArtifacts, inputs: Inputs): Promise<{shape: number[]; values: Float32Array}> => {
  const output = loadGraphModelSync(artifacts).execute(inputs) as Tensor;
  return {shape: output.shape, values: (await output.data()) as Float32Array};
};

/** Swaps with `full()`, compares numbers and shape with those of the original, and gives the report. */
async function expectSame(artifacts: io.ModelArtifacts, inputs: Inputs): Promise<SwapReport> {
  const {artifacts: swapped, report} = rewriteGraphModel(artifacts, {pattern: full()});
  expect(report.found).toBe(1);
  const [expected, found] = [await run(artifacts, inputs), await run(swapped, inputs)];
  expect(found.shape).toEqual(expected.shape);
  const error = found.values.reduce((most, value, i) => Math.max(most, Math.abs(value - expected.values[i]!)), 0);
  expect(error).toBeLessThan(1e-5);
  return report;
}

const reasons = ({left}: SwapReport): string[] => left.map(({reason}) => reason);

const triangle: Constant = {shape: [3, 3], values: [0, -1e9, -1e9, 0, 0, -1e9, 0, 0, 0]};

describe('scores whose queries come before their heads', () => {
  beforeAll(() => setBackend('cpu'));

  const inputs = (): Inputs => ({q: draw([2, 3, 3, 4], 1), k: draw([2, 5, 3, 4], 2), v: draw([2, 5, 3, 4], 3)});
  const masked = (shape: number[] | undefined): io.ModelArtifacts =>
    attentionGraph(
      [
        einsum('scores', 'bqhd,bkhd->bqhk', 'q', 'k'),
        node('masked', 'AddV2', 'scores', 'm'),
        node('probs', 'Softmax', 'masked'),
        einsum('out', 'bqhk,bkhd->bqhd', 'probs', 'v'),
      ],
      {},
      ['out'],
      shape && {m: shape},
    );

  it('take a padding mask, which has neither', async () => {
    const report = await expectSame(masked([-1, 1, 1, -1]), {...inputs(), m: draw([2, 1, 1, 5], 4)});
    expect(report.replaced.map(({bias}) => bias)).toEqual([['m']]);
  });

  it('take a mask for each query or each head, which the op turns', async () => {
    for (const [declared, mask] of [
      [
        [1, -1, 1, -1],
        [1, 3, 1, 5],
      ],
      [
        [-1, -1, -1],
        [3, 1, 5],
      ],
      [
        [3, 5],
        [3, 5],
      ],
      [
        [-1, -1, 3, -1],
        [2, 3, 3, 5],
      ],
      [undefined, [1, 1, 3, 5]],
      [undefined, [3, 5]],
    ]) {
      const report = await expectSame(masked(declared), {...inputs(), m: draw(mask!, 5)});
      expect(report.replaced.map(({bias}) => bias)).toEqual([['m']]);
    }
  });

  it('stay with a triangle over heads and keys', async () => {
    const graph = attentionGraph(
      [
        einsum('scores', 'bqhd,bkhd->bqhk', 'q', 'k'),
        node('masked', 'AddV2', 'scores', 'triangle'),
        node('probs', 'Softmax', 'masked'),
        einsum('out', 'bqhk,bkhd->bqhd', 'probs', 'v'),
      ],
      {triangle},
    );
    const report = await expectSame(graph, {q: draw([2, 3, 3, 4], 1), k: draw([2, 3, 3, 4], 2), v: draw([2, 3, 3, 4], 3)});
    expect(reasons(report)).toEqual([jasmine.stringMatching(/causal mask/) as unknown as string]);
  });

  it('stay where one key head could take either axis for its queries', () => {
    const graph = (q: number[], k: number[]): io.ModelArtifacts =>
      attentionGraph(
        [
          einsum('scores', 'bqhd,bkd->bqhk', 'q', 'k'),
          node('probs', 'Softmax', 'scores'),
          einsum('out', 'bqhk,bkd->bqhd', 'probs', 'v'),
        ],
        {},
        ['out'],
        {q, k, v: k},
      );
    for (const [q, k] of [
      [
        [-1, -1, 8, 4],
        [-1, -1, 4],
      ],
      [
        [1, 16, 8, 4],
        [1, 16, 4],
      ],
    ]) {
      const {report} = rewriteGraphModel(graph(q!, k!), {pattern: causal()});
      expect(reasons(report)).toEqual([jasmine.stringMatching(/cannot be told which axis are the queries/) as unknown as string]);
    }
  });
});

describe('two inputs with heads merged into their batches', () => {
  beforeAll(() => setBackend('cpu'));

  const graph = (shapes: Record<string, number[]>): io.ModelArtifacts =>
    attentionGraph(
      [
        scores,
        node('apart', 'Reshape', 'scores', 'heads'),
        node('masked', 'AddV2', 'apart', 'm'),
        node('again', 'Reshape', 'masked', 'merged'),
        node('probs', 'Softmax', 'again'),
        product('out', 'probs', 'v'),
      ],
      {heads: {shape: [4], values: [-1, 2, 3, 5], int: true}, merged: {shape: [3], values: [-1, 3, 5], int: true}},
      ['out'],
      {...shapes, m: [-1, 1, 1, 5]},
    );
  const inputs = (): Inputs => ({q: draw([4, 3, 4], 1), k: draw([4, 5, 4], 2), v: draw([4, 5, 4], 3), m: draw([2, 1, 1, 5], 4)});

  it('are swapped where these have two unknown sizes, also with one matrix of queries for all', async () => {
    const unknown = graph({q: [-1, 3, 4], k: [-1, 5, 4], v: [-1, 5, 4]});
    for (const q of [draw([4, 3, 4], 1), draw([1, 3, 4], 1)]) {
      const report = await expectSame(unknown, {...inputs(), q});
      expect(report.replaced.map(({axes}) => axes)).toEqual(['mld,mld,mld->mld']);
    }
  });

  it('stay where batch and heads are mixed anew', async () => {
    const mixed = attentionGraph(
      [scores, node('apart', 'Reshape', 'scores', 'other'), node('probs', 'Softmax', 'apart'), product('out', 'probs', 'v')],
      {other: {shape: [4], values: [-1, 4, 3, 5], int: true}},
      ['out'],
      {q: [-1, 2, 3, 4], k: [-1, 2, 5, 4], v: [-1, 4, 5, 4]},
    );
    const report = await expectSame(mixed, {q: draw([2, 2, 3, 4], 1), k: draw([2, 2, 5, 4], 2), v: draw([1, 4, 5, 4], 3)});
    expect(reasons(report)).toEqual(["the Reshape 'apart' of the scores cannot be proven to only regroup heads"]);
  });

  it('are swapped where one of them is known', async () => {
    const report = await expectSame(graph({q: [4, 3, 4], k: [-1, 5, 4], v: [-1, 5, 4]}), inputs());
    expect(report.replaced.map(({axes}) => axes)).toEqual(['mld,mld,mld->mld']);
  });
});

describe('windows that are the batch', () => {
  beforeAll(() => setBackend('cpu'));

  it('take a mask for each, whatever number of images a run has, and a scale repeated to all pairs', async () => {
    const slopes: Constant = {shape: [1, 2, 1, 3, 5], values: Array.from({length: 30}, (_, i) => ((i * 7) % 11) / 4)};
    const graph = attentionGraph(
      [
        scores,
        node('size', 'Shape', 'scores'),
        node('many', 'BroadcastTo', 'scale', 'size'),
        node('scaled', 'Mul', 'scores', 'many'),
        node('five', 'Reshape', 'scaled', 'apart'),
        node('masked', 'AddV2', 'five', 'slopes'),
        node('four', 'Reshape', 'masked', 'back'),
        node('probs', 'Softmax', 'four'),
        product('out', 'probs', 'v'),
      ],
      {
        scale: {shape: [2, 1, 1], values: [0.5, -2]},
        apart: {shape: [5], values: [-1, 2, 2, 3, 5], int: true},
        back: {shape: [4], values: [-1, 2, 3, 5], int: true},
        slopes,
      },
      ['out'],
      {q: [-1, 2, 3, 4], k: [-1, 2, 5, 4], v: [-1, 2, 5, 4]},
    );
    const report = await expectSame(graph, {q: draw([6, 2, 3, 4], 1), k: draw([6, 2, 5, 4], 2), v: draw([6, 2, 5, 4], 3)});
    expect(report.replaced.map(({axes, bias, kept}) => ({axes, bias, kept}))).toEqual([
      {axes: 'whld,whld,whld->whld', bias: ['scale', 'slopes'], kept: []},
    ]);
  });
});

describe('scores with keys before queries, turned before the softmax', () => {
  beforeAll(() => setBackend('cpu'));

  const inputs = (): Inputs => ({q: draw([2, 2, 3, 4], 1), k: draw([2, 2, 5, 4], 2), v: draw([2, 2, 5, 4], 3)});
  const graph = (between: readonly NodeDef[], last: string, constants: Record<string, Constant>): io.ModelArtifacts =>
    attentionGraph(
      [
        product('scores', 'k', 'q', {adj_y: {b: true}}),
        ...between,
        node('turned', 'Transpose', last, 'perm'),
        node('probs', 'Softmax', 'turned'),
        product('out', 'probs', 'v'),
      ],
      {perm: {shape: [4], values: [0, 1, 3, 2], int: true}, ...constants},
      ['out'],
      {q: [-1, 2, -1, 4], k: [-1, 2, -1, 4], v: [-1, 2, -1, 4]},
    );
  const column: Constant = {shape: [2, 5, 1], values: [0, 1, -1, 2, -1e9, 1, 0, -2, 0.5, 3]};
  const pairs: Constant = {shape: [5, 3], values: Array.from({length: 15}, (_, i) => (i % 4) - 1.5)};

  it('take masks and scales by their own axes', async () => {
    for (const [between, last] of [
      [[node('sum', 'AddV2', 'scores', 'column')], 'sum'],
      [[node('sum', 'AddV2', 'scores', 'pairs')], 'sum'],
      [[node('sum', 'Mul', 'scores', 'row'), node('more', 'AddV2', 'sum', 'column')], 'more'],
      [[node('sum', 'AddV2', 'scores', 'five'), node('more', 'Mul', 'sum', 'row')], 'more'],
    ] as const) {
      const row: Constant = {shape: [3], values: [0.5, -1, 2]};
      const report = await expectSame(graph(between, last, {column, pairs, row, five: 5}), inputs());
      expect(report.left).toEqual([]);
    }
  });

  it('stay where a shift is not the same for all keys of a row', async () => {
    const perKey: Constant = {shape: [5, 1], values: [1, 2, 3, 4, 5]};
    const shifted = [node('sum', 'AddV2', 'scores', 'five'), node('more', 'Mul', 'sum', 'perKey')];
    const report = await expectSame(graph(shifted, 'more', {perKey, five: 5}), inputs());
    expect(reasons(report)[0]).toContain("the scale 'perKey' has a number for each key, and something was added");
    const maximum = [
      node('highest', 'Max', 'scores', 'last'),
      node('column', 'ExpandDims', 'highest', 'last'),
      node('less', 'Sub', 'scores', 'column'),
    ];
    const other = await expectSame(graph(maximum, 'less', {last: {shape: [], values: [-1], int: true}}), inputs());
    expect(reasons(other)).toEqual(['the maximum that is subtracted from its scores is that of another axis than the keys']);
  });
});

describe('an attention that loses or gains axes', () => {
  beforeAll(() => setBackend('cpu'));

  it('stays where the outermost of three leading axes is summed with the keys', async () => {
    const graph = attentionGraph([
      einsum('scores', 'abhqd,abhkd->abhqk', 'q', 'k'),
      node('probs', 'Softmax', 'scores'),
      einsum('out', 'abhqk,abhkd->bhqd', 'probs', 'v'),
    ]);
    const report = await expectSame(graph, {
      q: draw([2, 2, 3, 3, 4], 1),
      k: draw([2, 2, 3, 5, 4], 2),
      v: draw([2, 2, 3, 5, 4], 3),
    });
    expect(reasons(report)).toEqual(["the output 'out' has no axis of its outer batch"]);
  });

  it('may have three leading axes of which no tensor has all', async () => {
    const graph = attentionGraph([
      einsum('scores', 'abqd,bhkd->abhqk', 'q', 'k'),
      node('probs', 'Softmax', 'scores'),
      einsum('out', 'abhqk,hkd->abhqd', 'probs', 'v'),
    ]);
    const inputs = {q: draw([2, 3, 3, 4], 1), k: draw([3, 2, 5, 4], 2), v: draw([2, 5, 4], 3)};
    expect((await expectSame(graph, inputs)).replaced.map(({axes}) => axes)).toEqual(['abld,bhld,hld->abhld']);
  });

  it('has the rank of its mask', async () => {
    const shapes = {q: [-1, -1, 4], k: [-1, -1, 4], v: [-1, -1, 4]};
    const nodes = [
      scores,
      node('masked', 'AddV2', 'scores', 'm'),
      node('probs', 'Softmax', 'masked'),
      product('out', 'probs', 'v'),
    ];
    const inputs = {q: draw([3, 2, 4], 1), k: draw([3, 5, 4], 2), v: draw([3, 5, 4], 3)};
    for (const mask of [
      [1, 1, 1, 5],
      [2, 1, 1, 5],
      [2, 1, 3, 1, 5],
    ]) {
      const report = await expectSame(attentionGraph(nodes, {}, ['out'], shapes), {...inputs, m: draw(mask, 4)});
      expect(report.replaced.length).toBe(1);
    }
  });
});

describe('between mask and softmax', () => {
  beforeAll(() => setBackend('cpu'));

  const inputs = (): Inputs => ({q: draw([2, 2, 3, 4], 1), k: draw([2, 2, 3, 4], 2), v: draw([2, 2, 3, 4], 3)});
  const scaledBy = (factor: number): io.ModelArtifacts =>
    attentionGraph(
      [
        scores,
        node('masked', 'AddV2', 'scores', 'triangle'),
        node('scaled', 'Mul', 'masked', 'factor'),
        node('probs', 'Softmax', 'scaled'),
        product('out', 'probs', 'v'),
      ],
      {triangle, factor},
    );

  it('a scale leaves a causal mask what it is', async () => {
    expect((await expectSame(scaledBy(0.125), inputs())).replaced.map(({causal}) => causal)).toEqual([true]);
  });

  it('a factor that turns a causal mask round, or undoes it, is left', async () => {
    for (const factor of [-0.5, 1e-9]) {
      expect(reasons(await expectSame(scaledBy(factor), inputs()))).toEqual([
        jasmine.stringMatching(/'scaled' scales masked scores by/) as unknown as string,
      ]);
    }
  });
});

describe('probabilities in half precision', () => {
  beforeAll(() => setBackend('cpu'));

  it('are float32 in TensorFlow.js, so the cast is nothing', async () => {
    const cast = {...node('half', 'Cast', 'probs'), attr: {SrcT: {type: 'DT_FLOAT'}, DstT: {type: 'DT_HALF'}}};
    const graph = attentionGraph([scores, node('probs', 'Softmax', 'scores'), cast, product('out', 'half', 'v')]);
    const report = await expectSame(graph, {q: draw([2, 2, 3, 4], 1), k: draw([2, 2, 5, 4], 2), v: draw([2, 2, 5, 4], 3)});
    expect(report.replaced.length).toBe(1);
  });
});

describe('a slice that counts from the end by a size of the run', () => {
  beforeAll(() => setBackend('cpu'));

  it('is not taken for a longer one', async () => {
    const g = new GraphBuilder();
    const INT = {T: 'DT_INT32'};
    const [x, more] = [g.placeholder('x', [-1, 2, -1, 4]), g.placeholder('more', [-1, 2, -1, 4])];
    // The queries are as many last rows of x as `more` has: not as many as the keys, x and more.
    const count = l.sizeOf(g, more, 2);
    const masks = {begin_mask: 11, end_mask: 15, ellipsis_mask: 0, new_axis_mask: 0, shrink_axis_mask: 0};
    const zeros = g.ints([0, 0, 0, 0]);
    const query = g.op('StridedSlice', [x, l.pack(g, [0, 0, g.op('Neg', [count], INT), 0]), zeros, g.ints([1, 1, 1, 1])], masks);
    const key = g.op('ConcatV2', [x, more, g.int(2)], {N: 2});
    const range = (size: string): string => g.op('Range', [g.int(0), size, g.int(1)], {Tidx: 'DT_INT32'});
    const below = g.op('GreaterEqual', [l.expandDims(g, range(l.sizeOf(g, query, 2)), 1), range(l.sizeOf(g, key, 2))], INT);
    const mask = l.farWhereZero(g, l.cast(g, below, 'DT_BOOL', 'DT_FLOAT'), -1e9);
    const logits = l.add(g, l.matmul(g, query, key, {adjY: true}), mask);
    const {artifacts} = g.build({y: l.matmul(g, g.op('Softmax', [logits]), key)});
    await expectSame(artifacts, {x: draw([1, 2, 5, 4], 1), more: draw([1, 2, 3, 4], 2)});
  });
});
