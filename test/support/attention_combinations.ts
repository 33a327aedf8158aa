import {GraphBuilder, type BuiltModel, type Ref} from './models/graph_builder.js';
import * as l from './models/layers.js';

/** One way to write each part of an attention; any of them goes with any other unless `fits` says no. */
export interface Combination {
  /** How heads are made: Reshape and Transpose, Einsum, merged with the batch, or with features before rows. */
  readonly heads: 'transpose' | 'einsum' | 'merged' | 'channels';
  /** Repeated key heads of grouped queries. */
  readonly repeat: 'none' | 'tile' | 'broadcast' | 'gather';
  readonly product: 'adjoint' | 'turned' | 'einsum' | 'key first';
  readonly scale:
    | 'none'
    | 'query'
    | 'key'
    | 'multiply'
    | 'divide'
    | 'root of a size'
    | 'each head'
    | 'each query'
    | 'each key'
    | 'each head, masked';
  readonly mask: 'none' | 'add' | 'subtract' | 'select' | 'select other' | 'multiply' | 'two';
  readonly causal: 'none' | 'add' | 'select' | 'multiply' | 'with padding' | 'constant' | 'slice';
  /** Windows of an image, one after the other in the batch, with a mask for each that is added in five axes, and perhaps the softmax there. */
  readonly windows: 'none' | 'masked' | 'by shape' | 'up to the product' | 'of any number';
  readonly softmax:
    | 'softmax'
    | 'shifted'
    | 'plain'
    | 'flattened'
    | 'logarithm'
    | 'reshaped'
    | 'expanded'
    | 'new axis'
    | 'broadcast'
    | 'tiled'
    | 'inverted';
}

export const COMBINATIONS: {readonly [K in keyof Combination]: readonly Combination[K][]} = {
  heads: ['transpose', 'einsum', 'merged', 'channels'],
  repeat: ['none', 'tile', 'broadcast', 'gather'],
  product: ['adjoint', 'turned', 'einsum', 'key first'],
  scale: [
    ...(['none', 'query', 'key', 'multiply', 'divide', 'root of a size'] as const),
    ...(['each head', 'each query', 'each key', 'each head, masked'] as const),
  ],
  mask: ['none', 'add', 'subtract', 'select', 'select other', 'multiply', 'two'],
  causal: ['none', 'add', 'select', 'multiply', 'with padding', 'constant', 'slice'],
  windows: ['none', 'masked', 'by shape', 'up to the product', 'of any number'],
  softmax: [
    ...(['softmax', 'shifted', 'plain', 'flattened', 'logarithm'] as const),
    ...(['reshaped', 'expanded', 'new axis', 'broadcast', 'tiled', 'inverted'] as const),
  ],
};

const WIDTH = 12;
const HEADS = 4;
const HEAD_DIM = 3;
/** Of an image. */
export const WINDOWS = 2;
/** Of a mask that is a constant of the model. */
export const LONGEST = 8;

/** Masks of both kinds in one condition need a mask; merged and channels-first heads have one kind of product, and no groups here. */
export function fits({heads, repeat, product, mask, causal}: Combination): boolean {
  if (causal === 'with padding' && mask !== 'none') return false;
  if (heads === 'einsum') return product === 'einsum' || product === 'key first';
  if (heads === 'transpose') return product !== 'key first';
  return repeat === 'none' && product === 'adjoint';
}

export interface Fixed {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
}

/**
 * One attention of x [batch, queries, 12] to c [batch, keys, 12], with 4 heads of 3 and bool `seen` [batch, keys]. `length`: that of the
 * queries, where a constant mask bakes it in. `fixed`: the sizes that the inputs declare; without it only a run tells.
 */
