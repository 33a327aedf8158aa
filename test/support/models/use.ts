import {GraphBuilder, type BuiltModel, type BuilderOptions, type Ref} from './graph_builder.js';
import * as l from './layers.js';

export interface UseSizes {
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  readonly ffn: number;
  readonly vocabulary: number;
}

/**
 * Universal Sentence Encoder lite, in Tensor2Tensor's style (B): the inputs are sparse ids (indices int32 [n, 2], values int32 [n]), a
 * 1×1 convolution makes queries, keys and values, and the softmax works on two dimensions between Reshapes. Padding is dropped
 * before each feed-forward network by Where and GatherNd, so the model needs executeAsync. Output: one vector per sentence.
 */
export function universalSentenceEncoder(
  sizes: UseSizes,
  options: BuilderOptions = {legacy: true, shareConstants: true},
): BuiltModel {
  const {layers, heads, headDim, ffn, vocabulary} = sizes;
  const hidden = heads * headDim;
  const root = new GraphBuilder(options);
  const indices = root.placeholder('indices', [-1, 2], 'DT_INT64');
  const values = root.placeholder('values', [-1], 'DT_INT64');
  const g = root.in('module_apply_default/Encoder_en/KonaTransformer');
  const last = g.op('Max', [indices, g.int(0)], {T: 'DT_INT64', keep_dims: false});
  const shape = g.op('Add', [last, g.ints([1, 1], 'ones_like')], {T: 'DT_INT64'});
  const dense = g.op('SparseToDense', [indices, shape, values, g.int(-1, 'default_value')], {T: 'DT_INT64'});
  const present = g.op('Greater', [dense, g.int(-1, 'default_value')], {T: 'DT_INT64'});
  const where = l.cast(g, g.op('Where', [present]), 'DT_INT64', 'DT_INT32');
  const far = attentionBias(g.in('attention_bias_ignore_padding'), present);
  const sentences = l.shapeOf(g, present);

  /** [present, width] back to [batch, length, width], zeros where nothing is. */
  const scatter = (at: GraphBuilder, x: Ref): Ref => {
    const width = at.op('StridedSlice', [l.shapeOf(at, x), at.ints([1]), at.ints([0]), at.ints([1])], {
      ...{T: 'DT_INT32', begin_mask: 0, end_mask: 1, ellipsis_mask: 0, new_axis_mask: 0, shrink_axis_mask: 0},
    });
    const target = at.op('ConcatV2', [sentences, width, at.int(0)], {T: 'DT_INT32', N: 2}, 'concat');
    return at.op('ScatterNd', [where, x, target], {Tindices: 'DT_INT32'});
  };
  let x = scatter(g.in('Encode/Scatter'), l.gather(g, g.weight([vocabulary, hidden], {spread: 1.5}, 'Embeddings_en'), values));
  for (let i = 0; i < layers; i++) {
    const layer = g.in(`Encode/TransformerStack/Layer_${i}/TransformerLayer`);
    const normed = layerNorm(layer.in('layer_prepostprocess/layer_norm'), x, hidden);
    x = layer.op('Add', [attention(layer.in('MultiheadAttention'), normed, far, sizes), x], {}, 'layer_postprocess/add');
    const network = layer.in('FFN');
    const kept = network.op('GatherNd', [layerNorm(network.in('layer_norm'), x, hidden), where], {Tindices: 'DT_INT32'});
    const rows = l.expandDims(network, kept, 0);
    const inner = network.op('Relu', [l.dense(network.in('conv1'), rows, hidden, ffn)]);
    const outer = l.squeeze(network, l.dense(network.in('conv2'), inner, ffn, hidden), 0);
    x = network.op('Add', [scatter(network.in('Scatter'), outer), x], {}, 'layer_postprocess/add');
  }
  const mean = g.op('Mean', [x, g.int(1)], {keep_dims: false});
  return root.build({embeddings: g.op('Tanh', [l.biasAdd(g, l.matmul2(g, mean, g.weight([hidden, hidden])), hidden)])});
}

/** bool [batch, length] to float [batch, 1, 1, length]. */
function attentionBias(g: GraphBuilder, present: Ref): Ref {
  const absent = l.cast(g, g.op('LogicalNot', [present]), 'DT_BOOL', 'DT_FLOAT');
  return l.expandDims(g, l.expandDims(g, l.mul(g, absent, g.float(-1e9, 'mul/y')), 1), 1);
}

function attention(g: GraphBuilder, x: Ref, far: Ref, {heads, headDim}: UseSizes): Ref {
  const hidden = heads * headDim;
  const project = (at: GraphBuilder, y: Ref, outputs: number): Ref =>
    l.squeeze(g, l.conv(at, l.expandDims(g, y, 2), [1, 1, hidden, outputs]), 2);
  const three = project(g.in('qkv_transform_single'), x, 3 * hidden);
  const split = g.op('SplitV', [three, g.ints([hidden, hidden, hidden]), g.int(2)], {num_split: 3, Tlen: 'DT_INT32'}, 'split');
  const heads4 = (port: string, name: string): Ref => {
    const [tensor, at] = [`${split}${port}`, g.in(name)];
    const shape = l.shapeOf(at, tensor);
    return l.splitHeads(at, tensor, [l.sizeOf(at, tensor, 0, shape), l.sizeOf(at, tensor, 1, shape)], heads, headDim);
  };
  const [query, key, value] = [heads4('', 'split_heads'), heads4(':1', 'split_heads_1'), heads4(':2', 'split_heads_2')];
  const scaled = l.mul(g, query, g.float(1 / Math.sqrt(headDim), 'mul/y'));
  const at = g.in('DotProductAttention/BaseDotProductAttention');
  const op = 'BatchMatMul';
  const logits = at.logits(at.op('Add', [l.matmul(at, scaled, key, {adjY: true, op}), far], {}, 'add'));
  const shape = l.shapeOf(at, logits);
  const keys = at.op('Slice', [shape, at.ints([3]), at.ints([1])], {T: 'DT_INT32', Index: 'DT_INT32'});
  const flat = at.op('ConcatV2', [at.ints([-1]), keys, at.int(0)], {T: 'DT_INT32', N: 2}, 'concat');
  const probabilities = at.op('Softmax', [at.op('Reshape', [logits, flat])]);
  const weights = at.op('Reshape', [probabilities, shape], {}, 'attention_weights');
  const merged = l.transpose(g.in('combine_heads'), l.matmul(at, weights, value, {op}), [0, 2, 1, 3]);
  const mergedShape = l.shapeOf(g, merged);
  const sizes = [l.sizeOf(g, merged, 0, mergedShape), l.sizeOf(g, merged, 1, mergedShape), hidden];
  return project(g.in('output_transform_single'), l.reshape(g, merged, sizes), hidden);
}

function layerNorm(g: GraphBuilder, x: Ref, size: number): Ref {
  const mean = (y: Ref): Ref => g.op('Mean', [y, g.ints([-1], 'Mean/reduction_indices')], {keep_dims: true});
  const centred = l.sub(g, x, mean(x), 'sub_1');
  const variance = mean(g.op('Square', [centred]));
  const root = g.op('Rsqrt', [g.op('Add', [variance, g.float(1e-6, 'Cast/x')], {}, 'add')]);
  const gain = l.mul(g, g.weight([size], {mean: 1, spread: 0.2}, 'layer_norm_scale'), root);
  return g.op('Add', [l.mul(g, gain, centred, 'mul_1'), g.weight([size], {spread: 0.2}, 'layer_norm_bias')], {}, 'add_1');
}
