import {loadGraphModel, type GraphModel} from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import {full, slidingWindow, sparseIOHandler, type SparseIOHandler} from '../../src/index.js';
import {broadcastBias, expectAttention, randomInputs} from '../oracle.js';

// The heads of runtime_op.test.ts, whose pipelines serve here as well.
const SIZES = {batch: 2, heads: 2, queryLength: 33, keyLength: 33, headDim: 8, valueDim: 8};
const SHAPE: [number, number, number, number] = [2, 2, 33, 8];

/** softmax(0.25 · q·kᵀ + m)·v as a converter writes it. */
const artifacts: tf.io.ModelArtifacts = {
  format: 'graph-model',
  modelTopology: {
    node: [
      ...['q', 'k', 'v', 'm'].map((name) => ({name, op: 'Placeholder', attr: {dtype: {type: 'DT_FLOAT'}}})),
      {name: 'c', op: 'Const', attr: {dtype: {type: 'DT_FLOAT'}, value: {tensor: {dtype: 'DT_FLOAT', tensorShape: {}}}}},
      {name: 'scores', op: 'BatchMatMulV2', input: ['q', 'k'], attr: {T: {type: 'DT_FLOAT'}, adj_x: {b: false}, adj_y: {b: true}}},
      {name: 'scaled', op: 'Mul', input: ['scores', 'c'], attr: {T: {type: 'DT_FLOAT'}}},
      {name: 'masked', op: 'AddV2', input: ['scaled', 'm'], attr: {T: {type: 'DT_FLOAT'}}},
      {name: 'probs', op: 'Softmax', input: ['masked'], attr: {T: {type: 'DT_FLOAT'}}},
      {
        name: 'out',
        op: 'BatchMatMulV2',
        input: ['probs', 'v'],
        attr: {T: {type: 'DT_FLOAT'}, adj_x: {b: false}, adj_y: {b: false}},
      },
    ],
    library: {},
    versions: {producer: 1},
  },
  weightSpecs: [{name: 'c', shape: [], dtype: 'float32'}],
  weightData: new Float32Array([0.25]).buffer,
};

describe('a graph model on WebGPU', () => {
  const inputs = randomInputs(SIZES);
  // Padding of the second sequence: its last ten keys.
  const padding = Float32Array.from({length: 2 * 33}, (_, i) => (i >= 33 + 23 ? -1e9 : 0));
  const bias = broadcastBias(padding, [2, 1, 1, 33]);
  const run = (model: GraphModel): tf.Tensor =>
    model.execute({
      q: tf.tensor4d(inputs.query, SHAPE),
      k: tf.tensor4d(inputs.key, SHAPE),
      v: tf.tensor4d(inputs.value, SHAPE),
      m: tf.tensor4d(padding, [2, 1, 1, 33]),
    }) as tf.Tensor;
  const source = {load: () => Promise.resolve(artifacts)};

  it('gives what it gave when swapped with full()', async () => {
    const handler = sparseIOHandler(source, {pattern: full()}) as SparseIOHandler;
    const model = await loadGraphModel(handler);
    expect(handler.report!.replaced.length).toBe(1);
    await expectAttention(run(model), inputs, () => true, {scale: 0.25, bias});
    model.dispose();
  });

  it('attends where both its mask and the pattern allow, fused and dense', async () => {
    const pattern = slidingWindow({left: 5, right: 2});
    for (const implementation of ['fused', 'dense'] as const) {
      const model = await loadGraphModel(sparseIOHandler(source, {pattern, implementation}));
      await expectAttention(run(model), inputs, (q, k) => pattern.attends(q, k, SIZES), {scale: 0.25, bias}, implementation);
      model.dispose();
    }
  });
});