export function combined(combination: Combination, length: number, fixed?: Fixed): BuiltModel {
  const {heads, scale, softmax} = combination;
  const {batch = -1, queries = -1, keys = -1} = fixed ?? {};
  const own = combination.causal === 'none';
  const root = new GraphBuilder();
  const tokens = (name: string, length: number): Ref => {
    if (combination.windows === 'none') return root.placeholder(name, [batch, length, WIDTH]);
    const count = combination.windows === 'of any number' && batch < 0 ? -1 : WINDOWS;
    const images = root.placeholder(name, [batch < 0 ? -1 : batch / WINDOWS, count, length, WIDTH]);
    return l.reshape(root, images, [-1, length < 0 ? l.sizeOf(root, images, 2) : length, WIDTH]);
  };
  const x = tokens('x', queries);
  const c = own ? tokens('c', keys) : x;
  const needsMask = combination.mask !== 'none' || combination.causal === 'with padding';
  const seen = needsMask ? root.placeholder('seen', [batch, own ? keys : queries], 'DT_BOOL') : undefined;
  const g = root.in('attention');
  const few = combination.repeat === 'none' ? HEADS : HEADS / 2;
  const query = project(g.in('query'), x, HEADS, heads, x);
  const [plainKey, value] = ['key', 'value'].map((name) =>
    repeated(g.in(name), project(g.in(name), c, few, heads, x), combination),
  );
  const half = (tensor: Ref): Ref => l.mul(g, tensor, g.float(0.5));
  const key = scale === 'key' ? half(plainKey!) : plainKey!;
  const raw = products(g, scale === 'query' ? half(query) : query, key, combination);
  const scaled = scaledScores(g, raw, x, scale);
  // Masks have heads of their own; where they are merged with the batch, models reshape to and fro.
  const sizes = [l.sizeOf(g, x, 0), HEADS, l.sizeOf(g, x, 1), l.sizeOf(g, c, 1)] as const;
  const wide = heads === 'merged' ? l.reshape(g, scaled, sizes) : scaled;
  const uneven = unevenlyScaled(g, wide, [x, c], scale, sizes);
  const {windows} = combination;
  const back = (apart: Ref): Ref => l.reshape(g, apart, [-1, HEADS, sizes[2], sizes[3]]);
  const early = windows !== 'none' && windows !== 'up to the product';
  const windowed = early ? back(windowMasked(g, uneven, sizes, windows)) : uneven;
  const hidden = masked(g, windowed, seen, combination, sizes, length);
  const late = scale === 'each head, masked' ? l.mul(g, headScales(g), hidden) : hidden;
  const toTheEnd = windows === 'up to the product';
  const logits = g.logits(toTheEnd ? windowMasked(g, late, sizes, windows) : late);
  const softened = soft(g, logits, softmax, toTheEnd ? 5 : 4);
  const probabilities = toTheEnd ? back(softened) : softened;
  const narrow = heads === 'merged' ? l.reshape(g, probabilities, [-1, sizes[2], sizes[3]]) : probabilities;
  return root.build({y: merged(g, narrow, value!, heads, [sizes[0], sizes[2]])});
}

/** `first` has the batch: models read that once for all. */
function project(g: GraphBuilder, x: Ref, heads: number, form: Combination['heads'], first: Ref): Ref {
  const width = heads * HEAD_DIM;
  if (form === 'einsum') return l.einsumDense(g, x, 'abc,cde->abde', [WIDTH, heads, HEAD_DIM], [heads, HEAD_DIM]);
  const [batch, length] = [l.sizeOf(g, first, 0), l.sizeOf(g, x, 1)];
  const apart = l.reshape(g, l.dense(g, x, WIDTH, width), [batch, length, heads, HEAD_DIM]);
  if (form === 'channels') return l.transpose(g, apart, [0, 2, 3, 1]);
  const headed = l.transpose(g, apart, [0, 2, 1, 3]);
  if (form === 'transpose') return headed;
  const rows = g.op('Mul', [batch, g.int(heads)], {T: 'DT_INT32'});
  return l.reshape(g, headed, [rows, -1, HEAD_DIM]);
}

