/**
 * The built-in example of the swap page: a byte-level transformer encoder as a TensorFlow.js graph model, node for node what the TensorFlow.js converter
 * writes for a BERT of Hugging Face Transformers (dense layers as Tensordot chains, LayerNorm in pieces, the padding mask as an additive
 * −10000, the 1e-9 of TensorFlow's "stable softmax"), with ReLU for GELU and logits over the next byte on top.
 *
 * Its weights are seeded noise. That is enough here: the question is whether two ways to compute one model agree, and how long they take.
 */

export interface EncoderSize {
  readonly layers: number;
  readonly heads: number;
  /** Features of a head; the model is heads · headDim wide. */
  readonly headDim: number;
  /** Features inside the feed-forward block. */
  readonly mlp: number;
  /** The longest text, in bytes. */
  readonly positions: number;
  readonly seed?: number;
}

/** 4 layers of 8 heads of 16, up to 8,192 bytes: 1.9 million weights, of which 1.0 million are the position table. */
export const EXAMPLE: EncoderSize = {layers: 4, heads: 8, headDim: 16, mlp: 512, positions: 8192};

export interface GraphNode {
  name: string;
  op: string;
  input?: string[];
  attr: Record<string, unknown>;
}

export interface WeightSpec {
  name: string;
  shape: number[];
  dtype: 'float32' | 'int32';
}

/** The fields of `tf.io.ModelArtifacts` that a graph model has. */
export interface EncoderArtifacts {
  readonly format: 'graph-model';
  readonly generatedBy: string;
  readonly convertedBy: null;
  readonly modelTopology: {node: GraphNode[]; library: object; versions: {producer: number}};
  readonly signature: {inputs: Record<string, unknown>; outputs: Record<string, unknown>};
  readonly weightSpecs: WeightSpec[];
  readonly weightData: ArrayBuffer;
}

const BYTES = 256;
const INT = {type: 'DT_INT32'};
const FLOAT = {type: 'DT_FLOAT'};
const ROOT = 'StatefulPartitionedCall/byte_encoder';

/** Uniform noise of unit variance, the same on every machine (mulberry32: integer arithmetic only). */
function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return (((bits ^ (bits >>> 14)) >>> 0) / 2 ** 31 - 1) * Math.sqrt(3);
  };
}

/** Collects nodes and weights in the order they are used, as the converter does. */
class GraphBuilder {
  readonly nodes: GraphNode[] = [];
  readonly specs: WeightSpec[] = [];
  private readonly data: (Float32Array | Int32Array)[] = [];
  private readonly random: () => number;

  constructor(seed: number) {
    this.random = noise(seed);
  }

  node(op: string, name: string, input: string[], attr: Record<string, unknown> = {T: FLOAT}): string {
    this.nodes.push({name, op, input, attr});
    return name;
  }

  placeholder(name: string): string {
    this.nodes.push({name, op: 'Placeholder', attr: {shape: {shape: dims([-1, -1])}, dtype: INT}});
    return name;
  }

  ints(name: string, values: number | readonly number[]): string {
    return this.constant(name, typeof values === 'number' ? [] : [values.length], new Int32Array([values].flat()));
  }

  float(name: string, value: number): string {
    return this.constant(name, [], new Float32Array([value]));
  }

  /** mean + deviation · noise */
  weights(name: string, shape: number[], deviation: number, mean = 0): string {
    const values = new Float32Array(shape.reduce((size, dim) => size * dim, 1));
    for (let i = 0; i < values.length; i++) values[i] = mean + deviation * this.random();
    return this.constant(name, shape, values);
  }

  weightData(): ArrayBuffer {
    const bytes = new Uint8Array(this.data.reduce((sum, array) => sum + array.byteLength, 0));
    let offset = 0;
    for (const array of this.data) {
      bytes.set(new Uint8Array(array.buffer), offset);
      offset += array.byteLength;
    }
    return bytes.buffer;
  }

  // A Const node of a converted model holds no value: the value is in the weight file, whatever its size.
  private constant(name: string, shape: number[], values: Float32Array | Int32Array): string {
    const dtype = values instanceof Int32Array ? 'int32' : 'float32';
    const type = dtype === 'int32' ? 'DT_INT32' : 'DT_FLOAT';
    this.nodes.push({name, op: 'Const', attr: {value: {tensor: {dtype: type, tensorShape: dims(shape)}}, dtype: {type}}});
    this.specs.push({name, shape, dtype});
    this.data.push(values);
    return name;
  }
}

