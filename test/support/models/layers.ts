import type {GraphBuilder, Ref} from './graph_builder.js';

// The pieces transformers are made of, each with the nodes that TensorFlow's converter leaves of it.

/** Size of one axis at run time: Shape, StridedSlice. */
export function sizeOf(g: GraphBuilder, tensor: Ref, axis: number, shape = shapeOf(g, tensor)): Ref {
  const at = (i: number, name: string): Ref => g.ints([i], `strided_slice/${name}`);
  const masks = {begin_mask: 0, end_mask: 0, ellipsis_mask: 0, new_axis_mask: 0, shrink_axis_mask: 1};
  const inputs = [shape, at(axis, 'stack'), at(axis + 1, 'stack_1'), at(1, 'stack_2')];
  return g.op('StridedSlice', inputs, {T: 'DT_INT32', Index: 'DT_INT32', ...masks}, 'strided_slice');
}

export const shapeOf = (g: GraphBuilder, tensor: Ref): Ref => g.op('Shape', [tensor], {out_type: 'DT_INT32'});

/** A shape made at run time; numbers become constants. */
export function pack(g: GraphBuilder, sizes: readonly (number | Ref)[], name = 'Reshape/shape'): Ref {
  const elements = sizes.map((size, i) => (typeof size === 'number' ? g.int(size, `${name}/${i}`) : size));
  return g.op('Pack', elements, {T: 'DT_INT32', axis: 0, N: elements.length}, name);
}

/** To sizes that are known (a Const) or not (a Pack). */
export function reshape(g: GraphBuilder, x: Ref, sizes: readonly (number | Ref)[], name = 'Reshape'): Ref {
  const known = sizes.every((size) => typeof size === 'number');
  const shape = known ? g.ints(sizes as readonly number[], `${name}/shape`) : pack(g, sizes, `${name}/shape`);
  return g.op('Reshape', [x, shape], {}, name);
}

export const transpose = (g: GraphBuilder, x: Ref, perm: readonly number[]): Ref =>
  g.op('Transpose', [x, g.ints(perm, 'transpose/perm')], {Tperm: 'DT_INT32'}, 'transpose');

export const cast = (g: GraphBuilder, x: Ref, from: string, to: string): Ref =>
  g.op('Cast', [x], {SrcT: from, DstT: to, Truncate: false});

export const expandDims = (g: GraphBuilder, x: Ref, axis: number): Ref =>
  g.op('ExpandDims', [x, g.int(axis, 'ExpandDims/dim')], {Tdim: 'DT_INT32'});

export const squeeze = (g: GraphBuilder, x: Ref, axis: number): Ref => g.op('Squeeze', [x], {squeeze_dims: [axis]});

export const gather = (g: GraphBuilder, x: Ref, indices: Ref, name = 'GatherV2'): Ref =>
  g.op('GatherV2', [x, indices, g.int(0, `${name}/axis`)], {Taxis: 'DT_INT32', batch_dims: 0}, name);

/** op: BatchMatMulV2, or BatchMatMul as TensorFlow 1 wrote. */
export const matmul = (g: GraphBuilder, a: Ref, b: Ref, {adjX = false, adjY = false, op = 'BatchMatMulV2'} = {}): Ref =>
  g.op(op, [a, b], {adj_x: adjX, adj_y: adjY}, 'MatMul');

export const einsum = (g: GraphBuilder, equation: string, ...inputs: Ref[]): Ref =>
  g.op('Einsum', inputs, {equation, N: inputs.length}, 'einsum/Einsum');

/** Keras Dense on [batch, length, inputs] of unknown sizes: Tensordot spelled out, then BiasAdd. */
export function dense(g: GraphBuilder, x: Ref, inputs: number, outputs: number): Ref {
  const dot = g.in('Tensordot');
  const shape = shapeOf(dot, x);
  const free = gather(dot, shape, dot.ints([0, 1], 'free'));
  const axes = gather(dot, shape, dot.ints([2], 'axes'), 'GatherV2_1');
  const product = (sizes: Ref): Ref => dot.op('Prod', [sizes, dot.ints([0])], {T: 'DT_INT32', keep_dims: false});
  const flat = dot.op('Reshape', [x, dot.op('Pack', [product(free), product(axes)], {T: 'DT_INT32', axis: 0}, 'stack')]);
  const target = dot.op('ConcatV2', [free, dot.ints([outputs], 'Const_2'), dot.int(0, 'concat_1/axis')], {}, 'concat_1');
  const y = g.op('Reshape', [matmul2(dot, flat, dot.weight([inputs, outputs])), target], {}, 'Tensordot');
  return biasAdd(g, y, outputs);
}

