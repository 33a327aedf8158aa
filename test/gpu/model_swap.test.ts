import {loadGraphModel as loadStock, type GraphModel} from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import {full, loadGraphModel, slidingWindow, sparseIOHandler, type SparseIOHandler} from '../../src/index.js';
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
    const model = await loadStock(handler);
    expect(handler.report!.replaced.length).toBe(1);
    await expectAttention(run(model), inputs, () => true, {scale: 0.25, bias});
    model.dispose();
  });

  it('attends where both its mask and the pattern allow, fused and dense', async () => {
    const pattern = slidingWindow({left: 5, right: 2});
    for (const implementation of ['fused', 'dense'] as const) {
      const model = await loadStock(sparseIOHandler(source, {pattern, implementation}));
      await expectAttention(run(model), inputs, (q, k) => pattern.attends(q, k, SIZES), {scale: 0.25, bias}, implementation);
      model.dispose();
    }
  });

  it('runs an Einsum attention as it lies, with a selecting mask and one made of lengths', async () => {
    // Keras: heads after rows, so that nothing is transposed; keys later than the query and padding are selected away.
    const attr = {T: {type: 'DT_FLOAT'}};
    const equation = (text: string): object => ({...attr, equation: {s: btoa(text)}});
    const constant = (name: string): object => ({name, op: 'Const', attr: {dtype: {type: 'DT_FLOAT'}}});
    const dim = [2, 33, 2, 8].map((size) => ({size: String(size)}));
    const node = [
      ...['q', 'k', 'v'].map((name) => ({name, op: 'Placeholder', attr: {dtype: {type: 'DT_FLOAT'}, shape: {shape: {dim}}}})),
      {name: 'seen', op: 'Placeholder', attr: {dtype: {type: 'DT_BOOL'}}},
      ...['c', 'far', 'rows', 'columns'].map(constant),
      {name: 'scores', op: 'Einsum', input: ['q', 'k'], attr: equation('BTNH,BSNH->BNTS')},
      {name: 'scaled', op: 'Mul', input: ['scores', 'c'], attr},
      {name: 'below', op: 'GreaterEqual', input: ['rows', 'columns'], attr: {T: {type: 'DT_INT32'}}},
      {name: 'both', op: 'LogicalAnd', input: ['seen', 'below']},
      {name: 'masked', op: 'SelectV2', input: ['both', 'scaled', 'far'], attr},
      {name: 'probs', op: 'Softmax', input: ['masked'], attr},
      {name: 'out', op: 'Einsum', input: ['probs', 'v'], attr: equation('BNTS,BSNH->BTNH')},
    ];
    const positions = Int32Array.from({length: 33}, (_, i) => i);
    const model = await loadGraphModel(
      {
        load: () =>
          Promise.resolve({
            modelTopology: {node, library: {}, versions: {producer: 1}},
            weightSpecs: [
              {name: 'c', shape: [], dtype: 'float32' as const},
              {name: 'far', shape: [], dtype: 'float32' as const},
              {name: 'rows', shape: [33, 1], dtype: 'int32' as const},
              {name: 'columns', shape: [33], dtype: 'int32' as const},
            ],
            weightData: [Float32Array.of(0.25, -1e9).buffer, positions.buffer, positions.slice().buffer],
          }),
      },
      {pattern: full(), strict: true},
    );
    expect(model.report.replaced[0]!.axes).toBe('blhd,blhd,blhd->blhd');
    expect(model.report.replaced[0]!.pattern).toBe('causal()');
    const [q, k, v] = [inputs.query, inputs.key, inputs.value].map((values) =>
      tf.transpose(tf.tensor4d(values, SHAPE), [0, 2, 1, 3]),
    );
    const seen = tf.tensor4d(
      Uint8Array.from(padding, (value) => Number(value === 0)),
      [2, 1, 1, 33],
      'bool',
    );
    const output = model.execute({q: q!, k: k!, v: v!, seen}) as tf.Tensor4D;
    const visible = (query: number, key: number): boolean => key <= query;
    await expectAttention(tf.transpose(output, [0, 2, 1, 3]), inputs, visible, {scale: 0.25, bias});
    model.dispose();
  });

  it('keeps a mask for each window and a scale for each head, with windows of two images in the batch', async () => {
    const attr = {T: {type: 'DT_FLOAT'}};
    const dim = [4, 2, 33, 8].map((size) => ({size: String(size)}));
    const placeholder = {dtype: {type: 'DT_FLOAT'}, shape: {shape: {dim}}};
    const node = [
      ...['q', 'k', 'v'].map((name) => ({name, op: 'Placeholder', attr: placeholder})),
      ...['windows', 'scales'].map((name) => ({name, op: 'Const', attr: {dtype: {type: 'DT_FLOAT'}}})),
      ...['apart', 'back'].map((name) => ({name, op: 'Const', attr: {dtype: {type: 'DT_INT32'}}})),
      {name: 'scores', op: 'BatchMatMulV2', input: ['q', 'k'], attr: {...attr, adj_x: {b: false}, adj_y: {b: true}}},
      {name: 'scaled', op: 'Mul', input: ['scores', 'scales'], attr},
      {name: 'five', op: 'Reshape', input: ['scaled', 'apart'], attr},
      {name: 'sum', op: 'AddV2', input: ['five', 'windows'], attr},
      {name: 'four', op: 'Reshape', input: ['sum', 'back'], attr},
      {name: 'probs', op: 'Softmax', input: ['four'], attr},
      {name: 'out', op: 'BatchMatMulV2', input: ['probs', 'v'], attr: {...attr, adj_x: {b: false}, adj_y: {b: false}}},
    ];
    const mask = Float32Array.from({length: 2 * 33 * 33}, (_, i) => ((i * 7) % 5 === 0 && i % 34 !== 0 ? -100 : (i % 11) / 10));
    const pattern = slidingWindow({left: 5, right: 2});
    const model = await loadGraphModel(
      {
        load: () =>
          Promise.resolve({
            modelTopology: {node, library: {}, versions: {producer: 1}},
            weightSpecs: [
              {name: 'windows', shape: [1, 2, 1, 33, 33], dtype: 'float32' as const},
              {name: 'scales', shape: [2, 1, 1], dtype: 'float32' as const},
              {name: 'apart', shape: [5], dtype: 'int32' as const},
              {name: 'back', shape: [4], dtype: 'int32' as const},
            ],
            weightData: [
              ...[mask, Float32Array.of(0.25, -0.5)].map(({buffer}) => buffer),
              ...[Int32Array.of(-1, 2, 2, 33, 33), Int32Array.of(-1, 2, 33, 33)].map(({buffer}) => buffer),
            ],
          }),
      },
      {pattern, strict: true},
    );
    const four = randomInputs({...SIZES, batch: 4});
    const shape: [number, number, number, number] = [4, 2, 33, 8];
    const [q, k, v] = [four.query, four.key, four.value].map((values) => tf.tensor4d(values, shape));
    const output = model.execute({q: q!, k: k!, v: v!}) as tf.Tensor4D;
    const scaled = {...four, query: four.query.map((value, i) => value * [0.25, -0.5][Math.floor(i / (33 * 8)) % 2]!)};
    const ofWindows = broadcastBias(Float32Array.from([...mask, ...mask]), [4, 1, 33, 33]);
    await expectAttention(output, scaled, (query, key) => pattern.attends(query, key, SIZES), {scale: 1, bias: ofWindows});
    model.dispose();
  });
});