function dims(shape: readonly number[]): object {
  return shape.length === 0 ? {} : {dim: shape.map((size) => ({size: String(size)}))};
}

/** Strings in a graph model are base64. */
function text(value: string): {s: string} {
  return {s: btoa(value)};
}

export function makeEncoder(size: EncoderSize): EncoderArtifacts {
  const graph = new GraphBuilder(size.seed ?? 1);
  const width = size.heads * size.headDim;
  const mask = graph.placeholder('attention_mask');
  const ids = graph.placeholder('input_ids');
  const bias = paddingBias(graph, mask);
  let hidden = embed(graph, ids, width, size.positions);
  for (let layer = 0; layer < size.layers; layer++) {
    const name = `${ROOT}/encoder/layer_._${layer}`;
    const attended = attend(graph, `${name}/attention`, hidden, bias, size.heads, size.headDim);
    hidden = layerNorm(
      graph,
      `${name}/attention/output/LayerNorm`,
      add(graph, `${name}/attention/output/add`, attended, hidden),
      width,
    );
    const inner = dense(graph, `${name}/intermediate/dense`, hidden, width, size.mlp, 1);
    const active = graph.node('Relu', `${name}/intermediate/Relu`, [inner]);
    const outer = dense(graph, `${name}/output/dense`, active, size.mlp, width, 1);
    hidden = layerNorm(graph, `${name}/output/LayerNorm`, add(graph, `${name}/output/add`, outer, hidden), width);
  }
  graph.node('Identity', 'Identity', [dense(graph, `${ROOT}/lm_head`, hidden, width, BYTES, 1)]);
  const int = (name: string) => ({name: `${name}:0`, dtype: 'DT_INT32', tensorShape: dims([-1, -1])});
  return {
    format: 'graph-model',
    generatedBy: 'tfjs-splat demo/swap/example_model.ts',
    convertedBy: null,
    modelTopology: {node: graph.nodes, library: {}, versions: {producer: 2474}},
    signature: {
      inputs: {'attention_mask:0': int(mask), 'input_ids:0': int(ids)},
      outputs: {logits: {name: 'Identity:0', dtype: 'DT_FLOAT', tensorShape: dims([-1, -1, BYTES])}},
    },
    weightSpecs: graph.specs,
    weightData: graph.weightData(),
  };
}

/** attention_mask [batch, length] of 0 and 1 → [batch, 1, 1, length], −10000 where a key is padding. */
function paddingBias(graph: GraphBuilder, mask: string): string {
  const shape = graph.node('Shape', `${ROOT}/Shape_1`, [mask], {T: INT, out_type: INT});
  const target = pack(graph, `${ROOT}/Reshape/shape`, [
    dimension(graph, `${ROOT}/strided_slice_2`, shape, 0),
    graph.ints(`${ROOT}/Reshape/shape/1`, 1),
    graph.ints(`${ROOT}/Reshape/shape/2`, 1),
    dimension(graph, `${ROOT}/strided_slice_3`, shape, 1),
  ]);
  const reshaped = graph.node('Reshape', `${ROOT}/Reshape`, [mask, target], {T: INT, Tshape: INT});
  const cast = graph.node('Cast', `${ROOT}/Cast`, [reshaped], {SrcT: INT, DstT: FLOAT, Truncate: {b: false}});
  const hidden = graph.node('Sub', `${ROOT}/Sub`, [graph.float(`${ROOT}/Const`, 1), cast]);
  return graph.node('Mul', `${ROOT}/Mul`, [hidden, graph.float(`${ROOT}/Const_1`, -10000)]);
}

function embed(graph: GraphBuilder, ids: string, width: number, positions: number): string {
  const name = `${ROOT}/embeddings`;
  const bytes = gather(graph, `${name}/Gather`, graph.weights(`${name}/word_embeddings`, [BYTES, width], 1), ids, FLOAT);
  const length = dimension(graph, `${name}/strided_slice_1`, shapeOf(graph, `${name}/Shape`, bytes), 1);
  const range = graph.node(
    'Range',
    `${name}/range`,
    [graph.ints(`${name}/range/start`, 0), length, graph.ints(`${name}/range/delta`, 1)],
    {Tidx: INT},
  );
  const row = graph.node('ExpandDims', `${name}/ExpandDims`, [range, graph.ints(`${name}/ExpandDims/dim`, 0)], {T: INT, Tdim: INT});
  const table = graph.weights(`${name}/position_embeddings`, [positions, width], 1);
  return layerNorm(
    graph,
    `${name}/LayerNorm`,
    add(graph, `${name}/add`, bytes, gather(graph, `${name}/Gather_1`, table, row, FLOAT)),
    width,
  );
}

