import {paddingMask, type TransformerSizes} from './bert.js';
import {GraphBuilder, type BuilderOptions, type BuiltModel, type Ref} from './graph_builder.js';
import * as l from './layers.js';

/**
 * Hugging Face GPT-2 with its language-model head (G): one fused projection split in three, and a causal mask that is made of
 * Shape(scaled scores) and multiplied: scaled · M − 10000 · (1 − M).
 */
export function gpt2(sizes: TransformerSizes, options: BuilderOptions = {}): BuiltModel {
  const {layers, heads, headDim, ffn, vocabulary, positions} = sizes;
  const hidden = heads * headDim;
  const root = new GraphBuilder(options);
  const mask = root.placeholder('attention_mask', [-1, -1], 'DT_INT32');
  const ids = root.placeholder('input_ids', [-1, -1], 'DT_INT32');
  const g = root.in('StatefulPartitionedCall/tfgpt2lm_head_model/transformer');
  const far = paddingMask(g, mask, -10000);
  let x = l.tokenEmbeddings(g, ids, vocabulary, positions, hidden);
  for (let i = 0; i < layers; i++) {
    const layer = g.in(`h_._${i}`);
    const normed = l.layerNorm(layer.in('ln_1'), x, hidden, 1e-5);
    x = l.add(layer, x, attention(layer.in('attn'), normed, far, sizes));
    const mlp = layer.in('mlp');
    const wide = l.gelu(mlp, conv1d(mlp.in('c_fc'), l.layerNorm(layer.in('ln_2'), x, hidden, 1e-5), hidden, ffn));
    x = l.add(layer, x, conv1d(mlp.in('c_proj'), wide, ffn, hidden));
  }
  const final = l.reshape(g, l.layerNorm(g.in('ln_f'), x, hidden, 1e-5), [-1, hidden], 'Reshape_4');
  const logits = l.matmul2(g, final, g.weight([vocabulary, hidden], {spread: 0.3}), {transposeB: true});
  const shape = l.shapeOf(g, x);
  return root.build({logits: l.reshape(g, logits, [l.sizeOf(g, x, 0, shape), l.sizeOf(g, x, 1, shape), vocabulary], 'Reshape_5')});
}

/** What GPT-2's code calls Conv1D: a dense layer between two Reshapes. */
function conv1d(g: GraphBuilder, x: Ref, inputs: number, outputs: number): Ref {
  const flat = l.reshape(g, x, [-1, inputs]);
  const shape = l.shapeOf(g, x);
  const sizes = [l.sizeOf(g, x, 0, shape), l.sizeOf(g, x, 1, shape), outputs];
  return l.reshape(g, l.fusedDense(g, flat, inputs, outputs), sizes, 'Reshape_1');
}

function attention(g: GraphBuilder, x: Ref, far: Ref, {heads, headDim}: TransformerSizes): Ref {
  const hidden = heads * headDim;
  const three = conv1d(g.in('c_attn'), x, hidden, 3 * hidden);
  const split = g.op('Split', [g.int(2, 'split/split_dim'), three], {num_split: 3}, 'split');
  const heads4 = (port: string): Ref => {
    const tensor = `${split}${port}`;
    const shape = l.shapeOf(g, tensor);
    return l.splitHeads(g, tensor, [l.sizeOf(g, tensor, 0, shape), l.sizeOf(g, tensor, 1, shape)], heads, headDim);
  };
  const [query, key, value] = [heads4(''), heads4(':1'), heads4(':2')];
  const scores = l.matmul(g, query, key, {adjY: true});
  const scaled = l.mul(g, scores, g.float(1 / Math.sqrt(headDim), 'truediv_recip'), 'truediv');
  const allowed = causalMask(g, scaled);
  const hidden4 = l.mul(g, g.float(10000, 'mul_1/x'), l.sub(g, g.float(1, 'sub_1/x'), allowed, 'sub_1'), 'mul_1');
  const causal = l.sub(g, l.mul(g, scaled, allowed), hidden4, 'sub_2');
  const padding = g.op('AddV2', [g.float(1e-9, 'add_2/y'), far], {}, 'add_1');
  const attended = l.matmul(g, g.op('Softmax', [g.logits(l.add(g, causal, padding, 'add_2'))]), value);
  const merged = l.transpose(g, attended, [0, 2, 1, 3]);
  const shape = l.shapeOf(g, merged);
  const context = l.reshape(g, merged, [l.sizeOf(g, merged, 0, shape), l.sizeOf(g, merged, 1, shape), hidden], 'Reshape_4');
  return conv1d(g.in('c_proj'), context, hidden, hidden);
}

/** float [1, 1, queries, keys] of ones and zeros: row ≥ column − keys + queries. */
function causalMask(g: GraphBuilder, scaled: Ref): Ref {
  const shape = l.shapeOf(g, scaled);
  const [queries, keys] = [l.sizeOf(g, scaled, 2, shape), l.sizeOf(g, scaled, 3, shape)];
  const range = (limit: Ref): Ref =>
    g.op('Range', [g.int(0, 'range/start'), limit, g.int(1, 'range/delta')], {Tidx: 'DT_INT32'}, 'range');
  const [rows, columns] = [range(queries), range(keys)];
  // rows[:, newaxis]
  const bounds = [
    [0, 0],
    [0, 0],
    [1, 1],
  ].map((at) => g.ints(at, 'strided_slice_11/stack'));
  const masks = {begin_mask: 1, end_mask: 1, ellipsis_mask: 0, new_axis_mask: 2, shrink_axis_mask: 0};
  const column = g.op('StridedSlice', [rows, ...bounds], {T: 'DT_INT32', ...masks}, 'strided_slice_11');
  const shifted = g.op('Sub', [columns, keys], {T: 'DT_INT32'}, 'sub');
  const limit = g.op('AddV2', [shifted, queries], {T: 'DT_INT32'}, 'add');
  const allowed = l.cast(g, g.op('GreaterEqual', [column, limit], {T: 'DT_INT32'}), 'DT_BOOL', 'DT_FLOAT');
  return l.reshape(g, allowed, [1, 1, queries, keys], 'Reshape_3');
}
