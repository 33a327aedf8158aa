import {GraphBuilder, type BuilderOptions, type BuiltModel, type Ref} from './graph_builder.js';
import * as l from './layers.js';

export interface YoloSizes {
  readonly heads: number;
  /** Of queries and keys. */
  readonly headDim: number;
  readonly valueDim: number;
  /** Height and width of the feature map. */
  readonly map: readonly [number, number];
}

/**
 * The attention block of YOLO11, converted by onnx2tf (E): channels first, [batch, heads, features, positions], so that the scores are
 * adj_x(query) · key and the output value · adj_y(probabilities), with the probabilities second. The value feeds a depthwise position
 * branch too. Behind it the box head, whose softmax over 16 bins is no attention. Input [batch, height, width, heads · valueDim].
 */
export function yolo11(sizes: YoloSizes, batch: number, options: BuilderOptions = {}): BuiltModel {
  const {heads, headDim, valueDim, map} = sizes;
  const [height, width] = map;
  const [positions, channels, each] = [height * width, heads * valueDim, 2 * headDim + valueDim];
  const root = new GraphBuilder(options);
  const x = root.placeholder('images', [batch, height, width, channels]);
  const g = root.in('model_10/attn');
  const qkv = l.conv(g.in('qkv'), x, [1, 1, channels, heads * each], {fused: true});
  const grouped = l.reshape(g, l.transpose(g, qkv, [0, 3, 1, 2]), [batch, heads, each, positions]);
  const cut = (from: number, to: number): Ref => {
    const bounds = [
      [0, 0, from, 0],
      [0, 0, to, 0],
      [1, 1, 1, 1],
    ].map((at) => g.ints(at, 'strided_slice/stack'));
    const masks = {begin_mask: 11, end_mask: 11, ellipsis_mask: 0, new_axis_mask: 0, shrink_axis_mask: 0};
    return g.op('StridedSlice', [grouped, ...bounds], {Index: 'DT_INT32', ...masks}, 'strided_slice');
  };
  const [query, key, value] = [cut(0, headDim), cut(headDim, 2 * headDim), cut(2 * headDim, each)];
  const scores = l.mul(g, l.matmul(g, query, key, {adjX: true}), g.float(1 / Math.sqrt(headDim), 'Mul/y'), 'Mul');
  const attended = l.matmul(g, value, g.op('Softmax', [g.logits(scores)]), {adjY: true});
  const toMap = (tensor: Ref): Ref => l.transpose(g, l.reshape(g, tensor, [batch, channels, height, width]), [0, 2, 3, 1]);
  const places = depthwise(g.in('pe'), toMap(value), channels);
  const sum = g.op('AddN', [toMap(attended), places], {N: 2}, 'Add');
  const y = l.add(g, x, l.conv(g.in('proj'), sum, [1, 1, channels, channels], {fused: true}));
  return root.build({features: y, boxes: boxes(root.in('model_23/dfl'), y, batch, positions, channels)});
}

/** Distances as the mean over 16 bins: Softmax, then a 1×1 convolution with 0 … 15. */
function boxes(g: GraphBuilder, x: Ref, batch: number, positions: number, channels: number): Ref {
  const bins = l.reshape(g, l.conv(g.in('cv2'), x, [1, 1, channels, 64], {fused: true}), [batch, positions, 4, 16]);
  const probabilities = g.op('Softmax', [bins]);
  const weights = g.constant(
    Float32Array.from({length: 16}, (_, i) => i),
    [1, 1, 16, 1],
    'float32',
    'conv/kernel',
  );
  const attrs = {strides: [1, 1, 1, 1], dilations: [1, 1, 1, 1], padding: 'VALID', data_format: 'NHWC'};
  return g.op('Conv2D', [probabilities, weights], attrs);
}

function depthwise(g: GraphBuilder, x: Ref, channels: number): Ref {
  const kernel = g.weight([3, 3, channels, 1], {spread: 0.3}, 'depthwise/kernel');
  const attrs = {strides: [1, 1, 1, 1], dilations: [1, 1, 1, 1], padding: 'SAME', data_format: 'NHWC'};
  return l.biasAdd(g, g.op('DepthwiseConv2dNative', [x, kernel], attrs, 'depthwise'), channels);
}

/** The area attention of YOLO12 (E′): the areas go into the batch, heads apart by Reshape and Transpose, one Split in three. */
export function yolo12(sizes: Omit<YoloSizes, 'valueDim'>, batch: number, areas: number, options: BuilderOptions = {}): BuiltModel {
  const {heads, headDim, map} = sizes;
  const [height, width] = map;
  const [positions, channels, all] = [height * width, heads * headDim, batch * areas];
  const root = new GraphBuilder(options);
  const x = root.placeholder('images', [batch, height, width, channels]);
  const g = root.in('model_6/m.0/attn');
  const qkv = l.conv(g.in('qkv'), x, [1, 1, channels, 3 * channels], {fused: true});
  const flat = l.reshape(g, l.transpose(g, qkv, [0, 3, 1, 2]), [batch, 3 * channels, positions]);
  const inAreas = l.reshape(g, l.transpose(g, flat, [0, 2, 1]), [all, positions / areas, 3 * channels]);
  const grouped = l.transpose(g, l.reshape(g, inAreas, [all, positions / areas, heads, 3 * headDim]), [0, 2, 3, 1]);
  const split = g.op('Split', [g.int(2, 'split/split_dim'), grouped], {num_split: 3}, 'split');
  const [query, key, value] = [split, `${split}:1`, `${split}:2`];
  const scores = l.mul(g, l.matmul(g, query, key, {adjX: true}), g.float(1 / Math.sqrt(headDim), 'Mul/y'), 'Mul');
  const attended = l.matmul(g, value, g.op('Softmax', [g.logits(scores)]), {adjY: true});
  const toMap = (tensor: Ref): Ref =>
    l.reshape(g, l.reshape(g, l.transpose(g, tensor, [0, 3, 1, 2]), [batch, positions, channels]), [
      batch,
      height,
      width,
      channels,
    ]);
  const places = depthwise(g.in('pe'), toMap(value), channels);
  const sum = g.op('AddN', [toMap(attended), places], {N: 2}, 'Add');
  return root.build({features: l.add(g, x, l.conv(g.in('proj'), sum, [1, 1, channels, channels], {fused: true}))});
}
