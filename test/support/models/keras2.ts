import {GraphBuilder, type BuilderOptions, type BuiltModel, type Ref} from './graph_builder.js';
import * as l from './layers.js';

export interface Keras2Sizes {
  readonly layers: number;
  readonly heads: number;
  readonly keyDim: number;
  /** Default keyDim. */
  readonly valueDim?: number;
  readonly hidden: number;
  readonly ffn: number;
  /** With them, the input is int32 input_ids [batch, length]; else float32 x [batch, length, hidden]. */
  readonly tokens?: {readonly vocabulary: number; readonly positions: number};
}

export interface Keras2Options extends BuilderOptions {
  /** `keys`: int32 attention_mask [batch, length]. `pairs`: bool attention_mask [batch, queries, keys]. */
  readonly mask?: 'keys' | 'pairs';
  /** `band`: as Keras writes it, which hides nothing in TensorFlow.js 4.22, see `causalMask`. `range`: a mask that does. */
  readonly causal?: 'band' | 'range';
  /** Keys and values come from a second input, context [batch, keys, hidden]. */
  readonly cross?: boolean;
}

/** Encoder blocks of Keras 2's MultiHeadAttention (K): everything an Einsum, heads third, the key the first operand of the scores. */
export function keras2(sizes: Keras2Sizes, options: Keras2Options = {}): BuiltModel {
  const {layers, hidden, ffn, tokens} = sizes;
  const root = new GraphBuilder(options);
  const g = root.in('StatefulPartitionedCall/model');
  let x: Ref;
  if (tokens) {
    const ids = root.placeholder('input_ids', [-1, -1], 'DT_INT32');
    x = l.tokenEmbeddings(g.in('embeddings'), ids, tokens.vocabulary, tokens.positions, hidden);
  } else {
    x = root.placeholder('x', [-1, -1, hidden]);
  }
  const context = options.cross ? root.placeholder('context', [-1, -1, hidden]) : undefined;
  const mask = maskInput(root, g, options);
  for (let i = 0; i < layers; i++) {
    const attention = g.in(i === 0 ? 'multi_head_attention' : `multi_head_attention_${i}`);
    const attended = multiHeadAttention(attention, x, context ?? x, mask, sizes, options);
    x = l.layerNorm(g.in(`layer_normalization_${2 * i}`), l.add(g, x, attended, 'tf.__operators__.add/AddV2'), hidden);
    const inner = g.op('Relu', [l.dense(g.in(`dense_${2 * i}`), x, hidden, ffn)]);
    const sum = l.add(g, x, l.dense(g.in(`dense_${2 * i + 1}`), inner, ffn, hidden), 'tf.__operators__.add/AddV2');
    x = l.layerNorm(g.in(`layer_normalization_${2 * i + 1}`), sum, hidden);
  }
  return root.build({y: x});
}

/** bool [batch, queries or 1, keys] */
function maskInput(root: GraphBuilder, g: GraphBuilder, {mask}: Keras2Options): Ref | undefined {
  if (mask === 'pairs') return root.placeholder('attention_mask', [-1, -1, -1], 'DT_BOOL');
  if (mask === undefined) return undefined;
  const given = root.placeholder('attention_mask', [-1, -1], 'DT_INT32');
  return l.expandDims(g, l.cast(g, given, 'DT_INT32', 'DT_BOOL'), 1);
}

function multiHeadAttention(
  g: GraphBuilder,
  from: Ref,
  to: Ref,
  mask: Ref | undefined,
  {heads, keyDim, valueDim = keyDim, hidden}: Keras2Sizes,
  {causal}: Keras2Options,
): Ref {
  const project = (name: string, x: Ref, dim: number): Ref =>
    l.einsumDense(g.in(name), x, 'abc,cde->abde', [hidden, heads, dim], [heads, dim]);
  const [query, key, value] = [project('query', from, keyDim), project('key', to, keyDim), project('value', to, valueDim)];
  const attended = attend(g, query, key, value, keyDim, causal ? causalMask(g, from, to, mask, causal) : mask);
  return l.einsumDense(g.in('attention_output'), attended, 'abcd,cde->abe', [heads, valueDim, hidden], [hidden]);
}

/** Query, key and value [batch, length, heads, …] to the like of the query; `mask` bool [batch or 1, queries or 1, keys]. */
function attend(g: GraphBuilder, query: Ref, key: Ref, value: Ref, keyDim: number, mask: Ref | undefined): Ref {
  const scores = l.einsum(g, 'aecd,abcd->acbe', key, l.mul(g, query, g.float(1 / Math.sqrt(keyDim), 'Mul/y'), 'Mul'));
  let logits = scores;
  if (mask !== undefined) {
    const softmax = g.in('softmax');
    const far = l.farWhereZero(softmax, l.cast(softmax, l.expandDims(g, mask, -3), 'DT_BOOL', 'DT_FLOAT'), -1e9);
    logits = l.add(softmax, scores, far);
  }
  return l.einsum(g, 'acbe,aecd->abcd', g.op('Softmax', [g.logits(logits)], {}, 'softmax/Softmax'), value);
}

/** The attention of one such layer alone: query, key, value [batch, length, heads, keyDim] and int32 attention_mask [batch, length]. */
export function keras2Attention({heads, keyDim}: Pick<Keras2Sizes, 'heads' | 'keyDim'>): BuiltModel {
  const root = new GraphBuilder();
  const projected = (name: string): Ref => root.placeholder(name, [-1, -1, heads, keyDim]);
  const [query, key, value] = [projected('query'), projected('key'), projected('value')];
  const g = root.in('multi_head_attention');
  return root.build({context: attend(g, query, key, value, keyDim, maskInput(root, g, {mask: 'keys'}))});
}

/**
 * band_part(ones(1, queries, keys)), below the diagonal from the top left; and the given mask, if there is one.
 *
 * The converter of TensorFlow.js 4.22 reads both bounds of MatrixBandPart from the first: with −1 and 0, Keras's causal mask, it keeps
 * everything, and the model sees the future. A swap changes no answer, so it keeps that, and says so.
 */
function causalMask(g: GraphBuilder, from: Ref, to: Ref, mask: Ref | undefined, form: 'band' | 'range'): Ref {
  const [queries, keys] = [l.sizeOf(g, from, 1), l.sizeOf(g, to, 1)];
  const causal = form === 'range' ? l.rangeMask(g, queries, keys) : band(g, queries, keys);
  return mask === undefined ? causal : g.op('LogicalAnd', [mask, causal], {}, 'and');
}

function band(g: GraphBuilder, queries: Ref, keys: Ref): Ref {
  const ones = l.pack(g, [1, queries, keys], 'ones/packed');
  const filled = g.op('Fill', [ones, g.constant(Uint8Array.of(1), [], 'bool', 'ones/Const')], {T: 'DT_BOOL'}, 'ones');
  const bounds = [g.int(-1, 'MatrixBandPart/num_lower'), g.int(0, 'MatrixBandPart/num_upper')];
  return g.op('MatrixBandPart', [filled, ...bounds], {T: 'DT_BOOL', Tindex: 'DT_INT64'});
}