/** Each head twice in a row, as grouped queries read them. */
function repeated(g: GraphBuilder, x: Ref, {repeat, heads}: Combination): Ref {
  if (repeat === 'none') return x;
  const axis = heads === 'einsum' ? 2 : 1;
  if (repeat === 'gather') {
    const indices = g.ints([0, 0, 1, 1], 'repeat/indices');
    return g.op('GatherV2', [x, indices, g.int(axis, 'repeat/axis')], {batch_dims: 0});
  }
  const size = (at: number): Ref => l.sizeOf(g, x, at);
  const apart = l.expandDims(g, x, axis + 1);
  const twice = [1, 1, 1, 1, 1].with(axis + 1, 2);
  const shape: (number | Ref)[] = axis === 1 ? [size(0), 2, 2, size(2), HEAD_DIM] : [size(0), size(1), 2, 2, HEAD_DIM];
  const many = repeat === 'tile' ? g.op('Tile', [apart, g.ints(twice)]) : g.op('BroadcastTo', [apart, l.pack(g, shape)]);
  return l.reshape(g, many, axis === 1 ? [size(0), HEADS, size(2), HEAD_DIM] : [size(0), size(1), HEADS, HEAD_DIM]);
}

function products(g: GraphBuilder, query: Ref, key: Ref, {heads, product}: Combination): Ref {
  if (heads === 'einsum') {
    return product === 'einsum' ? l.einsum(g, 'BTNH,BSNH->BNTS', query, key) : l.einsum(g, 'aecd,abcd->acbe', key, query);
  }
  if (heads === 'channels') return l.matmul(g, query, key, {adjX: true});
  if (product === 'einsum') return l.einsum(g, 'bnqd,bnkd->bnqk', query, key);
  return product === 'turned' ? l.matmul(g, query, l.transpose(g, key, [0, 1, 3, 2])) : l.matmul(g, query, key, {adjY: true});
}

function scaledScores(g: GraphBuilder, scores: Ref, x: Ref, scale: Combination['scale']): Ref {
  if (scale === 'multiply') return l.mul(g, g.float(0.5), scores);
  if (scale === 'divide') return g.op('RealDiv', [scores, g.float(2)]);
  if (scale !== 'root of a size') return scores;
  const size = l.cast(g, l.sizeOf(g, x, 2), 'DT_INT32', 'DT_FLOAT');
  return g.op('RealDiv', [scores, g.op('Sqrt', [size])]);
}

type Sizes = readonly [Ref, number, Ref, Ref];

const headScales = (g: GraphBuilder): Ref =>
  g.constant(Float32Array.of(0.5, 0.75, 1, 0.25), [1, HEADS, 1, 1], 'float32', 'temperature');

/** Scales that are not the same for all scores. */
function unevenlyScaled(g: GraphBuilder, scores: Ref, [x, c]: readonly [Ref, Ref], scale: Combination['scale'], sizes: Sizes): Ref {
  if (scale === 'each head') return l.mul(g, scores, headScales(g));
  const sharpness = (tokens: Ref): Ref => l.add(g, l.meanOf(g, tokens, 'sharpness'), g.float(1.5));
  if (scale === 'each query') return g.op('RealDiv', [scores, l.reshape(g, sharpness(x), [sizes[0], 1, sizes[2], 1])]);
  return scale === 'each key' ? l.mul(g, l.reshape(g, sharpness(c), [sizes[0], 1, 1, sizes[3]]), scores) : scores;
}

function masked(
  g: GraphBuilder,
  scores: Ref,
  seen: Ref | undefined,
  {mask, causal}: Combination,
  sizes: Sizes,
  length: number,
): Ref {
  const apart = seen === undefined ? undefined : l.reshape(g, seen, [sizes[0], 1, 1, sizes[3]]);
  const padded = mask === 'none' ? scores : padding(g, scores, apart!, mask);
  return causal === 'none' ? padded : causally(g, padded, apart, causal, sizes, length);
}

