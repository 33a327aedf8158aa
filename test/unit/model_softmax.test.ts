import {rewriteGraphModel} from '../../src/model/index.js';
import {full} from '../../src/pattern/index.js';
import {attentionGraph, node, product, scores} from '../support/attention_graphs.js';
import type {Constant, GraphArtifacts} from '../support/hand_made_graph.js';
import type {NodeDef} from '../../src/model/graph/graph.js';

describe('a softmax written out', () => {
  const written = (constants: Record<string, Constant>, more: readonly NodeDef[], sum = 'back'): GraphArtifacts => {
    const nodes = [
      scores,
      node('exps', 'Exp', 'scores'),
      ...more,
      node('probs', 'RealDiv', 'exps', sum),
      product('out', 'probs', 'v'),
    ];
    const shapes = {q: [-1, 2, 7, 4], k: [-1, 2, 7, 4], v: [-1, 2, 7, 4]};
    return attentionGraph(nodes, constants, ['out'], shapes);
  };
  const int = (...values: number[]): Constant => ({shape: [values.length], values, int: true});
  const reasonOf = (artifacts: GraphArtifacts): string =>
    rewriteGraphModel(artifacts, {pattern: full()}).report.left[0]?.reason ?? '';

  it('stays when the sum is put back elsewhere, or not at all, and the report says so', () => {
    const sum = node('sum', 'Sum', 'exps', 'last');
    // [batch, heads, queries] beside [batch, heads, queries, keys] divides each key by another query's sum, where lengths agree.
    expect(reasonOf(written({last: int(3)}, [sum], 'sum'))).toBe("nothing puts back the last axis of the Sum 'sum' of its softmax");
    const aside = written({last: int(3), to: int(-1, 2, 1, 7)}, [sum, node('back', 'Reshape', 'sum', 'to')]);
    expect(reasonOf(aside)).toBe("the Reshape 'back' cannot be proven to put back the last axis of the Sum 'sum' of its softmax");
    const before = written({last: int(3), at: int(2)}, [sum, node('back', 'ExpandDims', 'sum', 'at')]);
    expect(reasonOf(before)).toContain("the ExpandDims 'back' cannot be proven");
    const repeatedFirst = [sum, node('many', 'Tile', 'sum', 'times'), node('back', 'Reshape', 'many', 'to')];
    expect(reasonOf(written({last: int(3), times: int(1, 1, 7), to: int(-1, 2, 7, 7)}, repeatedFirst))).toContain("'back' cannot");
    expect(reasonOf(written({last: int(2), to: int(-1, 2, 7, 1)}, [sum, node('back', 'Reshape', 'sum', 'to')]))).toContain(
      "exponentials 'exps' are not divided by their sum over the last axis alone",
    );
  });

  it('stays when something else reads its sums or exponentials', () => {
    const back = [node('sum', 'Sum', 'exps', 'last'), node('back', 'Reshape', 'sum', 'to')];
    const constants = {last: int(3), to: int(-1, 2, 7, 1)};
    expect(reasonOf(written(constants, [...back, node('log', 'Log', 'sum'), node('more', 'Neg', 'log')]))).toContain(
      "'log' reads 'sum', a part of its softmax",
    );
    const seen = written(constants, [...back, node('same', 'Identity', 'exps'), node('mean', 'Mean', 'same', 'last')]);
    expect(reasonOf(seen)).toContain("'mean' reads 'same'");
    const {modelTopology, ...others} = written(constants, back);
    const signature = {inputs: {}, outputs: {out: {name: 'out:0'}, sum: {name: 'sum:0'}}};
    expect(reasonOf({...others, modelTopology, signature})).toContain("'sum', a part of its softmax, is an output");
  });

  it('may be scaled between the shift by the maximum and the exponential', () => {
    const nodes = [
      scores,
      node('highest', 'Max', 'scores', 'last'),
      node('column', 'ExpandDims', 'highest', 'end'),
      node('shifted', 'Sub', 'scores', 'column'),
      node('scaled', 'Mul', 'shifted', 'half'),
      node('exps', 'Exp', 'scaled'),
      node('sum', 'Sum', 'exps', 'last'),
      node('back', 'ExpandDims', 'sum', 'end'),
      node('probs', 'RealDiv', 'exps', 'back'),
      product('out', 'probs', 'v'),
    ];
    const scalar: Constant = {shape: [], values: [-1], int: true};
    const {report} = rewriteGraphModel(attentionGraph(nodes, {last: scalar, end: scalar, half: 0.5}), {pattern: full()});
    expect(report.replaced.map(({scale, bias, kept}) => ({scale, bias, kept}))).toEqual([{scale: 0.5, bias: [], kept: []}]);
  });
});
