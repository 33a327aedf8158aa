import {GraphBuilder, type BuilderOptions, type BuiltModel, type Ref} from './graph_builder.js';
import * as l from './layers.js';

export interface VitSizes {
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  readonly ffn: number;
  /** Patches of an edge of the image; a patch is 4×4 pixels. */
  readonly edge: number;
}

const PATCH = 4;

/** image [batch, 4·edge, 4·edge, 3] to [batch, edge², width] by one fused convolution. */
function patches(root: GraphBuilder, g: GraphBuilder, edge: number, width: number): Ref {
  const image = root.placeholder('image', [-1, PATCH * edge, PATCH * edge, 3]);
  const grid = l.conv(g.in('conv2d'), image, [PATCH, PATCH, 3, width], {stride: PATCH, fused: true});
  return l.reshape(g, grid, [l.sizeOf(g, grid, 0), edge * edge, width]);
}

/** The Keras 2 example (K without a mask): Einsum attention, the residual added by AddN before the bias, each layer behind its norm. */
export function kerasVit({layers, heads, headDim, ffn, edge}: VitSizes, options: BuilderOptions = {}): BuiltModel {
  const width = heads * headDim;
  const root = new GraphBuilder(options);
  const g = root.in('StatefulPartitionedCall/model');
  let x = l.add(g, patches(root, g, edge, width), g.weight([edge * edge, width], {spread: 0.5}, 'unknown_1'));
  for (let i = 0; i < layers; i++) {
    const at = g.in(`multi_head_attention_${i}`);
    const normed = l.layerNorm(g.in(`layer_normalization_${2 * i}`), x, width);
    const project = (name: string): Ref =>
      l.einsumDense(at.in(name), normed, 'abc,cde->abde', [width, heads, headDim], [heads, headDim]);
    const [key, query, value] = [project('key'), project('query'), project('value')];
    const scaled = l.mul(at, query, at.float(1 / Math.sqrt(headDim), 'Mul/y'), 'Mul');
    const scores = l.einsum(at, 'aecd,abcd->acbe', key, scaled);
    const attended = l.einsum(at, 'acbe,aecd->abcd', at.op('Softmax', [at.logits(scores)], {}, 'softmax/Softmax'), value);
    const kernel = at.weight([heads, headDim, width], {}, 'attention_output/einsum/Einsum/ReadVariableOp');
    const projected = l.einsum(at.in('attention_output'), 'abcd,cde->abe', attended, kernel);
    const sum = g.op('AddN', [x, projected], {N: 2}, 'ArithmeticOptimizer/AddOpsRewrite_Leaf_1_AddV2');
    x = l.add(g, at.weight([width], {spread: 0.2}), sum, 'ArithmeticOptimizer/AddOpsRewrite_AddV2');
    const inner = l.dense(g.in(`dense_${2 * i}`), l.layerNorm(g.in(`layer_normalization_${2 * i + 1}`), x, width), width, ffn);
    const outer = l.dense(g.in(`dense_${2 * i + 1}`), l.gelu(g.in(`dense_${2 * i}`), inner), ffn, width);
    x = l.add(g, x, l.gelu(g.in(`dense_${2 * i + 1}`), outer));
  }
  const flat = l.reshape(g, l.layerNorm(g.in('layer_normalization'), x, width), [-1, edge * edge * width], 'flatten/Reshape');
  return root.build({logits: l.fusedDense(g.in('dense'), flat, edge * edge * width, 5)});
}

/** Hugging Face ViT (C without a mask: the bare 1e-9 is added), a class token in front. */
export function hfVit({layers, heads, headDim, ffn, edge}: VitSizes, options: BuilderOptions = {}): BuiltModel {
  const width = heads * headDim;
  const root = new GraphBuilder(options);
  const g = root.in('StatefulPartitionedCall/vit');
  const tokens = patches(root, g.in('embeddings'), edge, width);
  const batch = l.sizeOf(g, tokens, 0);
  const multiples = l.pack(g, [batch, 1, 1], 'Tile/multiples');
  const first = g.op('Tile', [g.weight([1, 1, width], {spread: 1}, 'cls_token'), multiples], {Tmultiples: 'DT_INT32'});
  const all = g.op('ConcatV2', [first, tokens, g.int(1, 'concat/axis')], {N: 2}, 'concat');
  let x = l.add(g, all, g.weight([1, edge * edge + 1, width], {spread: 0.5}, 'position_embeddings'));
  for (let i = 0; i < layers; i++) {
    const layer = g.in(`encoder/layer_._${i}`);
    const at = layer.in('attention/attention');
    const normed = l.layerNorm(layer.in('layernorm_before'), x, width, 1e-12);
    const own = l.sizeOf(at, normed, 0);
    const heads4 = (name: string): Ref => l.splitHeads(at, l.dense(at.in(name), normed, width, width), [own, -1], heads, headDim);
    const [key, value, query] = [heads4('key'), heads4('value'), heads4('query')];
    const scaled = l.mul(at, l.matmul(at, query, key, {adjY: true}), at.float(1 / Math.sqrt(headDim), 'truediv_recip'), 'truediv');
    const logits = l.add(at, scaled, at.float(1e-9, 'add/y'));
    const attended = l.matmul(at, at.op('Softmax', [at.logits(logits)]), value);
    const context = l.reshape(at, l.transpose(at, attended, [0, 2, 1, 3]), [own, -1, width], 'Reshape_3');
    x = l.add(layer, l.dense(layer.in('attention/output/dense'), context, width, width), x);
    const inner = l.dense(layer.in('intermediate/dense'), l.layerNorm(layer.in('layernorm_after'), x, width, 1e-12), width, ffn);
    x = l.add(layer, l.dense(layer.in('output/dense'), l.gelu(layer, inner), ffn, width), x);
  }
  return root.build({last_hidden_state: l.layerNorm(g.in('layernorm'), x, width, 1e-12)});
}