function attend(graph: GraphBuilder, name: string, hidden: string, bias: string, heads: number, headDim: number): string {
  const self = `${name}/self`;
  const width = heads * headDim;
  const shape = shapeOf(graph, `${self}/Shape`, hidden);
  const batch = dimension(graph, `${self}/strided_slice`, shape, 0);
  // Gains: scores with a deviation of about 2, so that a row attends to tens of keys and not to all alike, and an attention branch that
  // is no smaller than the residual. Otherwise a wrong mask would hardly show in the logits.
  const split = (role: string, suffix: string, gain: number) => {
    const projected = dense(graph, `${self}/${role}`, hidden, width, width, gain);
    const target = pack(graph, `${self}/Reshape${suffix}/shape`, [
      batch,
      graph.ints(`${self}/Reshape${suffix}/shape/1`, -1),
      graph.ints(`${self}/Reshape${suffix}/shape/2`, heads),
      graph.ints(`${self}/Reshape${suffix}/shape/3`, headDim),
    ]);
    const reshaped = graph.node('Reshape', `${self}/Reshape${suffix}`, [projected, target], {T: FLOAT, Tshape: INT});
    return swapLengthAndHeads(graph, `${self}/transpose${suffix}`, reshaped);
  };
  const query = split('query', '_2', 1.4);
  const key = split('key', '', 1.4);
  const value = split('value', '_1', 2);
  const product = (adjoint: boolean) => ({
    T: FLOAT,
    adj_x: {b: false},
    adj_y: {b: adjoint},
    grad_x: {b: false},
    grad_y: {b: false},
  });
  const scores = graph.node('BatchMatMulV2', `${self}/MatMul`, [query, key], product(true));
  const reciprocal = graph.float(`ConstantFolding/${self}/truediv_recip`, 1 / Math.sqrt(headDim));
  const scaled = graph.node('Mul', `${self}/truediv`, [scores, reciprocal]);
  const layerBias = add(graph, `${self}/Add`, graph.float(`${self}/add_1/y`, 1e-9), bias);
  const masked = add(graph, `${self}/add_1`, scaled, layerBias);
  const weights = graph.node('Softmax', `${self}/Softmax`, [masked]);
  const mixed = graph.node('BatchMatMulV2', `${self}/MatMul_1`, [weights, value], product(false));
  const merged = graph.node(
    'Reshape',
    `${self}/Reshape_3`,
    [
      swapLengthAndHeads(graph, `${self}/transpose_3`, mixed),
      pack(graph, `${self}/Reshape_3/shape`, [
        batch,
        graph.ints(`${self}/Reshape_3/shape/1`, -1),
        graph.ints(`${self}/Reshape_3/shape/2`, width),
      ]),
    ],
    {T: FLOAT, Tshape: INT},
  );
  return dense(graph, `${name}/output/dense`, merged, width, width, 2);
}

