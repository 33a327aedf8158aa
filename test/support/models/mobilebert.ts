import {GraphBuilder, type BuilderOptions, type BuiltModel, type Ref} from './graph_builder.js';
import * as l from './layers.js';

export interface MobileBertSizes {
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  /** The full width; attention works on the bottleneck of heads · headDim. */
  readonly hidden: number;
  readonly ffn: number;
  /** Feed-forward networks per layer. */
  readonly stacked: number;
  readonly vocabulary: number;
}

type Rows = readonly [batch: number, length: number];

/**
 * MobileBERT with fixed batch and length (C″): query and key come from the bottleneck, the value from the full width; the mask is the
 * left operand of the sum; merging the heads is the first Reshape of the output projection. NoNorm instead of layer normalization.
 */
export function mobileBert(sizes: MobileBertSizes, rows: Rows, options: BuilderOptions = {}): BuiltModel {
  const {layers, hidden, vocabulary} = sizes;
  const root = new GraphBuilder(options);
  const mask = root.placeholder('attention_mask', rows, 'DT_INT32');
  const ids = root.placeholder('input_ids', rows, 'DT_INT32');
  const g = root.in('StatefulPartitionedCall/mobilebert');
  const reshaped = l.reshape(g, mask, [rows[0], 1, 1, rows[1]]);
  const far = l.farWhereZero(g, l.cast(g, reshaped, 'DT_INT32', 'DT_FLOAT'), -10000);
  const embeddings = g.in('embeddings');
  const words = l.tokenEmbeddings(embeddings, ids, vocabulary, rows[1], hidden);
  let x = noNorm(embeddings.in('LayerNorm'), l.staticDense(embeddings.in('transformation'), words, rows, hidden, hidden), hidden);
  for (let i = 0; i < layers; i++) x = block(g.in(`encoder/layer_._${i}`), x, far, rows, sizes);
  return root.build({last_hidden_state: x});
}

function block(g: GraphBuilder, x: Ref, far: Ref, rows: Rows, {heads, headDim, hidden, ffn, stacked}: MobileBertSizes): Ref {
  const width = heads * headDim;
  const bottleneck = (name: string): Ref => {
    const at = g.in(`bottleneck/${name}`);
    return noNorm(at.in('LayerNorm'), l.staticDense(at.in('dense'), x, rows, hidden, width), width);
  };
  const [layerInput, shared] = [bottleneck('input'), bottleneck('attention')];
  const context = selfAttention(g.in('attention/self'), {query: shared, key: shared, value: x}, far, rows, [
    heads,
    headDim,
    hidden,
  ]);
  const out = g.in('attention/output');
  const projected = l.staticDense(out.in('dense'), context, rows, width, width);
  let y = noNorm(out.in('LayerNorm'), l.add(out, projected, layerInput), width);
  for (let i = 0; i < stacked; i++) {
    const at = g.in(`ffn.${i}`);
    const wide = at.op('Relu', [l.staticDense(at.in('intermediate/dense'), y, rows, width, ffn)]);
    const narrow = l.staticDense(at.in('output/dense'), wide, rows, ffn, width);
    y = noNorm(at.in('output/LayerNorm'), l.add(at, narrow, y), width);
  }
  const up = g.in('output/bottleneck');
  return noNorm(up.in('LayerNorm'), l.add(up, l.staticDense(up.in('dense'), y, rows, width, hidden), x), hidden);
}

function selfAttention(
  g: GraphBuilder,
  from: {query: Ref; key: Ref; value: Ref},
  far: Ref,
  rows: Rows,
  [heads, headDim, hidden]: readonly [number, number, number],
): Ref {
  const width = heads * headDim;
  const heads4 = (name: 'query' | 'key' | 'value'): Ref => {
    const projected = l.staticDense(g.in(name), from[name], rows, name === 'value' ? hidden : width, width);
    return l.splitHeads(g, projected, [rows[0], -1], heads, headDim);
  };
  const [query, key, value] = [heads4('query'), heads4('key'), heads4('value')];
  const scores = l.matmul(g, query, key, {adjY: true});
  const scaled = l.mul(g, scores, g.float(1 / Math.sqrt(headDim), 'truediv_recip'), 'truediv');
  const inner = g.op('AddV2', [g.float(1e-9, 'add_1/y'), far], {}, 'ArithmeticOptimizer/AddOpsRewrite_Leaf_0_add_1');
  const logits = g.op('AddV2', [inner, scaled], {}, 'ArithmeticOptimizer/AddOpsRewrite_add_1');
  const attended = l.matmul(g, g.op('Softmax', [g.logits(logits)]), value);
  return l.transpose(g, attended, [0, 2, 1, 3]);
}

function noNorm(g: GraphBuilder, x: Ref, size: number): Ref {
  const scaled = l.mul(g, x, g.weight([size], {mean: 0.8, spread: 0.2}, 'mul/ReadVariableOp'));
  return l.add(g, scaled, g.weight([size], {spread: 0.2}, 'add/ReadVariableOp'));
}
