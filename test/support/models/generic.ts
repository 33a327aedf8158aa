import {GraphBuilder, type BuilderOptions, type BuiltModel, type Ref} from './graph_builder.js';
import * as l from './layers.js';

/** Ways to write the softmax of attention. */
export type SoftmaxForm = 'softmax' | 'shifted' | 'plain' | 'flattened';

/** Ways to hide keys; all read bool `mask` [batch, length], true where a key counts. */
export type MaskForm = 'added' | 'logarithm' | 'SelectV2' | 'Select' | 'multiplied' | 'multiplied alone';

export interface GenericOptions extends BuilderOptions {
  readonly heads: number;
  readonly headDim: number;
  readonly softmax?: SoftmaxForm;
  readonly mask?: MaskForm;
  /** Default after the scores. `folded`: none, the query's weights are that much smaller. */
  readonly scale?: 'divide' | 'multiply' | 'query' | 'key' | 'folded';
  /** The key comes as [batch, heads, headDim, length], so that no product transposes. */
  readonly transposedKey?: boolean;
}

/** One layer of self attention as people write it by hand: x [batch, length, heads · headDim] to y of the same shape. */
export function handWritten(options: GenericOptions): BuiltModel {
  const {heads, headDim, softmax = 'softmax', scale = 'divide', transposedKey = false} = options;
  const width = heads * headDim;
  const root = new GraphBuilder(options);
  const x = root.placeholder('x', [-1, -1, width]);
  const mask = options.mask === undefined ? undefined : root.placeholder('mask', [-1, -1], 'DT_BOOL');
  const g = root.in('model/attention');
  const shape = l.shapeOf(g, x);
  const sizes = [l.sizeOf(g, x, 0, shape), l.sizeOf(g, x, 1, shape)] as const;
  const project = (name: string, perm = [0, 2, 1, 3]): Ref =>
    l.transpose(g, l.reshape(g, l.dense(g.in(name), x, width, width), [...sizes, heads, headDim]), perm);
  const byRoot = (tensor: Ref): Ref => l.mul(g, tensor, g.float(1 / Math.sqrt(headDim), 'scale'));
  const query = scale === 'query' ? byRoot(project('query')) : project('query');
  const keyHeads = project('key', transposedKey ? [0, 2, 3, 1] : undefined);
  const key = scale === 'key' ? byRoot(keyHeads) : keyHeads;
  const products = l.matmul(g, query, key, {adjY: !transposedKey});
  const divided = g.float(Math.sqrt(headDim), 'divisor');
  const scores =
    scale === 'divide' ? g.op('RealDiv', [products, divided], {}, 'div') : scale === 'multiply' ? byRoot(products) : products;
  const logits = g.logits(masked(g, scores, mask, sizes, options.mask));
  const attended = l.matmul(g, probabilities(g, logits, softmax), project('value'));
  const context = l.reshape(g, l.transpose(g, attended, [0, 2, 1, 3]), [...sizes, width], 'context');
  return root.build({y: l.dense(g.in('output'), context, width, width)});
}

function masked(
  g: GraphBuilder,
  scores: Ref,
  mask: Ref | undefined,
  [batch, length]: readonly [Ref, Ref],
  form: MaskForm | undefined,
): Ref {
  if (mask === undefined || form === undefined) return scores;
  const apart = l.reshape(g, mask, [batch, 1, 1, length], 'mask4');
  const ones = l.cast(g, apart, 'DT_BOOL', 'DT_FLOAT');
  switch (form) {
    case 'added':
      return l.add(g, scores, l.farWhereZero(g, ones, -1e9));
    case 'logarithm': {
      // log(mask + tiny): 0 or −69.
      return l.add(g, scores, g.op('Log', [l.add(g, ones, g.float(1e-30, 'tiny'))]));
    }
    case 'SelectV2':
      return g.op('SelectV2', [apart, scores, g.float(-1e30, 'far')]);
    case 'Select': {
      // TensorFlow 1 broadcasts nothing: condition and both branches are as large as the scores.
      const shape = l.shapeOf(g, scores);
      const condition = g.op('BroadcastTo', [apart, shape], {T: 'DT_BOOL'});
      return g.op('Select', [condition, scores, g.op('Fill', [shape, g.float(-1e9, 'far')])]);
    }
    case 'multiplied':
      return l.sub(g, l.mul(g, scores, ones), l.mul(g, g.float(1e4, 'far'), l.sub(g, g.float(1), ones)), 'masked');
    case 'multiplied alone':
      // A masked key has the logit 0 then: it is attended to, and no bias says that.
      return l.mul(g, scores, ones, 'masked');
  }
}