/** The same where the sizes are constants. `rows`: the sizes before the last. A merge of heads is fused with its first Reshape. */
export function staticDense(
  g: GraphBuilder,
  x: Ref,
  rows: readonly [number, number],
  inputs: number,
  outputs: number,
  {bias = true} = {},
): Ref {
  const dot = g.in('Tensordot');
  const flat = reshape(dot, x, [rows[0] * rows[1], inputs]);
  const y = reshape(g, matmul2(dot, flat, dot.weight([inputs, outputs])), [...rows, outputs], 'Tensordot');
  return bias ? biasAdd(g, y, outputs) : y;
}

/** Two dimensions, bias fused. */
export function fusedDense(g: GraphBuilder, x: Ref, inputs: number, outputs: number): Ref {
  const weight = g.weight([inputs, outputs], {}, 'MatMul/ReadVariableOp');
  const attrs = {transpose_a: false, transpose_b: false, num_args: 1, fused_ops: ['BiasAdd']};
  return g.op('_FusedMatMul', [x, weight, g.bias(outputs)], attrs, 'BiasAdd');
}

export const matmul2 = (g: GraphBuilder, a: Ref, b: Ref, {transposeB = false} = {}): Ref =>
  g.op('MatMul', [a, b], {transpose_a: false, transpose_b: transposeB});

export const biasAdd = (g: GraphBuilder, x: Ref, size: number): Ref => g.op('BiasAdd', [x, g.bias(size)], {data_format: 'NHWC'});

/** A 1×1 (or other) convolution with BiasAdd. */
export function conv(g: GraphBuilder, x: Ref, filter: readonly number[], {stride = 1, fused = false} = {}): Ref {
  const window = {strides: [1, stride, stride, 1], dilations: [1, 1, 1, 1], padding: 'VALID', data_format: 'NHWC'};
  const inputs = [x, g.weight(filter, {}, 'Conv2D/ReadVariableOp')];
  const outputs = filter[3]!;
  if (!fused) return biasAdd(g, g.op('Conv2D', inputs, {...window, use_cudnn_on_gpu: true}), outputs);
  const attrs = {...window, num_args: 1, fused_ops: ['BiasAdd']};
  return g.op('_FusedConv2D', [...inputs, g.bias(outputs)], attrs, 'BiasAdd');
}

/** Keras EinsumDense: [batch, length, inputs] to [batch, length, heads, headDim], or back with equation abcd,cde->abe. */
export function einsumDense(g: GraphBuilder, x: Ref, equation: string, shape: readonly number[], bias: readonly number[]): Ref {
  const fan = equation.startsWith('abcd') ? shape[0]! * shape[1]! : shape[0]!;
  const weight = g.weight(shape, {spread: Math.sqrt(3 / fan)}, 'einsum/Einsum/ReadVariableOp');
  return g.op('AddV2', [einsum(g, equation, x, weight), g.weight(bias, {spread: 0.2}, 'add/ReadVariableOp')], {}, 'add');
}

/** Layer normalization over the last axis of rank 3, in the ten nodes of the batch normalization that Keras makes of it. */
export function layerNorm(g: GraphBuilder, x: Ref, size: number, epsilon = 1e-6): Ref {
  const mean = meanOf(g, x, 'moments/mean');
  const variance = meanOf(g, g.op('SquaredDifference', [x, mean], {}, 'moments/SquaredDifference'), 'moments/variance');
  const batch = g.in('batchnorm');
  const root = batch.op('Rsqrt', [batch.op('AddV2', [variance, batch.float(epsilon, 'add/y')], {}, 'add')]);
  const gain = batch.op('Mul', [root, batch.weight([size], {mean: 1, spread: 0.2}, 'mul/ReadVariableOp')], {}, 'mul');
  const scaled = batch.op('Mul', [x, gain], {}, 'mul_1');
  const shift = batch.op('Sub', [batch.weight([size], {spread: 0.2}), batch.op('Mul', [mean, gain], {}, 'mul_2')], {}, 'sub');
  return batch.op('AddV2', [scaled, shift], {}, 'add_1');
}