/** Scores with a mask for each window, in five axes. */
function windowMasked(g: GraphBuilder, scores: Ref, [batch, heads, queries, keys]: Sizes, windows: Combination['windows']): Ref {
  const images = windows !== 'by shape' ? -1 : g.op('FloorDiv', [batch, g.int(WINDOWS)], {T: 'DT_INT32'});
  const count = windows === 'of any number' ? l.sizeOf(g, 'x', 1) : WINDOWS;
  const apart = l.reshape(g, scores, [images, count, heads, queries, keys]);
  const positions = (size: Ref): Ref =>
    l.cast(g, g.op('Range', [g.int(0), size, g.int(1)], {Tidx: 'DT_INT32'}), 'DT_INT32', 'DT_FLOAT');
  const pairs = l.mul(g, l.reshape(g, positions(queries), [queries, 1]), positions(keys));
  const slopes =
    typeof count === 'number'
      ? g.constant(Float32Array.of(0.1, -0.2), [1, count, 1, 1, 1], 'float32', 'slopes')
      : l.mul(g, l.reshape(g, positions(count), [1, count, 1, 1, 1]), g.float(-0.2));
  return l.add(g, apart, l.mul(g, slopes, pairs));
}

function padding(g: GraphBuilder, scores: Ref, seen: Ref, mask: Combination['mask']): Ref {
  const ones = l.cast(g, seen, 'DT_BOOL', 'DT_FLOAT');
  const hidden = l.farWhereZero(g, ones, -1e9);
  switch (mask) {
    case 'add':
      return l.add(g, hidden, scores);
    case 'subtract':
      return l.sub(g, scores, l.farWhereZero(g, ones, 1e30));
    case 'select':
      return g.op('SelectV2', [seen, scores, g.float(-2.37e38)]);
    case 'select other':
      return g.op('SelectV2', [g.op('LogicalNot', [seen]), g.float(-1e9), scores]);
    case 'multiply':
      return l.sub(g, l.mul(g, scores, ones), l.mul(g, g.float(1e4), l.sub(g, g.float(1), ones)));
    default:
      // A bias for each head besides, and the stable softmax's 1e-9.
      return l.add(
        g,
        l.add(g, scores, g.constant(Float32Array.of(0.3, -0.2, 0.1, 0), [HEADS, 1, 1], 'float32')),
        l.add(g, g.float(1e-9), hidden),
      );
  }
}

function causally(
  g: GraphBuilder,
  scores: Ref,
  seen: Ref | undefined,
  causal: Combination['causal'],
  sizes: Sizes,
  length: number,
): Ref {
  if (causal === 'constant' || causal === 'slice') {
    const size = causal === 'constant' ? length : LONGEST;
    const far = Float32Array.from({length: size * size}, (_, i) => (i % size > Math.floor(i / size) ? -1e9 : 0));
    const triangle = g.constant(far, [1, 1, size, size], 'float32', 'triangle');
    if (causal === 'constant') return l.add(g, scores, triangle);
    const bounds = [g.ints([0, 0, 0, 0]), l.pack(g, [0, 0, sizes[2], sizes[3]]), g.ints([1, 1, 1, 1])];
    const masks = {begin_mask: 3, end_mask: 3, ellipsis_mask: 0, new_axis_mask: 0, shrink_axis_mask: 0};
    return l.add(g, scores, g.op('StridedSlice', [triangle, ...bounds], masks));
  }
  const range = g.op('Range', [g.int(0), sizes[3], g.int(1)], {Tidx: 'DT_INT32'});
  const column = l.reshape(g, range, [sizes[2], 1]);
  const below = g.op('LessEqual', [range, column], {T: 'DT_INT32'});
  switch (causal) {
    case 'add':
      return l.add(g, scores, l.farWhereZero(g, l.cast(g, below, 'DT_BOOL', 'DT_FLOAT'), -1e9));
    case 'select':
      return g.op('SelectV2', [g.op('Less', [column, range], {T: 'DT_INT32'}), g.float(-1e30), scores]);
    case 'multiply': {
      const ones = l.reshape(g, l.cast(g, below, 'DT_BOOL', 'DT_FLOAT'), [1, 1, sizes[2], sizes[3]]);
      return l.sub(g, l.mul(g, ones, scores), l.mul(g, g.float(1e4), l.sub(g, g.float(1), ones)));
    }
    default:
      return l.add(g, scores, l.farWhereZero(g, l.cast(g, g.op('LogicalAnd', [seen!, below]), 'DT_BOOL', 'DT_FLOAT'), -1e9));
  }
}

