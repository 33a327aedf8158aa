import {GraphBuilder, type BuilderOptions, type BuiltModel, type Ref} from './graph_builder.js';
import * as l from './layers.js';

export interface TransformerSizes {
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  readonly ffn: number;
  readonly vocabulary: number;
  readonly positions: number;
}

export interface BertOptions extends BuilderOptions {
  /**
   * False: as TensorFlow 2.7 left it (structure C), the shared mask added to the scaled scores, here with the control edges that some
   * files have. True: as from 2.12 on (C′), where the 1e-9 of a "stable softmax" is first added to the mask, once per layer.
   */
  readonly stableSoftmax?: boolean;
}

/**
 * Hugging Face BERT and TinyBERT. Inputs input_ids and attention_mask, int32 [batch, length], all sizes known at run time only;
 * outputs last_hidden_state [batch, length, hidden] and logits [batch, 2].
 */
export function bert(sizes: TransformerSizes, options: BertOptions = {}): BuiltModel {
  const {layers, heads, headDim, vocabulary, positions} = sizes;
  const hidden = heads * headDim;
  const root = new GraphBuilder(options);
  const mask = root.placeholder('attention_mask', [-1, -1], 'DT_INT32');
  const ids = root.placeholder('input_ids', [-1, -1], 'DT_INT32');
  const g = root.in('StatefulPartitionedCall/tf_bert/bert');
  const far = paddingMask(g, mask, -10000);
  const embeddings = g.in('embeddings');
  const types = l.gather(embeddings, embeddings.weight([2, hidden], {spread: 0.3}), zerosLike(g, ids), 'Gather_2');
  let x = l.add(embeddings, l.tokenEmbeddings(embeddings, ids, vocabulary, positions, hidden), types, 'add_2');
  x = l.layerNorm(embeddings.in('LayerNorm'), x, hidden, 1e-12);
  for (let i = 0; i < layers; i++) x = block(g.in(`encoder/layer_._${i}`), x, far, sizes, options);
  const first = g.op(
    'StridedSlice',
    [
      x,
      ...[
        [0, 0],
        [0, 1],
        [1, 1],
      ].map((at) => g.ints(at, 'strided_slice/stack')),
    ],
    {
      ...{begin_mask: 1, end_mask: 1, ellipsis_mask: 0, new_axis_mask: 0, shrink_axis_mask: 2},
    },
  );
  const pooled = g.op('Tanh', [l.fusedDense(g.in('pooler/dense'), first, hidden, hidden)]);
  return root.build({last_hidden_state: x, logits: l.fusedDense(root.in('classifier'), pooled, hidden, 2)});
}

/** Ones where tokens are, int32 [batch, length], to float [batch, 1, 1, length]: 0 where tokens are and `far` elsewhere. */
export function paddingMask(g: GraphBuilder, mask: Ref, far: number): Ref {
  const shape = l.shapeOf(g, mask);
  const sizes = [l.sizeOf(g, mask, 0, shape), 1, 1, l.sizeOf(g, mask, 1, shape)];
  return l.farWhereZero(g, l.cast(g, l.reshape(g, mask, sizes), 'DT_INT32', 'DT_FLOAT'), far);
}

/** int32 zeros of the shape of [batch, length]. */
function zerosLike(g: GraphBuilder, ids: Ref): Ref {
  const shape = l.shapeOf(g, ids);
  const sizes = [l.sizeOf(g, ids, 0, shape), l.sizeOf(g, ids, 1, shape)];
  return g.op('Fill', [l.pack(g, sizes, 'Fill/dims'), g.int(0, 'Fill/value')], {T: 'DT_INT32', index_type: 'DT_INT32'});
}

function block(g: GraphBuilder, x: Ref, far: Ref, sizes: TransformerSizes, options: BertOptions): Ref {
  const {heads, headDim, ffn} = sizes;
  const hidden = heads * headDim;
  const context = selfAttention(g.in('attention/self'), x, far, sizes, options);
  const out = g.in('attention/output');
  const summed = l.add(out, l.dense(out.in('dense'), context, hidden, hidden), x);
  const attended = l.layerNorm(out.in('LayerNorm'), summed, hidden, 1e-12);
  const middle = g.in('intermediate');
  const wide = l.gelu(middle, l.dense(middle.in('dense'), attended, hidden, ffn));
  const output = g.in('output');
  return l.layerNorm(
    output.in('LayerNorm'),
    l.add(output, l.dense(output.in('dense'), wide, ffn, hidden), attended),
    hidden,
    1e-12,
  );
}

function selfAttention(g: GraphBuilder, x: Ref, far: Ref, sizes: TransformerSizes, options: BertOptions): Ref {
  const hidden = sizes.heads * sizes.headDim;
  const project = (name: string): Ref => l.dense(g.in(name), x, hidden, hidden);
  // Keys first, as the layer's code has them.
  const [key, value, query] = [project('key'), project('value'), project('query')];
  return attend(g, {query, key, value}, far, l.sizeOf(g, x, 0), sizes, options);
}

interface Projected {
  readonly query: Ref;
  readonly key: Ref;
  readonly value: Ref;
}

/** Query, key and value [batch, length, hidden], heads apart, attention, heads together. */
function attend(
  g: GraphBuilder,
  {query, key, value}: Projected,
  far: Ref,
  batch: Ref,
  {heads, headDim}: Pick<TransformerSizes, 'heads' | 'headDim'>,
  {stableSoftmax = true}: BertOptions,
): Ref {
  const mask = stableSoftmax ? g.op('AddV2', [g.float(1e-9, 'add_1/y'), far], {}, 'Add') : far;
  const [k, v, q] = [key, value, query].map((tensor) => l.splitHeads(g, tensor, [batch, -1], heads, headDim)) as [Ref, Ref, Ref];
  const scaled = l.mul(g, l.matmul(g, q, k, {adjY: true}), g.float(1 / Math.sqrt(headDim), 'truediv_recip'), 'truediv');
  const probabilities = g.op('Softmax', [g.logits(l.add(g, scaled, mask, 'add_1'))]);
  const anchor = stableSoftmax ? [] : [`^${g.op('NoOp', [`^${v}`])}`];
  const inputs = [l.matmul(g, probabilities, v), g.ints([0, 2, 1, 3], 'transpose_3/perm'), ...anchor];
  const merged = g.op('Transpose', inputs, {Tperm: 'DT_INT32'}, 'transpose_3');
  return l.reshape(g, merged, [batch, -1, heads * headDim], 'Reshape_3');
}

/** The attention of one layer of BERT alone: query, key, value [batch, length, hidden] and attention_mask to context, as `query`. */
export function bertAttention(sizes: Pick<TransformerSizes, 'heads' | 'headDim'>, options: BertOptions = {}): BuiltModel {
  const root = new GraphBuilder(options);
  const projected = (name: string): Ref => root.placeholder(name, [-1, -1, sizes.heads * sizes.headDim]);
  const [query, key, value] = [projected('query'), projected('key'), projected('value')];
  const g = root.in('self');
  const far = paddingMask(g, root.placeholder('attention_mask', [-1, -1], 'DT_INT32'), -10000);
  return root.build({context: attend(g, {query, key, value}, far, l.sizeOf(g, query, 0), sizes, options)});
}