function probabilities(g: GraphBuilder, logits: Ref, form: SoftmaxForm): Ref {
  if (form === 'softmax') return g.op('Softmax', [logits]);
  if (form === 'flattened') {
    const shape = l.shapeOf(g, logits);
    const flat = l.reshape(g, logits, [-1, l.sizeOf(g, logits, 3, shape)], 'flat');
    return g.op('Reshape', [g.op('Softmax', [flat]), shape], {}, 'weights');
  }
  const axis = g.ints([-1], 'axis');
  const shifted = form === 'plain' ? logits : l.sub(g, logits, g.op('Max', [logits, axis], {keep_dims: true}), 'shifted');
  const exponentials = g.op('Exp', [shifted]);
  return g.op('RealDiv', [exponentials, g.op('Sum', [exponentials, axis], {keep_dims: true})], {}, 'softmax');
}

export interface FlatOptions extends BuilderOptions {
  readonly heads: number;
  readonly headDim: number;
  readonly length: number;
}

/**
 * Two-dimensional attention, one MatMul per head and batch 1: x [1, length, width] is reshaped to [length, width], each head is a Split
 * of it, and ConcatV2 puts them together. Each head is one attention.
 */
export function perHead({heads, headDim, length, ...options}: FlatOptions): BuiltModel {
  const width = heads * headDim;
  const root = new GraphBuilder(options);
  const x = root.placeholder('x', [1, length, width]);
  const g = root.in('model/attention');
  const flat = l.reshape(g, x, [length, width], 'flat');
  const project = (name: string): readonly Ref[] => {
    const projected = l.fusedDense(g.in(name), flat, width, width);
    if (heads === 1) return [projected];
    const split = g.op('Split', [g.int(1, 'split/split_dim'), projected], {num_split: heads}, `${name}/split`);
    return Array.from({length: heads}, (_, i) => (i === 0 ? split : `${split}:${i}`));
  };
  const [queries, keys, values] = [project('query'), project('key'), project('value')];
  const attended = queries.map((query, i) => {
    const head = g.in(`head_${i}`);
    const scores = l.matmul2(head, query, keys[i]!, {transposeB: true});
    const scaled = l.mul(head, scores, head.float(1 / Math.sqrt(headDim), 'scale'));
    return l.matmul2(head, head.op('Softmax', [head.logits(scaled)]), values[i]!);
  });
  const joined = heads === 1 ? attended[0]! : g.op('ConcatV2', [...attended, g.int(1, 'concat/axis')], {N: heads}, 'concat');
  return root.build({y: l.reshape(g, l.fusedDense(g.in('output'), joined, width, width), [1, length, width], 'y')});
}

/** Softmaxes that are no attention: over classes, over channels that gate, and of a pooled sequence. */
export function noAttention(width: number, options: BuilderOptions = {}): BuiltModel {
  const root = new GraphBuilder(options);
  const x = root.placeholder('x', [-1, -1, width]);
  const g = root.in('model');
  const gates = g.op('Softmax', [l.dense(g.in('gates'), x, width, width)], {}, 'gates/Softmax');
  const gated = l.mul(g, x, gates);
  const mean = g.op('Mean', [gated, g.ints([1], 'Mean/axis')], {keep_dims: false});
  const classes = g.op('Softmax', [l.fusedDense(g.in('classes'), mean, width, 4)], {}, 'classes/Softmax');
  return root.build({gated, classes, log: g.op('LogSoftmax', [classes])});
}
