import type {GraphDef, NodeDef} from '../../../src/model/graph/graph.js';
import {rewriteGraphModel, type SwapReport} from '../../../src/model/index.js';
import {full} from '../../../src/pattern/index.js';
import {attentionGraph, node, oddOnes, product, scores, spellings} from '../../support/attention_graphs.js';
import {graphFixture} from '../../support/graph_fixture.js';
import {type GraphArtifacts} from '../../support/hand_made_graph.js';

function rewrite(model: GraphArtifacts): {topology: GraphDef; report: SwapReport} {
  const {artifacts, report} = rewriteGraphModel(model, {pattern: full(), fold: false});
  return {topology: artifacts.modelTopology as GraphDef, report};
}

const names = (topology: GraphDef): string[] => topology.node.map(({name}) => name);
const find = (topology: GraphDef, name: string): NodeDef | undefined => topology.node.find((node) => node.name === name);

/** Every input names a node, and no name is there twice. */
function expectWhole(topology: GraphDef): void {
  const known = new Set(names(topology));
  expect(known.size).toBe(topology.node.length);
  for (const {input} of topology.node) {
    for (const name of input ?? [])
      expect(known.has(name.replace('^', '').split(':')[0]!))
        .withContext(name)
        .toBeTrue();
  }
}

describe('the graph rewrite', () => {
  for (const {title, artifacts, scale, bias = [], turned = []} of spellings) {
    it(`swaps an attention with ${title}`, () => {
      const {topology, report} = rewrite(artifacts);
      expect(report.left).toEqual([]);
      expect(report.problems).toEqual([]);
      expect(report.found).toBe(1);
      const replaced = report.replaced[0]!;
      expect(replaced).toEqual(
        jasmine.objectContaining({name: 'out', softmax: 'probs', query: 'q', key: 'k', value: 'v', bias, scale, kept: []}),
      );
      const swapped = find(topology, 'out')!;
      expect(swapped.op).toBe('SparseAttention');
      expect(swapped.input).toEqual(['q', 'k', 'v', ...bias]);
      expect(['q', 'k', 'v'].filter((_, i) => replaced.axes.split(/,|->/)[i]!.endsWith('dl'))).toEqual([...turned]);
      expect(names(topology)).not.toContain('probs');
      expect(names(topology)).not.toContain('scores');
      expectWhole(topology);
    });
  }

  for (const {title, artifacts, reason} of oddOnes) {
    it(`leaves an attention with ${title} and says why`, () => {
      const {topology, report} = rewrite(artifacts);
      expect(report.replaced).toEqual([]);
      expect(report.left.map(({name}) => name)).toEqual(['probs']);
      expect(report.left[0]!.reason).toMatch(reason);
      expect(topology.node).toEqual(artifacts.modelTopology.node as NodeDef[]);
    });
  }

  it('does not mention softmaxes that are no attention', () => {
    const head = attentionGraph([
      node('dense', 'MatMul', 'q', 'k'),
      node('probs', 'Softmax', 'dense'),
      node('out', 'Identity', 'probs'),
    ]);
    const denseOnBothSides = attentionGraph(
      [product('dense', 'q', 'w'), node('probs', 'Softmax', 'dense'), product('out', 'probs', 'w')],
      {w: {shape: [4, 4], values: new Array<number>(16).fill(1)}},
    );
    for (const artifacts of [head, denseOnBothSides]) {
      const {found, problems} = rewrite(artifacts).report;
      expect(found).toBe(0);
      expect(problems).toEqual([jasmine.stringMatching('no attention was found') as unknown as string]);
    }
  });

  it('does not change the topology it is given', () => {
    const artifacts = graphFixture('conv_hf_bert');
    const before = JSON.stringify(artifacts.modelTopology);
    rewrite(artifacts);
    expect(JSON.stringify(artifacts.modelTopology)).toBe(before);
  });

  it('drops the nodes that only a swapped attention needed, constants included', () => {
    const {topology} = rewrite(spellings.find(({title}) => title.startsWith('the same with its operands'))!.artifacts);
    expect(names(topology).sort()).toEqual(['k', 'm', 'n', 'out', 'q', 'v']);
  });

  it('keeps the scores where something reads them, and says so', () => {
    const mean = node('mean', 'Mean', 'scores', 'axis');
    const nodes = [scores, mean, node('probs', 'Softmax', 'scores'), product('out', 'probs', 'v')];
    const artifacts = attentionGraph(nodes, {axis: {shape: [1], values: [3], int: true}}, ['out', 'mean']);
    const {topology, report} = rewrite(artifacts);
    expect(report.replaced[0]!.kept).toEqual(['scores']);
    expect(find(topology, 'scores')).toEqual(scores);
    expectWhole(topology);
  });

  it('lets wait for the query what waited for a part of the attention', () => {
    for (const [part, probs] of [
      ['^scores', 'probs'],
      ['^probs', 'probs'],
    ] as const) {
      const late = node('late', 'Identity', 'v', part);
      const artifacts = attentionGraph([scores, node(probs, 'Softmax', 'scores'), product('out', probs, 'v'), late], {}, [
        'out',
        'late',
      ]);
      const {topology, report} = rewrite(artifacts);
      expect(report.replaced[0]!.kept).toEqual([]);
      expect(find(topology, 'late')!.input).toEqual(['v', '^q']);
      expectWhole(topology);
    }
  });

  it('keeps the control inputs of the node it replaces, after the tensors', () => {
    const out = {...product('out', 'probs', 'v'), input: ['probs', 'v', '^m']};
    const {topology} = rewrite(attentionGraph([scores, node('probs', 'Softmax', 'scores'), out]));
    expect(find(topology, 'out')!.input).toEqual(['q', 'k', 'v', '^m']);
    expect(find(topology, 'out')!.attr!['terms']).toEqual({s: ''});
  });

  it('keeps ports of inputs with several outputs', () => {
    const split = node('split', 'Split', 'c', 'q');
    const attention = [product('scores', 'split', 'split:1', {adj_y: {b: true}}), node('probs', 'Softmax', 'scores')];
    const artifacts = attentionGraph([split, ...attention, product('out', 'probs', 'split:2')], {
      c: {shape: [], values: [3], int: true},
    });
    expect(find(rewrite(artifacts).topology, 'out')!.input).toEqual(['split', 'split:1', 'split:2']);
  });

  it('leaves no new output in a model without a signature', () => {
    const {artifacts} = spellings[1]!;
    const {topology} = rewrite({...artifacts, signature: undefined});
    const consumed = new Set(topology.node.flatMap(({input}) => input ?? []));
    const placeholders = ['m', 'n'];
    expect(names(topology).filter((name) => !consumed.has(name) && !placeholders.includes(name))).toEqual(['out']);
  });

  it('swaps attention in the body of a function', () => {
    const {artifacts} = spellings[0]!;
    const body = [
      node('c', 'Const'),
      {...scores, input: ['q', 'k']},
      node('scaled', 'Mul', 'scores:output:0', 'c:output:0'),
      node('probs', 'Softmax', 'scaled:z:0'),
      product('result', 'probs:softmax:0', 'v'),
    ];
    const library = {function: [{signature: {name: 'body_7'}, nodeDef: body, ret: {out: 'result:output:0'}}]};
    const weights = {weightSpecs: [{name: 'c', shape: [], dtype: 'float32' as const}], weightData: Float32Array.of(0.25).buffer};
    const {topology, report} = rewrite({...artifacts, ...weights, modelTopology: {...artifacts.modelTopology, library}});
    expect(report.replaced.map(({name, scale}) => [name, scale])).toEqual([
      ['out', 1],
      ['result', 0.25],
    ]);
    const [inside] = topology.library!.function!;
    expect(inside!.nodeDef!.map(({name, op}) => `${name} ${op}`)).toEqual(['result SparseAttention']);
    expect(inside!.ret).toEqual({out: 'result:output:0'});
  });

  it('swaps all 8 attentions of the ESPnet language model', () => {
    const {topology, report} = rewrite(graphFixture('espnet_lm'));
    expect([report.found, report.replaced.length]).toEqual([8, 8]);
    expect(topology.node.filter(({op}) => op === 'SparseAttention').length).toBe(8);
    expect(topology.node.some(({op}) => op === 'Softmax' || op === 'BatchMatMulV2')).toBeFalse();
    for (const {scale, bias} of report.replaced) {
      expect(scale).toBeCloseTo(1 / Math.sqrt(128), 7);
      expect(bias).toEqual([]);
    }
    expectWhole(topology);
  });

  it('swaps both attentions of a converted BERT and shares the mask between them', () => {
    const {topology, report} = rewrite(graphFixture('conv_hf_bert'));
    expect([report.found, report.replaced.length]).toEqual([2, 2]);
    for (const {scale} of report.replaced) expect(scale).toBeCloseTo(1 / Math.sqrt(12), 7);
    const biases = new Set(report.replaced.flatMap(({bias}) => bias));
    expect([...biases]).toEqual(['StatefulPartitionedCall/tf_bert_for_sequence_classification/bert/Mul']);
    expectWhole(topology);
  });

  const fixtures: [file: string, count: number, einsums: number][] = [
    ['conv_hf_bert', 2, 0],
    ['conv_hf_gpt2_lm', 2, 0],
    ['conv_keras2_mha', 2, 8],
    ['conv_keras2_vit', 2, 8],
    ['efficientsam_decoder', 7, 0],
    ['espnet_lm', 8, 0],
    ['use_lite_2018', 2, 0],
  ];
  for (const [file, count, einsums] of fixtures) {
    it(`swaps all ${count} attentions of ${file}, with the transposes around them`, () => {
      const artifacts = graphFixture(file);
      const {topology, report} = rewrite(artifacts);
      expect([report.found, report.replaced.length, report.left, report.problems]).toEqual([count, count, [], []]);
      expect(report.einsums).toBe(einsums);
      expect(topology.node.filter(({op}) => op === 'SparseAttention').length).toBe(count);
      expect(topology.node.filter(({op}) => op === 'Softmax' || op === 'Einsum')).toEqual([]);
      for (const {axes, kept} of report.replaced) {
        expect(axes).toBe('blhd,blhd,blhd->blhd');
        expect(kept).toEqual([]);
      }
      expectWhole(topology);
    });
  }

  it('makes the causal mask of GPT-2 a pattern, and drops the nodes that computed it', () => {
    const {topology, report} = rewrite(graphFixture('conv_hf_gpt2_lm'));
    expect(report.replaced.map(({causal, pattern}) => [causal, pattern])).toEqual([
      [true, 'causal()'],
      [true, 'causal()'],
    ]);
    expect(topology.node.filter(({op}) => op === 'GreaterEqual')).toEqual([]);
    expect(report.notes).toEqual([]);
  });

  it('says which masks keep an element for each pair', () => {
    const {report} = rewrite(graphFixture('conv_keras2_mha'));
    expect(report.notes.length).toBe(2);
    for (const note of report.notes) expect(note).toContain('an element for each pair of query and key');
  });
});
