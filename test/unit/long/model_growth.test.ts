import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {setBackend, tensor, type io, type Tensor} from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import type {NodeDef} from '../../../src/model/graph/graph.js';
import {rewriteGraphModel, type SwapReport} from '../../../src/model/index.js';
import {full, slidingWindow, type Pattern} from '../../../src/pattern/index.js';
import {attentionGraph, node, product, scores} from '../../support/attention_graphs.js';
import {graphCase} from '../../support/graph_cases.js';
import {uniform, type Constant, type GraphArtifacts} from '../../support/hand_made_graph.js';
import {withPattern} from '../../support/models/with_pattern.js';

type Inputs = Record<string, Tensor>;

const draw = (shape: readonly number[], seed: number): Tensor => {
  const random = uniform(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({length: count}, () => 2 * random() - 1),
    [...shape],
  );
};

async function run(artifacts: io.ModelArtifacts, inputs: Inputs): Promise<{shape: number[]; values: Float32Array}> {
  const output = loadGraphModelSync(artifacts).execute(inputs) as Tensor;
  return {shape: output.shape, values: (await output.data()) as Float32Array};
}

/** Swaps, and compares numbers and shape with those of the model that has the pattern written into its logits. */
async function expectSame(
  artifacts: GraphArtifacts,
  inputs: Inputs,
  about: string,
  pattern: Pattern = full(),
  masked = artifacts,
): Promise<SwapReport> {
  const {artifacts: swapped, report} = rewriteGraphModel(artifacts, {pattern});
  const [expected, found] = [await run(masked, inputs), await run(swapped, inputs)];
  expect(found.shape).withContext(about).toEqual(expected.shape);
  const error = found.values.reduce(
    (most, value, i) => Math.max(most, Number.isFinite(value) ? Math.abs(value - expected.values[i]!) : Infinity),
    0,
  );
  expect(error).withContext(about).toBeLessThan(1e-5);
  return report;
}

const constant = (shape: readonly number[], of: (key: number, query: number) => number, int?: true): Constant => {
  const [rows = 1, columns = 1] = shape.slice(-2);
  const count = shape.reduce((a, b) => a * b, 1);
  return {shape, values: Array.from({length: count}, (_, i) => of(i % columns, Math.floor(i / columns) % rows)), ...(int && {int})};
};
const triangle = (shape: readonly number[]): Constant => constant(shape, (key, query) => (key > query ? -1e9 : 0));
const cast = (name: string, input: string): NodeDef => ({
  ...node(name, 'Cast', input),
  attr: {SrcT: {type: 'DT_FLOAT'}, DstT: {type: 'DT_BOOL'}},
});

/** A way in which scores [.., n, n] meet a constant of which nothing is left when it is folded. */
interface Meeting {
  readonly nodes: readonly NodeDef[];
  readonly constants: (shape: readonly number[]) => Record<string, Constant>;
  /** What the softmax reads. */
  readonly logits: string;
}

