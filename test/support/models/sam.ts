import {GraphBuilder, type BuilderOptions, type BuiltModel, type Ref} from './graph_builder.js';
import * as l from './layers.js';

export interface SamSizes {
  readonly heads: number;
  /** Of the self attention; the cross attentions have half of it. */
  readonly headDim: number;
  readonly ffn: number;
}

/**
 * One block of the SAM mask decoder, ONNX to TensorFlow (F): tokens attend to themselves, then to the image, then the image to the
 * tokens. Dense layers are batched products; reshape targets are computed by Where, SparseToDense and GatherV2, so the model needs
 * executeAsync; the key is transposed [0, 2, 3, 1], so the scores have no adj flag; the shape of the output is asked for four times.
 * Inputs tokens [batch, tokens, heads · headDim] and image [batch, positions, heads · headDim].
 */
export function samDecoder(sizes: SamSizes, options: BuilderOptions = {}): BuiltModel {
  const {heads, headDim, ffn} = sizes;
  const width = heads * headDim;
  const root = new GraphBuilder(options);
  const tokens = root.placeholder('tokens', [-1, -1, width]);
  const image = root.placeholder('image', [-1, -1, width]);
  const g = root.in('StatefulPartitionedCall/onnx_tf_prefix_/mask_decoder/transformer/layers.0');
  let x = attention(g.in('self_attn'), tokens, tokens, [heads, headDim, width]);
  x = l.layerNorm(g.in('norm1'), l.add(g, tokens, x), width);
  const seen = attention(g.in('cross_attn_token_to_image'), x, image, [heads, headDim / 2, width]);
  x = l.layerNorm(g.in('norm2'), l.add(g, x, seen), width);
  const inner = g.op('Relu', [project(g.in('mlp/lin1'), x, width, ffn)]);
  x = l.layerNorm(g.in('norm3'), l.add(g, x, project(g.in('mlp/lin2'), inner, ffn, width)), width);
  const back = attention(g.in('cross_attn_image_to_token'), image, x, [heads, headDim / 2, width]);
  return root.build({tokens_out: x, image_out: l.layerNorm(g.in('norm4'), l.add(g, image, back), width)});
}

/** Bias first, as half of the file has it. */
const project = (g: GraphBuilder, x: Ref, inputs: number, outputs: number): Ref =>
  l.add(g, g.bias(outputs, 'bias'), l.matmul(g, x, g.weight([inputs, outputs])), 'Add');

function attention(g: GraphBuilder, from: Ref, to: Ref, [heads, headDim, width]: readonly [number, number, number]): Ref {
  const inner = heads * headDim;
  const heads4 = (name: string, x: Ref, perm: readonly number[]): Ref => {
    const y = project(g.in(name), x, width, inner);
    const [batch, length] = [oneSize(g, y, 0), oneSize(g, y, 1)];
    return l.transpose(g, onnxReshape(g, y, [batch, length, heads, headDim]), perm);
  };
  const query = heads4('q_proj', from, [0, 2, 1, 3]);
  const [key, value] = [heads4('k_proj', to, [0, 2, 3, 1]), heads4('v_proj', to, [0, 2, 1, 3])];
  const scaled = l.mul(g, l.matmul(g, query, key), g.float(1 / Math.sqrt(headDim), 'Constant_15'), 'Mul');
  const attended = l.matmul(g, g.op('Softmax', [g.logits(scaled)]), value);
  const [batch, count, length, dim] = [0, 1, 2, 3].map((axis) => oneSize(g, attended, axis)) as [Ref, Ref, Ref, Ref];
  const merged = l.transpose(g, attended, [0, 2, 1, 3]);
  const flat = onnxReshape(g, merged, [batch, length, g.op('Mul', [count, dim], {T: 'DT_INT32'}, 'Mul_1')]);
  return project(g.in('out_proj'), flat, inner, width);
}

/** Gather(Shape(x), axis) */
const oneSize = (g: GraphBuilder, x: Ref, axis: number): Ref =>
  g.op('GatherV2', [l.shapeOf(g, x), g.int(axis, 'FloorMod'), g.int(0, 'Gather/axis')], {Taxis: 'DT_INT32'}, 'Gather');

/** Concat of the sizes, plus, for ONNX, whose zero means "as before", the old size wherever the concat says 0. */
function onnxReshape(g: GraphBuilder, x: Ref, sizes: readonly (Ref | number)[]): Ref {
  const parts = sizes.map((size) => (typeof size === 'number' ? g.ints([size], 'Constant') : l.expandDims(g, size, 0)));
  const target = g.op('ConcatV2', [...parts, g.int(0, 'Concat/axis')], {T: 'DT_INT32', N: parts.length}, 'Concat');
  const zeros = g.op('Where', [g.op('Equal', [target, g.int(0)], {T: 'DT_INT32'})]);
  const where = l.cast(g, zeros, 'DT_INT64', 'DT_INT32');
  const old = l.gather(g, l.shapeOf(g, x), l.squeeze(g, where, 1));
  const outputShape = g.ints([sizes.length], 'Cast');
  const filled = g.op('SparseToDense', [where, outputShape, old, g.int(0, 'zeros')], {T: 'DT_INT32', validate_indices: true});
  return g.op('Reshape', [x, g.op('AddV2', [target, filled], {T: 'DT_INT32'}, 'add')]);
}
