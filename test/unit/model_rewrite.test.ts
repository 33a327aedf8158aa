import {Constants} from '../../src/model/constants.js';
import type {GraphDef, NodeDef, Signature} from '../../src/model/graph.js';
import {rewriteGraph, type SwapReport} from '../../src/model/rewrite.js';
import {attentionGraph, node, oddOnes, product, scores, spellings} from '../support/attention_graphs.js';
import {graphFixture, type GraphArtifacts} from '../support/graph_fixture.js';

function rewrite(artifacts: GraphArtifacts): {topology: GraphDef; report: SwapReport} {
  const signature = (artifacts.userDefinedMetadata?.['signature'] ?? artifacts.signature) as Signature | undefined;
  const constants = new Constants(artifacts.weightSpecs!, artifacts.weightData);
  return rewriteGraph(artifacts.modelTopology, constants, signature, {pattern: 'full', implementation: 'auto'});
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
  for (const {title, artifacts, scale, bias} of spellings) {
    it(`swaps an attention with ${title}`, () => {
      const {topology, report} = rewrite(artifacts);
      expect(report.found).toBe(1);
      expect(report.left).toEqual([]);
      const replaced = report.replaced[0]!;
      expect(replaced).toEqual({name: 'out', query: 'q', key: 'k', value: 'v', ...(bias && {bias}), scale, kept: []});
      const swapped = find(topology, 'out')!;
      expect(swapped.op).toBe('SparseAttention');
      expect(swapped.input).toEqual(['q', 'k', 'v', ...(bias ? [bias] : [])]);
      expect(swapped.attr).toEqual({
        pattern: {s: btoa('full')},
        scale: {f: scale},
        implementation: {s: btoa('auto')},
        has_bias: {b: bias !== undefined},
      });
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
    for (const artifacts of [head, denseOnBothSides]) expect(rewrite(artifacts).report).toEqual({found: 0, replaced: [], left: []});
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

  it('keeps the scores where something else reads their shape, and says so', () => {
    const shape = node('shape', 'Shape', 'scores');
    const artifacts = attentionGraph([scores, shape, node('probs', 'Softmax', 'scores'), product('out', 'probs', 'v')], {}, [
      'out',
      'shape',
    ]);
    const {topology, report} = rewrite(artifacts);
    expect(report.replaced[0]!.kept).toEqual(['scores']);
    expect(find(topology, 'scores')).toEqual(scores);
    expectWhole(topology);
  });

  it('keeps a node that another waits for by a control edge', () => {
    const late = node('late', 'Identity', 'v', '^scores');
    const artifacts = attentionGraph([scores, late, node('probs', 'Softmax', 'scores'), product('out', 'probs', 'late')]);
    const {topology, report} = rewrite(artifacts);
    expect(report.replaced[0]!.kept).toEqual(['scores']);
    expect(find(topology, 'out')!.input).toEqual(['q', 'k', 'late']);
  });

  it('keeps the control inputs of the node it replaces, after the tensors', () => {
    const out = {...product('out', 'probs', 'v'), input: ['probs', 'v', '^m']};
    const {topology} = rewrite(attentionGraph([scores, node('probs', 'Softmax', 'scores'), out]));
    expect(find(topology, 'out')!.input).toEqual(['q', 'k', 'v', '^m']);
    expect(find(topology, 'out')!.attr!['has_bias']).toEqual({b: false});
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

  it('gives the nodes that sum a bias names that are free', () => {
    const {artifacts} = spellings.find(({title}) => title === 'two added masks')!;
    const taken = node('out/sparse_attention/bias', 'Identity', 'm');
    const topology = {...artifacts.modelTopology, node: [...artifacts.modelTopology.node, taken]};
    const rewritten = rewrite({...artifacts, modelTopology: topology});
    expect(rewritten.report.replaced[0]!.bias).toBe('out/sparse_attention/bias_1');
    expectWhole(rewritten.topology);
  });

  it('reports attention in a library function and leaves it', () => {
    const {artifacts} = spellings[0]!;
    const body = [{...scores, input: ['q', 'k']}, node('probs', 'Softmax', 'scores:z:0'), product('out', 'probs:softmax:0', 'v')];
    const library = {function: [{signature: {name: 'body_7'}, nodeDef: body, ret: {out: 'out:output:0'}}]};
    const {topology, report} = rewrite({...artifacts, modelTopology: {...artifacts.modelTopology, library}});
    expect(report.found).toBe(2);
    expect(report.left.map(({name}) => name)).toEqual(['probs']);
    expect(report.left[0]!.reason).toContain("library function 'body_7'");
    expect(topology.library).toBe(library);
  });

  it('swaps all 8 attentions of the ESPnet language model', () => {
    const {topology, report} = rewrite(graphFixture('espnet_lm'));
    expect([report.found, report.replaced.length]).toEqual([8, 8]);
    expect(topology.node.filter(({op}) => op === 'SparseAttention').length).toBe(8);
    expect(topology.node.some(({op}) => op === 'Softmax' || op === 'BatchMatMulV2')).toBeFalse();
    for (const {scale, bias} of report.replaced) {
      expect(scale).toBeCloseTo(1 / Math.sqrt(128), 7);
      expect(bias).toBeUndefined();
    }
    expectWhole(topology);
  });

  it('swaps both attentions of a converted BERT and shares the mask between them', () => {
    const {topology, report} = rewrite(graphFixture('conv_hf_bert'));
    expect([report.found, report.replaced.length]).toEqual([2, 2]);
    for (const {scale} of report.replaced) expect(scale).toBeCloseTo(1 / Math.sqrt(12), 7);
    const biases = new Set(report.replaced.map(({bias}) => bias));
    expect([...biases]).toEqual(['StatefulPartitionedCall/tf_bert_for_sequence_classification/bert/Mul']);
    expectWhole(topology);
  });

  const strangers: [file: string, reason: RegExp][] = [
    ['conv_hf_gpt2_lm', /multiplies the scores by a tensor/],
    ['conv_keras2_mha', /Einsum/],
    ['use_lite_2018', /Reshape/],
  ];
  for (const [file, reason] of strangers) {
    it(`leaves both attentions of ${file}, each with a reason`, () => {
      const artifacts = graphFixture(file);
      const {topology, report} = rewrite(artifacts);
      expect([report.found, report.replaced.length, report.left.length]).toEqual([2, 0, 2]);
      for (const left of report.left) expect(left.reason).toMatch(reason);
      expect(topology.node).toEqual(artifacts.modelTopology.node as NodeDef[]);
    });
  }
});