const MEETINGS: Readonly<Record<string, Meeting>> = {
  'a shift': {nodes: [node('s', 'AddV2', 'scores', 'c')], constants: (shape) => ({c: constant(shape, () => 0.5)}), logits: 's'},
  'zeros subtracted': {
    nodes: [node('s', 'Sub', 'scores', 'c')],
    constants: (shape) => ({c: constant(shape, () => 0)}),
    logits: 's',
  },
  'a scale': {nodes: [node('s', 'Mul', 'c', 'scores')], constants: (shape) => ({c: constant(shape, () => 0.5)}), logits: 's'},
  'a divisor': {nodes: [node('s', 'RealDiv', 'scores', 'c')], constants: (shape) => ({c: constant(shape, () => 2)}), logits: 's'},
  'a causal constant': {nodes: [node('s', 'AddV2', 'scores', 'c')], constants: (shape) => ({c: triangle(shape)}), logits: 's'},
  'a causal constant, scaled later': {
    nodes: [node('sum', 'AddV2', 'scores', 'c'), node('s', 'Mul', 'sum', 'half')],
    constants: (shape) => ({c: triangle(shape), half: 0.5}),
    logits: 's',
  },
  'a causal constant times a number': {
    nodes: [node('far', 'Mul', 'c', 'large'), node('s', 'AddV2', 'scores', 'far')],
    constants: (shape) => ({c: constant(shape, (key, query) => Number(key > query)), large: -1e9}),
    logits: 's',
  },
  'a causal condition': {
    nodes: [cast('holds', 'c'), node('s', 'SelectV2', 'holds', 'scores', 'large')],
    constants: (shape) => ({c: constant(shape, (key, query) => Number(key <= query)), large: -1e9}),
    logits: 's',
  },
  'a condition that always holds': {
    nodes: [cast('holds', 'c'), node('s', 'SelectV2', 'holds', 'scores', 'large')],
    constants: (shape) => ({c: constant(shape, () => 1), large: -1e9}),
    logits: 's',
  },
  'what a condition puts in': {
    nodes: [node('seen', 'Greater', 'k1', 'small'), node('s', 'SelectV2', 'seen', 'scores', 'c')],
    constants: (shape) => ({c: constant(shape, () => -1e9), k1: {shape: [3], values: [1, 0, 1]}, small: 0.5}),
    logits: 's',
  },
  'a mask that multiplies, all ones': {
    nodes: [node('s', 'Mul', 'scores', 'c')],
    constants: (shape) => ({c: constant(shape, () => 1)}),
    logits: 's',
  },
  'a mask that multiplies and pushes down': {
    nodes: [
      node('kept', 'Mul', 'scores', 'c'),
      node('rest', 'Sub', 'one', 'c'),
      node('far', 'Mul', 'rest', 'large'),
      node('s', 'AddV2', 'kept', 'far'),
    ],
    constants: (shape) => ({c: constant(shape, (key) => Number(key !== 1)), one: 1, large: -1e9}),
    logits: 's',
  },
  'a number of a mask that pushes down': {
    nodes: [
      node('kept', 'Mul', 'scores', 'mask'),
      node('rest', 'Sub', 'one', 'mask'),
      node('far', 'Mul', 'rest', 'c'),
      node('s', 'AddV2', 'kept', 'far'),
    ],
    constants: (shape) => ({c: constant(shape, () => -1e9), one: 1, mask: {shape: [3], values: [1, 0, 1]}}),
    logits: 's',
  },
  'zeros beside a mask': {
    nodes: [node('mask', 'Mul', 'k1', 'large'), node('both', 'AddV2', 'mask', 'c'), node('s', 'AddV2', 'scores', 'both')],
    constants: (shape) => ({c: constant(shape, () => 0), k1: {shape: [3], values: [0, 1, 0]}, large: -1e9}),
    logits: 's',
  },
  'a mask that is repeated': {
    nodes: [node('c', 'BroadcastTo', 'k1', 'to'), node('s', 'AddV2', 'scores', 'c')],
    constants: (shape) => ({
      k1: constant(shape.map(() => 1).with(-1, 3), (key) => (key === 1 ? -1e9 : 0.25)),
      to: {shape: [shape.length], values: [...shape], int: true},
    }),
    logits: 's',
  },
  'a scale of the query': {
    nodes: [node('scaled', 'Mul', 'q', 'c'), product('s', 'scaled', 'k', {adj_y: {b: true}})],
    constants: (shape) => ({c: constant([...shape.slice(0, -2), 1, 1], () => 0.5)}),
    logits: 's',
  },
  'a divisor of the key': {
    nodes: [node('scaled', 'RealDiv', 'k', 'c'), product('s', 'q', 'scaled', {adj_y: {b: true}})],
    constants: (shape) => ({c: constant([...shape.slice(0, -2), 1, 1], () => 2)}),
    logits: 's',
  },
};

const graphOf = (
  {nodes, constants, logits}: Meeting,
  shape: readonly number[],
  declared: readonly number[] | undefined,
): GraphArtifacts =>
  attentionGraph(
    [scores, ...nodes, node('probs', 'Softmax', logits), product('out', 'probs', 'v')],
    constants(shape),
    ['out'],
    declared && {q: declared, k: declared, v: declared},
  );

