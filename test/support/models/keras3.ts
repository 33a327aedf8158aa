import {GraphBuilder, type BuilderOptions, type BuiltModel, type Ref} from './graph_builder.js';
import * as l from './layers.js';

export interface Keras3Sizes {
  readonly layers: number;
  readonly heads: number;
  /** Fewer than heads: GroupQueryAttention. Default heads. */
  readonly keyHeads?: number;
  readonly headDim: number;
  readonly hidden: number;
  readonly ffn: number;
}

export interface Keras3Options extends BuilderOptions {
  /** bool attention_mask [batch, queries, keys] as a second input. */
  readonly mask?: boolean;
  /**
   * `use_causal_mask`. `count`: as Keras writes it, by Cumsum along the axes −2 and −1, of which TensorFlow.js 4.22 makes empty tensors, so
   * that the model sees the future; a swap keeps that, and says so. `range`: a mask that hides.
   */
  readonly causal?: 'count' | 'range';
}

/**
 * Keras 3's MultiHeadAttention and GroupQueryAttention (N): projections are batched products with a two-dimensional weight, the scale
 * comes after the scores, and a mask is a SelectV2 whose condition is as large as the scores.
 */
export function keras3(sizes: Keras3Sizes, options: Keras3Options = {}): BuiltModel {
  const {layers, hidden, ffn} = sizes;
  const root = new GraphBuilder(options);
  const g = root.in('StatefulPartitionedCall/functional');
  let x = root.placeholder('x', [-1, -1, hidden]);
  const mask = options.mask ? root.placeholder('attention_mask', [-1, -1, -1], 'DT_BOOL') : undefined;
  for (let i = 0; i < layers; i++) {
    const attended = attention(g.in(`attention_${i}`), x, mask, sizes, options);
    x = l.layerNorm(g.in(`layer_normalization_${2 * i}`), l.add(g, x, attended), hidden);
    const inner = g.op('Relu', [matmulDense(g.in(`dense_${2 * i}`), x, [hidden, ffn], [-1, ffn])]);
    const outer = matmulDense(g.in(`dense_${2 * i + 1}`), inner, [ffn, hidden], [-1, hidden]);
    x = l.layerNorm(g.in(`layer_normalization_${2 * i + 1}`), l.add(g, x, outer), hidden);
  }
  return root.build({y: x});
}

/** x · W with W [inputs, outputs], reshaped to [batch, ...target], plus a bias of the shape of the target without lengths. */
function matmulDense(g: GraphBuilder, x: Ref, [inputs, outputs]: readonly [number, number], target: readonly number[]): Ref {
  const product = l.matmul(g, x, g.weight([inputs, outputs]));
  const biasShape = target.slice(1);
  const y = biasShape.length === 1 ? product : l.reshape(g, product, [l.sizeOf(g, product, 0), ...target]);
  return l.add(g, y, g.weight(biasShape, {spread: 0.2}, 'Add/ReadVariableOp'));
}

function attention(
  g: GraphBuilder,
  x: Ref,
  mask: Ref | undefined,
  {heads, keyHeads = heads, headDim, hidden}: Keras3Sizes,
  {causal}: Keras3Options,
): Ref {
  const project = (name: string, count: number): Ref => matmulDense(g.in(name), x, [hidden, count * headDim], [-1, count, headDim]);
  const query = project('query', heads);
  const [key, value] = ['key', 'value'].map((name) => repeat(g, project(name, keyHeads), heads, keyHeads, headDim)) as [Ref, Ref];
  const scores = l.einsum(g, 'BTNH,BSNH->BNTS', query, key);
  const scaled = l.mul(g, scores, g.float(1 / Math.sqrt(headDim), 'Mul/y'), 'Mul');
  const logits = mask === undefined && !causal ? scaled : select(g, scaled, allowed(g, x, mask, causal));
  const attended = l.einsum(g, 'BNTS,BSNH->BTNH', g.op('Softmax', [g.logits(logits)]), value);
  const merged = l.reshape(g, attended, [l.sizeOf(g, attended, 0), -1, heads * headDim], 'Reshape_4');
  return matmulDense(g.in('attention_output'), merged, [heads * headDim, hidden], [-1, hidden]);
}

/** ops.repeat over the heads: each key head serves heads / keyHeads query heads in a row. */
function repeat(g: GraphBuilder, x: Ref, heads: number, keyHeads: number, headDim: number): Ref {
  if (heads === keyHeads) return x;
  const apart = l.expandDims(g, x, 3);
  const tiled = g.op('Tile', [apart, g.ints([1, 1, 1, heads / keyHeads, 1], 'Tile/multiples')], {Tmultiples: 'DT_INT32'});
  return l.reshape(g, tiled, [l.sizeOf(g, x, 0), -1, heads, headDim], 'Reshape_3');
}

/** bool [batch or 1, queries, keys] */
function allowed(g: GraphBuilder, x: Ref, mask: Ref | undefined, causal: Keras3Options['causal']): Ref {
  if (causal === undefined) return mask!;
  const length = l.sizeOf(g, x, 1);
  const below = causal === 'range' ? l.rangeMask(g, length, length) : counted(g, length);
  return mask === undefined ? below : g.op('LogicalAnd', [mask, below], {}, 'and');
}

/** Rows and columns of ones are counted and the counts compared. */
function counted(g: GraphBuilder, length: Ref): Ref {
  const ones = g.op('Fill', [l.pack(g, [1, length, length], 'ones/packed'), g.int(1, 'ones/Const')], {T: 'DT_INT32'}, 'ones');
  const count = (axis: number): Ref =>
    g.op('Cumsum', [ones, g.int(axis, 'Cumsum/axis')], {T: 'DT_INT32', exclusive: false, reverse: false});
  return g.op('GreaterEqual', [count(-2), count(-1)], {T: 'DT_INT32'});
}

function select(g: GraphBuilder, scaled: Ref, mask: Ref): Ref {
  const yes = g.constant(Uint8Array.of(1), [], 'bool', 'ones_like/Const');
  const all = g.op('Fill', [l.shapeOf(g, scaled), yes], {T: 'DT_BOOL', index_type: 'DT_INT32'}, 'ones_like');
  const both = g.op('LogicalAnd', [all, l.expandDims(g, mask, 1)], {});
  return g.op('SelectV2', [both, scaled, g.float(-2.3819763e38, 'Where/e')], {}, 'Where');
}