function soft(g: GraphBuilder, logits: Ref, form: Combination['softmax'], rank: number): Ref {
  if (form === 'softmax') return g.op('Softmax', [logits]);
  if (form === 'flattened') {
    const shape = l.shapeOf(g, logits);
    return g.op('Reshape', [g.op('Softmax', [l.reshape(g, logits, [-1, l.sizeOf(g, logits, rank - 1, shape)])]), shape]);
  }
  if (form === 'logarithm') return g.op('Exp', [g.op('LogSoftmax', [logits])]);
  const keeps = form === 'shifted' || form === 'plain';
  const reduced = (op: string, x: Ref): Ref => {
    const rows = g.op(op, [x, g.int(keeps ? -1 : rank - 1)], {keep_dims: keeps});
    return keeps ? rows : putBack(g, form === 'inverted' && op === 'Sum' ? g.op('Reciprocal', [rows]) : rows, x, form, rank);
  };
  const exponentials = g.op('Exp', [form === 'plain' ? logits : l.sub(g, logits, reduced('Max', logits))]);
  const sum = reduced('Sum', exponentials);
  return form === 'inverted' ? l.mul(g, sum, exponentials) : g.op('RealDiv', [exponentials, sum]);
}

/** The last axis of `whole` put back behind the sums or maxima of its rows. */
function putBack(g: GraphBuilder, rows: Ref, whole: Ref, form: Combination['softmax'], rank: number): Ref {
  if (form === 'expanded') return l.expandDims(g, rows, rank - 1);
  if (form === 'new axis') {
    const masks = {begin_mask: 0, end_mask: 0, ellipsis_mask: 1, new_axis_mask: 2, shrink_axis_mask: 0};
    return g.op('StridedSlice', [rows, g.ints([0, 0]), g.ints([0, 0]), g.ints([1, 1])], masks);
  }
  const shape = l.shapeOf(g, whole);
  const size = (axis: number): Ref => l.sizeOf(g, whole, axis, shape);
  const outer = Array.from({length: rank - 1}, (_, axis) => axis);
  const column = l.reshape(g, rows, [...outer.map(size), 1]);
  if (form === 'broadcast') return g.op('BroadcastTo', [column, shape]);
  return form === 'tiled' ? g.op('Tile', [column, l.pack(g, [...outer.map(() => 1), size(rank - 1)])]) : column;
}

/** Probabilities times value, and heads side by side: [batch, queries, 12]. */
function merged(
  g: GraphBuilder,
  probabilities: Ref,
  value: Ref,
  form: Combination['heads'],
  [batch, rows]: readonly [Ref, Ref],
): Ref {
  if (form === 'einsum')
    return l.einsumDense(
      g,
      l.einsum(g, 'BNTS,BSNH->BTNH', probabilities, value),
      'abcd,cde->abe',
      [HEADS, HEAD_DIM, WIDTH],
      [WIDTH],
    );
  const last =
    form === 'channels'
      ? l.transpose(g, l.matmul(g, value, probabilities, {adjY: true}), [0, 3, 1, 2])
      : l.transpose(g, apart(l.matmul(g, probabilities, value)), [0, 2, 1, 3]);
  return l.dense(g.in('output'), l.reshape(g, last, [batch, rows, WIDTH]), WIDTH, WIDTH);

  function apart(output: Ref): Ref {
    return form === 'merged' ? l.reshape(g, output, [batch, HEADS, rows, HEAD_DIM]) : output;
  }
}
