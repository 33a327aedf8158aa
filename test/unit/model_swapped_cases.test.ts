import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {dispose, setBackend, tensor, util, type io, type Tensor} from '@tensorflow/tfjs-core';
import {rewriteGraphModel} from '../../src/model/index.js';
import {full, slidingWindow} from '../../src/pattern/index.js';
import {graphCase, type GraphCase} from '../support/graph_cases.js';
import {uniform} from '../support/hand_made_graph.js';
import {withPattern} from '../support/models/with_pattern.js';

interface Output {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

async function outputOf(artifacts: io.ModelArtifacts, {inputs}: GraphCase, batch: number, later: boolean): Promise<Output> {
  const random = uniform(7);
  const draw = (shape: readonly number[]): Tensor =>
    tensor(
      Float32Array.from({length: util.sizeFromShape([...shape])}, () => 2 * random() - 1),
      [...shape],
    );
  const given = Object.fromEntries(
    Object.entries(inputs).map(([name, {shape}]) => [name, draw(shape.map((size) => (size < 0 ? batch : size)))]),
  );
  const model = loadGraphModelSync(artifacts);
  const output = (later ? await model.executeAsync(given) : model.execute(given)) as Tensor;
  const result = {shape: output.shape, values: (await output.data()) as Float32Array};
  dispose([given, output]);
  model.dispose();
  return result;
}

function expectClose(found: Output, expected: Output): void {
  const largest = expected.values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  expect(largest).toBeGreaterThan(0.01);
  expect(found.shape).toEqual(expected.shape);
  const difference = (a: number, b: number, i: number): number =>
    Math.max(a, Number.isFinite(b) ? Math.abs(b - expected.values[i]!) : Infinity);
  expect(found.values.reduce(difference, 0)).toBeLessThanOrEqual(1e-5 * largest);
}

/** The tensor that the softmax reads, and the sizes of queries and keys. */
const CASES: readonly {name: string; logits: string; sizes: readonly [number, number]; batch?: number; lists?: boolean}[] = [
  {name: 'softmax_reshape', logits: 'mul_6', sizes: [7, 7]},
  {name: 'softmax_expand', logits: 'mul_6', sizes: [7, 7]},
  {name: 'softmax_broadcast', logits: 'mul_6', sizes: [7, 7]},
  {name: 'head_scales', logits: 'mul_6', sizes: [7, 7]},
  {name: 'merged_cross', logits: 'reshape_43', sizes: [7, 5]},
  {name: 'infinite_triangle', logits: 'addv2_8', sizes: [7, 7]},
  {name: 'wide_features', logits: 'batchmatmulv2_8', sizes: [7, 7], lists: true},
  {name: 'shifted_windows', logits: 'reshape_46', sizes: [9, 9]},
  {name: 'shifted_windows', logits: 'reshape_46', sizes: [9, 9], batch: 1},
];

describe('a small graph on which a swap went wrong', () => {
  beforeAll(() => setBackend('cpu'));
  // `executeAsync` says each time that `execute` would do.
  beforeEach(() => spyOn(console, 'warn'));

  for (const {name, logits, sizes, batch = 3, lists = false} of CASES) {
    it(`${name} of ${batch} is swapped and computes the same, with full() and with a window`, async () => {
      const graph = graphCase(name);
      for (const pattern of [full(), slidingWindow({left: 1, right: 2})]) {
        const {artifacts, report} = rewriteGraphModel(graph.artifacts, {pattern, strict: true});
        expect(report.replaced.length).toBe(1);
        expect(report.replaced[0]!.kept).toEqual([]);
        const masked = withPattern({artifacts: graph.artifacts, logits: [logits]}, [sizes], pattern);
        // Lists need executeAsync.
        for (const later of lists ? [true] : [false, true]) {
          expectClose(await outputOf(artifacts, graph, batch, later), await outputOf(masked, graph, batch, lists));
        }
      }
    });
  }
});
