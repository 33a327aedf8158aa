import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {dispose, setBackend, tensor, util, type io, type Tensor} from '@tensorflow/tfjs-core';
import {rewriteGraphModel} from '../../src/model/index.js';
import {full, slidingWindow} from '../../src/pattern/index.js';
import {attentionGraph, node, product, scores} from '../support/attention_graphs.js';
import {graphCase} from '../support/graph_cases.js';
import {uniform, type Constant, type GraphArtifacts} from '../support/graph_fixture.js';
import type {NodeDef} from '../../src/model/graph.js';
import {withPattern} from '../support/models/with_pattern.js';

async function outputOf(artifacts: io.ModelArtifacts, shape: readonly number[]): Promise<Float32Array> {
  const random = uniform(7);
  const input = tensor(
    Float32Array.from({length: util.sizeFromShape([...shape])}, () => 2 * random() - 1),
    [...shape],
  );
  const model = loadGraphModelSync(artifacts);
  const output = model.execute(input) as Tensor;
  const values = (await output.data()) as Float32Array;
  dispose([input, output]);
  model.dispose();
  return values;
}

function expectClose(found: Float32Array, expected: Float32Array): void {
  const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  expect(largest).toBeGreaterThan(0.01);
  expect(found.length).toBe(expected.length);
  const error = found.reduce((a, b, i) => Math.max(a, Number.isFinite(b) ? Math.abs(b - expected[i]!) : Infinity), 0);
  expect(error).toBeLessThanOrEqual(1e-5 * largest);
}

describe('a softmax written out', () => {
  beforeAll(() => setBackend('cpu'));

  for (const name of ['softmax_reshape', 'softmax_expand', 'softmax_broadcast']) {
    it(`is one in ${name}, where maximum and sum drop the axis and put it back`, async () => {
      const {artifacts} = graphCase(name);
      for (const pattern of [full(), slidingWindow({left: 1, right: 2})]) {
        const {artifacts: swapped, report} = rewriteGraphModel(artifacts, {pattern});
        expect(report.left).toEqual([]);
        expect(report.replaced[0]!.kept).toEqual([]);
        const masked = withPattern({artifacts, logits: ['mul_6']}, [[3, 2, 7, 7]], pattern);
        expectClose(await outputOf(swapped, [3, 7, 8]), await outputOf(masked, [3, 7, 8]));
      }
    });
  }

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
});
