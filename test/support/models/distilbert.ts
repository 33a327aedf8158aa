import type {TransformerSizes} from './bert.js';
import {GraphBuilder, type BuilderOptions, type BuiltModel, type Ref} from './graph_builder.js';
import * as l from './layers.js';

export interface DistilBertOptions extends BuilderOptions {
  /** False: scores − 1e30 · (1 − mask), of 2021 (D). True: scores + (1e-9 − 1e30 · (1 − mask)) in an `Add`, half inputs, of 2025 (D′). */
  readonly stableSoftmax?: boolean;
}

/** Hugging Face DistilBERT: the scale is on the query, behind its transpose, and each layer reshapes the mask for itself. */
export function distilBert(sizes: TransformerSizes, options: DistilBertOptions = {}): BuiltModel {
  const {layers, heads, headDim, ffn, vocabulary, positions} = sizes;
  const hidden = heads * headDim;
  const {stableSoftmax = false} = options;
  const root = new GraphBuilder(options);
  const type = stableSoftmax ? 'DT_HALF' : 'DT_INT32';
  const given = {ids: root.placeholder('input_ids', [-1, -1], type), mask: root.placeholder('attention_mask', [-1, -1], type)};
  const g = root.in('StatefulPartitionedCall/tf_distil_bert/distilbert');
  const ids = stableSoftmax ? l.cast(g, given.ids, type, 'DT_INT32') : given.ids;
  const mask = l.cast(g, given.mask, type, 'DT_FLOAT');
  const embeddings = g.in('embeddings');
  let x = l.tokenEmbeddings(embeddings, ids, vocabulary, positions, hidden);
  x = l.layerNorm(embeddings.in('LayerNorm'), x, hidden, 1e-12);
  for (let i = 0; i < layers; i++) {
    const layer = g.in(`transformer/layer_._${i}`);
    const context = attention(layer.in('attention'), x, mask, sizes, stableSoftmax);
    const attended = l.layerNorm(layer.in('sa_layer_norm'), l.add(layer, context, x), hidden, 1e-12);
    const wide = l.gelu(layer.in('ffn'), l.dense(layer.in('ffn/lin1'), attended, hidden, ffn));
    const narrow = l.dense(layer.in('ffn/lin2'), wide, ffn, hidden);
    x = l.layerNorm(layer.in('output_layer_norm'), l.add(layer, narrow, attended), hidden, 1e-12);
  }
  return root.build({last_hidden_state: x});
}

function attention(g: GraphBuilder, x: Ref, mask: Ref, {heads, headDim}: TransformerSizes, stableSoftmax: boolean): Ref {
  const hidden = heads * headDim;
  const shape = l.shapeOf(g, x);
  const [batch, length] = [l.sizeOf(g, x, 0, shape), l.sizeOf(g, x, 1, shape)];
  // One constant for the head size of all three.
  const size = g.int(headDim, 'Cast/x');
  const [query, key, value] = ['q_lin', 'k_lin', 'v_lin'].map((name) => {
    const projected = l.dense(g.in(name), x, hidden, hidden);
    const target = g.op('Pack', [batch, g.int(-1), g.int(heads), size], {T: 'DT_INT32', axis: 0}, 'Reshape/shape');
    return l.transpose(g, g.op('Reshape', [projected, target]), [0, 2, 1, 3]);
  }) as [Ref, Ref, Ref];
  const scaled = l.mul(g, query, g.float(1 / Math.sqrt(headDim), 'Rsqrt'), 'Mul');
  const scores = l.matmul(g, scaled, key, {adjY: true});
  const own = l.reshape(g, mask, [batch, 1, 1, length], 'Reshape_3');
  const far = g.op('Mul', [g.float(1e30, 'mul_1/x'), l.sub(g, g.float(1, 'sub/x'), own)], {}, 'mul_1');
  const masked = stableSoftmax
    ? g.op('Add', [scores, l.sub(g, g.float(1e-9, 'add/y'), far, 'sub_1')], {}, 'add')
    : l.sub(g, scores, far, 'sub_1');
  const attended = l.matmul(g, g.op('Softmax', [g.logits(masked)]), value);
  const context = l.reshape(g, l.transpose(g, attended, [0, 2, 1, 3]), [batch, -1, hidden], 'Reshape_4');
  return l.dense(g.in('out_lin'), context, hidden, hidden);
}