/** [batch, length, inputs] → [batch, length, outputs], as Keras's Dense is converted. `gain` 1 keeps the variance. */
function dense(graph: GraphBuilder, name: string, input: string, inputs: number, outputs: number, gain: number): string {
  const dot = `${name}/Tensordot`;
  const shape = shapeOf(graph, `${dot}/Shape`, input);
  const contracted = gather(graph, `${dot}/GatherV2_1`, shape, graph.ints(`${dot}/axes`, [2]), INT);
  const free = gather(graph, `${dot}/GatherV2`, shape, graph.ints(`${dot}/free`, [0, 1]), INT);
  const reduce = {T: INT, Tidx: INT, keep_dims: {b: false}};
  const rows = graph.node('Prod', `${dot}/Prod`, [free, graph.ints(`${dot}/Const`, [0])], reduce);
  const columns = graph.node('Prod', `${dot}/Prod_1`, [contracted, graph.ints(`${dot}/Const_1`, [0])], reduce);
  const flat = graph.node('Reshape', `${dot}/Reshape`, [input, pack(graph, `${dot}/stack`, [rows, columns])], {
    T: FLOAT,
    Tshape: INT,
  });
  const kernel = graph.weights(`${dot}/ReadVariableOp`, [inputs, outputs], gain / Math.sqrt(inputs));
  const product = graph.node('MatMul', `${dot}/MatMul`, [flat, kernel], {
    T: FLOAT,
    transpose_a: {b: false},
    transpose_b: {b: false},
  });
  const target = graph.node(
    'ConcatV2',
    `${dot}/concat_1`,
    [free, graph.ints(`${dot}/Const_2`, [outputs]), graph.ints(`${dot}/concat_1/axis`, 0)],
    {T: INT, Tidx: INT, N: {i: '2'}},
  );
  const unflat = graph.node('Reshape', dot, [product, target], {T: FLOAT, Tshape: INT});
  const bias = graph.weights(`${name}/BiasAdd/ReadVariableOp`, [outputs], 0.1);
  return graph.node('BiasAdd', `${name}/BiasAdd`, [unflat, bias], {T: FLOAT, data_format: text('NHWC')});
}

function layerNorm(graph: GraphBuilder, name: string, input: string, width: number): string {
  const over = {T: FLOAT, Tidx: INT, keep_dims: {b: true}};
  const mean = graph.node('Mean', `${name}/moments/mean`, [input, graph.ints(`${name}/moments/mean/reduction_indices`, [2])], over);
  const squares = graph.node('SquaredDifference', `${name}/moments/SquaredDifference`, [input, mean]);
  const axis = graph.ints(`${name}/moments/variance/reduction_indices`, [2]);
  const variance = graph.node('Mean', `${name}/moments/variance`, [squares, axis], over);
  const padded = add(graph, `${name}/batchnorm/add`, variance, graph.float(`${name}/batchnorm/add/y`, 1e-12));
  const inverse = graph.node('Rsqrt', `${name}/batchnorm/Rsqrt`, [padded]);
  const gamma = graph.weights(`${name}/batchnorm/mul/ReadVariableOp`, [width], 0.1, 1);
  const factor = graph.node('Mul', `${name}/batchnorm/mul`, [inverse, gamma]);
  const scaled = graph.node('Mul', `${name}/batchnorm/mul_1`, [input, factor]);
  const shift = graph.node('Mul', `${name}/batchnorm/mul_2`, [mean, factor]);
  const beta = graph.weights(`${name}/batchnorm/ReadVariableOp`, [width], 0.1);
  return add(graph, `${name}/batchnorm/add_1`, scaled, graph.node('Sub', `${name}/batchnorm/sub`, [beta, shift]));
}

function add(graph: GraphBuilder, name: string, left: string, right: string): string {
  return graph.node('AddV2', name, [left, right]);
}

function gather(graph: GraphBuilder, name: string, table: string, indices: string, type: object): string {
  const attr = {Tparams: type, Tindices: INT, Taxis: INT, batch_dims: {i: '0'}};
  return graph.node('GatherV2', name, [table, indices, graph.ints(`${name}/axis`, 0)], attr);
}

function shapeOf(graph: GraphBuilder, name: string, input: string): string {
  return graph.node('Shape', name, [input], {T: FLOAT, out_type: INT});
}

function pack(graph: GraphBuilder, name: string, parts: string[]): string {
  return graph.node('Pack', name, parts, {T: INT, N: {i: String(parts.length)}, axis: {i: '0'}});
}

/** One number of a shape vector. */
function dimension(graph: GraphBuilder, name: string, shape: string, axis: number): string {
  const bounds = [
    graph.ints(`${name}/stack`, [axis]),
    graph.ints(`${name}/stack_1`, [axis + 1]),
    graph.ints(`${name}/stack_2`, [1]),
  ];
  const masks = {
    begin_mask: {i: '0'},
    end_mask: {i: '0'},
    ellipsis_mask: {i: '0'},
    new_axis_mask: {i: '0'},
    shrink_axis_mask: {i: '1'},
  };
  return graph.node('StridedSlice', name, [shape, ...bounds], {T: INT, Index: INT, ...masks});
}

function swapLengthAndHeads(graph: GraphBuilder, name: string, input: string): string {
  return graph.node('Transpose', name, [input, graph.ints(`${name}/perm`, [0, 2, 1, 3])], {T: FLOAT, Tperm: INT});
}
