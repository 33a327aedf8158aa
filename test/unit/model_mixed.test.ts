import '@tensorflow/tfjs-backend-cpu';
import {setBackend} from '@tensorflow/tfjs-core';
import type {NodeDef} from '../../src/model/graph/graph.js';
import {rewriteGraphModel, type SwapReport} from '../../src/model/index.js';
import {full} from '../../src/pattern/index.js';
import {attentionGraph, node, product, scores} from '../support/attention_graphs.js';
import {refusal} from '../support/errors.js';
import {graphCase} from '../support/graph_cases.js';
import type {Constant, GraphArtifacts} from '../support/hand_made_graph.js';

const einsum = (name: string, equation: string, ...input: string[]): NodeDef => ({
  ...node(name, 'Einsum', ...input),
  attr: {T: {type: 'DT_FLOAT'}, equation: {s: btoa(equation)}},
});
const convolution = (name: string, ...input: string[]): NodeDef => ({
  ...node(name, 'Conv2D', ...input),
  attr: {T: {type: 'DT_FLOAT'}, strides: {list: {i: [1, 1, 1, 1]}}, padding: {s: btoa('SAME')}, data_format: {s: btoa('NHWC')}},
});
const numbers = (...shape: number[]): Constant => ({
  shape,
  values: Array.from({length: shape.reduce((a, b) => a * b)}, (_, i) => Math.sin(i)),
});
const ints = (...values: number[]): Constant => ({shape: [values.length], values, int: true});

const shapes = {q: [-1, 2, -1, 4], k: [-1, 2, -1, 4], v: [-1, 2, -1, 4]};
const graph = (
  nodes: NodeDef[],
  constants: Record<string, Constant>,
  declared: Record<string, number[]> = shapes,
): GraphArtifacts => attentionGraph(nodes, constants, ['out'], declared);
const reportOf = (artifacts: GraphArtifacts): SwapReport => rewriteGraphModel(artifacts, {pattern: full()}).report;

const turned = {heads_last: ints(0, 2, 3, 1), heads_first: ints(0, 3, 1, 2)};

/** Weights between the product and the softmax, or behind the softmax: an n × n softmax is left in each. */
const mixed: [title: string, artifacts: GraphArtifacts, reason: RegExp][] = [
  [
    'heads mixed by an Einsum',
    graph([scores, einsum('mix', 'bhqk,hg->bgqk', 'scores', 'w'), node('probs', 'Softmax', 'mix'), product('out', 'probs', 'v')], {
      w: numbers(2, 2),
    }),
    /^the Einsum 'mix' multiplies with weights$/,
  ],
  [
    'heads mixed behind the softmax',
    graph([scores, node('probs', 'Softmax', 'scores'), einsum('mix', 'bhqk,hg->bgqk', 'probs', 'w'), product('out', 'mix', 'v')], {
      w: numbers(2, 2),
    }),
    /^the Einsum 'mix' multiplies its probabilities with weights$/,
  ],
  [
    'heads mixed as channels of a convolution',
    graph(
      [
        scores,
        node('last', 'Transpose', 'scores', 'heads_last'),
        convolution('mix', 'last', 'w'),
        node('first', 'Transpose', 'mix', 'heads_first'),
        node('probs', 'Softmax', 'first'),
        product('out', 'probs', 'v'),
      ],
      {w: numbers(1, 1, 2, 2), ...turned},
    ),
    /^the Conv2D 'mix' stands between the product of query and key and the softmax$/,
  ],
  [
    'neighbours mixed by a convolution behind the softmax',
    graph(
      [
        scores,
        node('probs', 'Softmax', 'scores'),
        node('last', 'Transpose', 'probs', 'heads_last'),
        convolution('mix', 'last', 'w'),
        node('first', 'Transpose', 'mix', 'heads_first'),
        product('out', 'first', 'v'),
      ],
      {w: numbers(3, 3, 2, 2), ...turned},
    ),
    /^the Conv2D 'mix' stands between the softmax and the product with the value$/,
  ],
  [
    'heads mixed by a dense layer over the last axis',
    graph(
      [
        scores,
        node('last', 'Transpose', 'scores', 'heads_last'),
        node('flat', 'Reshape', 'last', 'to'),
        node('mix', 'MatMul', 'flat', 'w'),
        node('apart', 'Reshape', 'mix', 'back'),
        node('first', 'Transpose', 'apart', 'heads_first'),
        node('probs', 'Softmax', 'first'),
        product('out', 'probs', 'v'),
      ],
      {w: numbers(2, 2), to: ints(-1, 2), back: ints(3, 5, 5, 2), ...turned},
      {q: [3, 2, 5, 4], k: [3, 2, 5, 4], v: [3, 2, 5, 4]},
    ),
    /'(first|mix|apart)'/,
  ],
  [
    'heads mixed beside a mask that comes first',
    graph(
      [
        scores,
        einsum('mix', 'bhqk,hg->bgqk', 'scores', 'w'),
        node('sum', 'AddV2', 'm', 'mix'),
        node('probs', 'Softmax', 'sum'),
        product('out', 'probs', 'v'),
      ],
      {w: numbers(2, 2)},
    ),
    /^the Einsum 'mix' multiplies with weights$/,
  ],
];

describe('weights beside a softmax', () => {
  beforeAll(() => setBackend('cpu'));

  it('of mixed_heads are reported, and strict throws', () => {
    const {artifacts} = graphCase('mixed_heads');
    const report = reportOf(artifacts);
    expect(report.left).toEqual([{name: 'softmax_28', reason: "the Einsum 'einsum_27' multiplies with weights"}]);
    expect([report.found, report.replaced.length]).toEqual([2, 1]);
    const error = refusal(() => rewriteGraphModel(artifacts, {pattern: full(), strict: true}));
    expect(error.found).toContain("1 of 2 attentions that cannot be swapped ('softmax_28': ");
  });

  for (const [title, artifacts, reason] of mixed) {
    it(`are reported: ${title}`, () => {
      const report = reportOf(artifacts);
      expect(report.left.map((left) => [left.name, left.reason])).toEqual([
        ['probs', jasmine.stringMatching(reason) as unknown as string],
      ]);
      expect(() => rewriteGraphModel(artifacts, {pattern: full(), strict: true})).toThrowError(/cannot be swapped/);
    });
  }

  it('that make classes, gates or scores of their own are no attention, and are not mentioned', () => {
    const attention = [scores, node('weights', 'Softmax', 'scores'), product('attended', 'weights', 'v')];
    const others: [title: string, nodes: NodeDef[], constants: Record<string, Constant>][] = [
      [
        'classes',
        [einsum('classes', 'bhqd,dc->bhqc', 'attended', 'w'), node('probs', 'Softmax', 'classes'), product('out', 'probs', 'v')],
        {w: numbers(4, 5)},
      ],
      [
        'a gate of experts',
        [
          einsum('gates', 'bhqd,de->bhqe', 'attended', 'w'),
          node('probs', 'Softmax', 'gates'),
          einsum('out', 'bhqe,bhqd->bhed', 'probs', 'attended'),
        ],
        {w: numbers(4, 3)},
      ],
      [
        'pooling by learned scores of positions',
        [einsum('column', 'bhqd,do->bhoq', 'attended', 'w'), node('probs', 'Softmax', 'column'), product('out', 'probs', 'v')],
        {w: numbers(4, 1)},
      ],
    ];
    for (const [title, nodes, constants] of others) {
      const report = reportOf(graph([...attention, ...nodes], constants));
      expect([report.found, report.replaced.length])
        .withContext(`${title}: ${String(report)}`)
        .toEqual([1, 1]);
    }
  });
});