export const meanOf = (g: GraphBuilder, x: Ref, name: string): Ref =>
  g.op('Mean', [x, g.ints([2], `${name}/reduction_indices`)], {keep_dims: true, Tidx: 'DT_INT32'}, name);

/** The tanh approximation. */
export function gelu(outer: GraphBuilder, x: Ref): Ref {
  const g = outer.in('Gelu');
  const cube = g.op('Pow', [x, g.float(3, 'Pow/y')]);
  const inner = g.op('AddV2', [x, g.op('Mul', [g.float(0.044715, 'Cast/x'), cube], {}, 'mul_1')], {}, 'add');
  const bent = g.op('Tanh', [g.op('Mul', [g.float(Math.sqrt(2 / Math.PI), 'mul_2/x'), inner], {}, 'mul_2')]);
  const half = g.op('Mul', [g.float(0.5, 'mul/x'), x], {}, 'mul');
  return g.op('Mul', [half, g.op('AddV2', [g.float(1, 'add_1/x'), bent], {}, 'add_1')], {}, 'mul_3');
}

/** [batch, length, heads · headDim] to [batch, heads, length, headDim]: Reshape, Transpose. `batch` and `length` may be −1 or computed. */
export function splitHeads(
  g: GraphBuilder,
  x: Ref,
  [batch, length]: readonly [number | Ref, number | Ref],
  heads: number,
  headDim: number,
): Ref {
  return transpose(g, reshape(g, x, [batch, length, heads, headDim]), [0, 2, 1, 3]);
}

/** x + y. */
export const add = (g: GraphBuilder, x: Ref, y: Ref, name = 'add'): Ref => g.op('AddV2', [x, y], {}, name);
export const mul = (g: GraphBuilder, x: Ref, y: Ref, name = 'mul'): Ref => g.op('Mul', [x, y], {}, name);
export const sub = (g: GraphBuilder, x: Ref, y: Ref, name = 'sub'): Ref => g.op('Sub', [x, y], {}, name);

/** (1 − mask) · far, for a mask of ones and zeros: 0 where a key counts. */
export const farWhereZero = (g: GraphBuilder, mask: Ref, far: number): Ref =>
  g.op('Mul', [sub(g, g.float(1, 'sub/x'), mask), g.float(far, 'mul/y')], {}, 'mul');

/** Token and position embeddings, [batch, length, width], for int32 ids [batch, length]. */
export function tokenEmbeddings(g: GraphBuilder, ids: Ref, vocabulary: number, positions: number, width: number): Ref {
  const words = gather(g, g.weight([vocabulary, width], {spread: 1.5}, 'unknown'), ids, 'Gather');
  const range = g.op('Range', [g.int(0, 'range/start'), sizeOf(g, words, 1), g.int(1, 'range/delta')], {Tidx: 'DT_INT32'}, 'range');
  const places = gather(g, g.weight([positions, width], {spread: 1}, 'unknown_0'), expandDims(g, range, 0), 'Gather_1');
  return add(g, words, places, 'add_1');
}

/** bool [1, queries, keys]: row ≥ column. */
export function rangeMask(g: GraphBuilder, queries: Ref, keys: Ref): Ref {
  const range = (limit: Ref): Ref =>
    g.op('Range', [g.int(0, 'range/start'), limit, g.int(1, 'range/delta')], {Tidx: 'DT_INT32'}, 'range');
  const compared = g.op('GreaterEqual', [expandDims(g, range(queries), 1), range(keys)], {T: 'DT_INT32'});
  return expandDims(g, compared, 0);
}