describe('a constant that is larger than the scores', () => {
  beforeAll(() => setBackend('cpu'));

  for (const name of ['extra_axis', 'extra_batch']) {
    it(`broadcasts the output in ${name}, with full() and with a window`, async () => {
      const {artifacts, inputs} = graphCase(name);
      const given = Object.fromEntries(Object.entries(inputs).map(([key, {shape}]) => [key, draw(shape, 3)]));
      const logits = name === 'extra_axis' ? 'addv2_22' : 'addv2_2';
      for (const pattern of [full(), slidingWindow({left: 1, right: 1})]) {
        const masked = withPattern({artifacts, logits: [logits]}, [[7, 7]], pattern) as GraphArtifacts;
        const report = await expectSame(artifacts, given, name, pattern, masked);
        expect(report.replaced.map(({causal, bias}) => [causal, bias])).toEqual([[true, []]]);
      }
    });
  }

  for (const [title, meeting] of Object.entries(MEETINGS)) {
    it(`broadcasts the output: ${title}`, async () => {
      // No [2, 1] that becomes [2, 4]: TensorFlow.js multiplies that wrongly (see runGraphNode).
      for (const [batch, shape] of [
        [[1], [4, 3, 3]],
        [[2], [1, 1, 3, 3]],
        [[2], [4, 1, 3, 3]],
        [
          [1, 2],
          [4, 1, 3, 3],
        ],
        [
          [1, 2],
          [4, 2, 3, 3],
        ],
      ] as const) {
        const tensorShape = [...batch, 3, 2];
        const inputs = {q: draw(tensorShape, 1), k: draw(tensorShape, 2), v: draw(tensorShape, 3)};
        for (const declared of [tensorShape, tensorShape.map(() => -1), undefined]) {
          const about = JSON.stringify({batch, shape, declared});
          const report = await expectSame(graphOf(meeting, shape, declared), inputs, about);
          expect(report.replaced.length)
            .withContext(`${about} ${String(report)}`)
            .toBe(1);
        }
      }
    });
  }

  it('may have more queries than the scores', async () => {
    const meeting = MEETINGS['a causal constant']!;
    const inputs = {q: draw([1, 2, 1, 2], 1), k: draw([1, 2, 3, 2], 2), v: draw([1, 2, 3, 2], 3)};
    for (const declared of [undefined, [1, 2, -1, 2]]) {
      const report = await expectSame(graphOf(meeting, [3, 3], declared), inputs, String(declared));
      expect(report.replaced.length).toBe(1);
    }
  });

  it('leaves scores of its own axes their order: a Transpose behind it is not passed over', async () => {
    const turn = {perm: {shape: [4], values: [0, 1, 3, 2], int: true}} as const;
    const nodes = [
      product('turned', 'k', 'q', {adj_y: {b: true}}),
      node('shifted', 'AddV2', 'turned', 'c'),
      node('s', 'Transpose', 'shifted', 'perm'),
    ];
    const meeting: Meeting = {nodes, constants: (shape) => ({c: constant(shape, () => 0.5), ...turn}), logits: 's'};
    const inputs = {q: draw([1, 2, 3, 2], 1), k: draw([1, 2, 3, 2], 2), v: draw([1, 2, 3, 2], 3)};
    await expectSame(graphOf(meeting, [4, 1, 3, 3], [1, 2, 3, 2]), inputs, 'larger');
    const {replaced} = await expectSame(graphOf(meeting, [1, 1, 3, 3], [1, 2, 3, 2]), inputs, 'as large');
    expect(replaced.length).toBe(1);
  });

  it('is equal whatever meets whatever, declared or not', async () => {
    const sizes = fc.record({
      batch: fc.constantFrom([1], [2], [1, 2], [1, 1, 2]),
      more: fc.constantFrom([], [1], [2], [3], [3, 1], [2, 1], [2, 2], [3, 1, 1]),
      known: fc.constantFrom('all', 'last', 'none'),
      title: fc.constantFrom(...Object.keys(MEETINGS)),
    });
    let compared = 0;
    const check = fc.asyncProperty(sizes, async ({batch, more, known, title}) => {
      const tensorShape = [...batch, 3, 2];
      const fits = more.every((size, i) => [1, size].includes(batch.at(i - more.length) ?? 1) || size === 1);
      if (!fits) return;
      const declared =
        known === 'none' ? undefined : tensorShape.map((size, i) => (known === 'all' || i > batch.length ? size : -1));
      const inputs = {q: draw(tensorShape, 1), k: draw(tensorShape, 2), v: draw(tensorShape, 3)};
      await expectSame(graphOf(MEETINGS[title]!, [...more, 3, 3], declared), inputs, JSON.stringify({title, batch, more, known}));
      compared++;
    });
    await fc.assert(check, {numRuns: 150});
    expect(compared).toBeGreaterThan(50);
  });
});
