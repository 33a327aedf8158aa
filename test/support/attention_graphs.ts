import type {AttrValue, NodeDef} from '../../src/model/graph/graph.js';
import {handMade, type Constant, type GraphArtifacts} from './hand_made_graph.js';

/**
 * A small hand-made model: inputs q, k, v [batch, heads, length, headDim] and m, n (masks that broadcast to the scores), output
 * out.
 */
export interface AttentionGraph {
  readonly title: string;
  readonly artifacts: GraphArtifacts;
}

/** One that the swap must replace. */
export interface Spelling extends AttentionGraph {
  readonly scale: number;
  /** The tensors that are added to the scores, or say which of them count. */
  readonly bias?: readonly string[];
  /** Key or value come as [.., dim, length]. */
  readonly turned?: readonly string[];
  readonly causal?: true;
}

/** One that it must leave. */
export interface OddOne extends AttentionGraph {
  readonly reason: RegExp;
}

export function node(name: string, op: string, ...input: string[]): NodeDef {
  return {name, op, input, attr: {T: {type: 'DT_FLOAT'}}};
}

export function product(name: string, left: string, right: string, attr: Record<string, AttrValue> = {}): NodeDef {
  return {
    name,
    op: 'BatchMatMulV2',
    input: [left, right],
    attr: {T: {type: 'DT_FLOAT'}, adj_x: {b: false}, adj_y: {b: false}, ...attr},
  };
}

/** The scores as TensorFlow writes them. */
export const scores = product('scores', 'q', 'k', {adj_y: {b: true}});

/** A model of the given nodes and constants whose output is `out`. `shapes` are those that its inputs declare, −1 for any size. */
export function attentionGraph(
  nodes: readonly NodeDef[],
  constants: Record<string, Constant> = {},
  outputs = ['out'],
  shapes: Readonly<Record<string, readonly number[]>> = {},
): GraphArtifacts {
  const placeholders = ['q', 'k', 'v', 'm', 'n'].map((name): NodeDef => {
    const dim = shapes[name]?.map((size) => ({size: String(size)}));
    const plain = node(name, 'Placeholder');
    return dim === undefined ? plain : {...plain, attr: {...plain.attr, shape: {shape: {dim}}}};
  });
  return handMade([...placeholders, ...nodes], constants, outputs);
}

/** Softmax of `logits` times v, in plain TensorFlow. */
const finish = (logits: string): NodeDef[] => [node('probs', 'Softmax', logits), product('out', 'probs', 'v')];

const spelling = (
  title: string,
  expected: Pick<Spelling, 'scale' | 'bias' | 'turned' | 'causal'>,
  between: readonly NodeDef[],
  logits: string,
  constants: Record<string, Constant> = {},
): Spelling => ({title, ...expected, artifacts: attentionGraph([...between, ...finish(logits)], constants)});

/** Every way to write an attention that we know converters to take, and some that they may. */
export const spellings: readonly Spelling[] = [
  spelling('neither scale nor mask', {scale: 1}, [scores], 'scores'),
  spelling('a multiplication after the scores', {scale: 0.5}, [scores, node('s', 'Mul', 'scores', 'c')], 's', {c: 0.5}),
  spelling('a multiplication with the constant first', {scale: 0.5}, [scores, node('s', 'Mul', 'c', 'scores')], 's', {c: 0.5}),
  spelling('a division', {scale: 0.25}, [scores, node('s', 'RealDiv', 'scores', 'c')], 's', {c: 4}),
  spelling('a scale of shape [1]', {scale: 0.5}, [scores, node('s', 'Mul', 'scores', 'c')], 's', {c: {shape: [1], values: [0.5]}}),
  spelling(
    'a scale on the query',
    {scale: 0.5},
    [node('scaled_q', 'Mul', 'q', 'c'), product('scores', 'scaled_q', 'k', {adj_y: {b: true}})],
    'scores',
    {c: 0.5},
  ),
  spelling(
    'half the scale on the query and half on the key, and a division of the scores',
    {scale: 0.125},
    [
      node('scaled_q', 'Mul', 'q', 'c'),
      node('scaled_k', 'Mul', 'c', 'k'),
      product('scores', 'scaled_q', 'scaled_k', {adj_y: {b: true}}),
      node('s', 'RealDiv', 'scores', 'd'),
    ],
    's',
    {c: 0.5, d: 2},
  ),
  spelling(
    'Identity between any two nodes',
    {scale: 0.5, bias: ['m']},
    [
      scores,
      node('i1', 'Identity', 'scores'),
      node('s', 'Mul', 'i1', 'c'),
      node('i2', 'Identity', 's'),
      node('sum', 'AddV2', 'i2', 'm'),
      node('i3', 'Identity', 'sum'),
    ],
    'i3',
    {c: 0.5},
  ),
  spelling('an added mask', {scale: 1, bias: ['m']}, [scores, node('sum', 'AddV2', 'scores', 'm')], 'sum'),
  spelling('an added mask on the left', {scale: 1, bias: ['m']}, [scores, node('sum', 'AddV2', 'm', 'scores')], 'sum'),
  spelling('an added mask in the Add of TensorFlow 1', {scale: 1, bias: ['m']}, [scores, node('sum', 'Add', 'scores', 'm')], 'sum'),
  spelling(
    'a mask with 1e-9 in it, as HF models have (C′)',
    {scale: 0.5, bias: ['m']},
    [scores, node('s', 'Mul', 'scores', 'c'), node('inner', 'AddV2', 'tiny', 'm'), node('sum', 'AddV2', 's', 'inner')],
    'sum',
    {c: 0.5, tiny: 1e-9},
  ),
  spelling(
    'the same with its operands swapped (C″)',
    {scale: 0.5, bias: ['m']},
    [scores, node('s', 'Mul', 'scores', 'c'), node('inner', 'AddV2', 'm', 'tiny'), node('sum', 'AddV2', 'inner', 's')],
    'sum',
    {c: 0.5, tiny: 1e-9},
  ),
  spelling('1e-9 alone (ViT)', {scale: 1}, [scores, node('sum', 'AddV2', 'scores', 'tiny')], 'sum', {tiny: 1e-9}),
  spelling(
    '1e-9 minus a mask (DistilBERT 2025)',
    {scale: 1, bias: ['m']},
    [scores, node('inner', 'Sub', 'tiny', 'm'), node('sum', 'Add', 'scores', 'inner')],
    'sum',
    {tiny: 1e-9},
  ),
  spelling(
    'a subtracted mask (DistilBERT 2021)',
    {scale: 1, bias: ['m']},
    [scores, node('difference', 'Sub', 'scores', 'm')],
    'difference',
  ),
  spelling(
    'two added masks',
    {scale: 1, bias: ['m', 'n']},
    [scores, node('one', 'AddV2', 'scores', 'm'), node('two', 'AddV2', 'n', 'one')],
    'two',
  ),
  spelling(
    'one mask subtracted and one added',
    {scale: 1, bias: ['m', 'n']},
    [scores, node('one', 'Sub', 'scores', 'm'), node('two', 'AddV2', 'n', 'one')],
    'two',
  ),
  spelling(
    'two masks subtracted',
    {scale: 1, bias: ['m', 'n']},
    [scores, node('one', 'Sub', 'scores', 'm'), node('two', 'Sub', 'one', 'n')],
    'two',
  ),
  spelling('a constant bias per head', {scale: 1, bias: ['bias']}, [scores, node('sum', 'AddV2', 'scores', 'bias')], 'sum', {
    bias: {shape: [2, 1, 1], values: [0.5, -0.5]},
  }),
  spelling(
    'a scale after the mask',
    {scale: 0.5, bias: ['m']},
    [scores, node('sum', 'AddV2', 'scores', 'm'), node('s', 'Mul', 'sum', 'c')],
    's',
    {c: 0.5},
  ),
  spelling(
    'a scale that is computed from constants',
    {scale: 0.5},
    [
      {...node('four', 'Cast', 'n4'), attr: {SrcT: {type: 'DT_INT32'}, DstT: {type: 'DT_FLOAT'}}},
      node('root', 'Sqrt', 'four'),
      scores,
      node('s', 'RealDiv', 'scores', 'root'),
    ],
    's',
    {n4: {shape: [], values: [4], int: true}},
  ),
  spelling(
    'a scale for each head',
    {scale: 0.5, bias: ['c']},
    [scores, node('h', 'Mul', 'scores', 'half'), node('s', 'Mul', 'c', 'h')],
    's',
    {
      half: 0.5,
      c: {shape: [1, 2, 1, 1], values: [0.7, -0.3]},
    },
  ),
  spelling('a scale for each query', {scale: 1, bias: ['c']}, [scores, node('s', 'RealDiv', 'scores', 'c')], 's', {
    c: {shape: [5, 1], values: [1, 2, 3, 4, 5]},
  }),
  spelling('a scale for each key of each head', {scale: 1, bias: ['c']}, [scores, node('s', 'Mul', 'scores', 'c')], 's', {
    c: {shape: [2, 1, 7], values: Array.from({length: 14}, (_, i) => 0.2 + i / 10)},
  }),
  spelling('a scale for each key', {scale: 1, bias: ['c']}, [scores, node('s', 'Mul', 'scores', 'c')], 's', {
    c: {shape: [7], values: [1, 2, 3, 4, 5, 6, 7]},
  }),
  spelling(
    'a scale for each head behind a number that is added',
    {scale: 1, bias: ['c']},
    [scores, node('more', 'AddV2', 'scores', 'five'), node('s', 'Mul', 'more', 'c')],
    's',
    {
      five: 5,
      c: {shape: [2, 1, 1], values: [1, 2]},
    },
  ),
  spelling(
    'a temperature that only a run tells, behind a mask',
    {scale: 1, bias: ['m', 'tau']},
    [
      scores,
      node('mean', 'Mean', 'v', 'axes'),
      node('tau', 'Reshape', 'mean', 'one'),
      node('sum', 'AddV2', 'scores', 'm'),
      node('s', 'Mul', 'sum', 'tau'),
    ],
    's',
    {axes: {shape: [4], values: [0, 1, 2, 3], int: true}, one: {shape: [4], values: [1, 1, 1, 1], int: true}},
  ),
  spelling('a key that is already transposed', {scale: 1, turned: ['k']}, [product('scores', 'q', 'k')], 'scores'),
  spelling(
    'a query that is transposed',
    {scale: 1, turned: ['q']},
    [product('scores', 'q', 'k', {adj_x: {b: true}, adj_y: {b: true}})],
    'scores',
  ),
  spelling(
    'the key as the first factor of an Einsum (K)',
    {scale: 1},
    [{name: 'scores', op: 'Einsum', input: ['k', 'q'], attr: {equation: {s: btoa('acek,acbk->acbe')}}}],
    'scores',
  ),
  spelling(
    'an Einsum in upper case, its equation as bytes',
    {scale: 1, bias: ['m']},
    [
      {
        name: 'scores',
        op: 'Einsum',
        input: ['q', 'k'],
        attr: {equation: {s: [...'BNTH,BNSH->BNTS'].map((letter) => letter.charCodeAt(0))}},
      },
      node('sum', 'AddV2', 'scores', 'm'),
    ],
    'sum',
  ),
  spelling(
    'a mask that selects',
    {scale: 1, bias: ['positive']},
    [scores, node('positive', 'Greater', 'm', 'zero'), node('s', 'SelectV2', 'positive', 'scores', 'far')],
    's',
    {zero: 0, far: -1e9},
  ),
  spelling(
    'a mask that selects the other way round',
    {scale: 1, bias: ['positive']},
    [scores, node('positive', 'Greater', 'm', 'zero'), node('s', 'SelectV2', 'positive', 'far', 'scores')],
    's',
    {zero: 0, far: -1e30},
  ),
  spelling(
    'a mask that multiplies and adds',
    {scale: 1, bias: ['ones']},
    [
      scores,
      node('positive', 'Greater', 'm', 'zero'),
      {...node('ones', 'Cast', 'positive'), attr: {SrcT: {type: 'DT_BOOL'}, DstT: {type: 'DT_FLOAT'}}},
      node('kept', 'Mul', 'scores', 'ones'),
      node('zeros', 'Sub', 'one', 'ones'),
      node('hidden', 'Mul', 'zeros', 'far'),
      node('s', 'AddV2', 'hidden', 'kept'),
    ],
    's',
    {zero: 0, one: 1, far: -1e4},
  ),
  {
    title: 'the probabilities as the second factor (E)',
    scale: 1,
    turned: ['v'],
    artifacts: attentionGraph([scores, node('probs', 'Softmax', 'scores'), product('out', 'v', 'probs', {adj_y: {b: true}})]),
  },
  {
    title: 'an exponential times the reciprocal of its sum',
    scale: 1,
    artifacts: attentionGraph(
      [
        scores,
        node('highest', 'Max', 'scores', 'last'),
        node('shifted', 'Sub', 'scores', 'highest'),
        node('exps', 'Exp', 'shifted'),
        node('total', 'Sum', 'exps', 'last'),
        node('inverse', 'Reciprocal', 'total'),
        node('probs', 'Mul', 'inverse', 'exps'),
        product('out', 'probs', 'v'),
      ].map((each) => (each.op === 'Max' || each.op === 'Sum' ? {...each, attr: {keep_dims: {b: true}}} : each)),
      {last: {shape: [], values: [-1], int: true}},
    ),
  },
];

const odd = (
  title: string,
  reason: RegExp,
  nodes: readonly NodeDef[],
  constants: Record<string, Constant> = {},
  outputs = ['out'],
): OddOne => ({title, reason, artifacts: attentionGraph(nodes, constants, outputs)});

/** Attentions that the swap does not (yet) understand, or must not touch. */
export const oddOnes: readonly OddOne[] = [
  odd('a tensor that multiplies', /'s' multiplies the scores by 'm', of which it is not known/, [
    scores,
    node('s', 'Mul', 'scores', 'm'),
    ...finish('s'),
  ]),
  odd(
    'a scale for each pair',
    /'s' multiplies the scores by 'c', which may have a number for each pair/,
    [scores, node('s', 'Mul', 'scores', 'c'), ...finish('s')],
    {
      c: {shape: [5, 7], values: Array.from({length: 35}, (_, i) => 1 + i / 35)},
    },
  ),
  odd(
    'a scale for each key behind a number that is added',
    /the scale 'c' has a number for each key, and something was added/,
    [scores, node('more', 'AddV2', 'scores', 'five'), node('s', 'Mul', 'more', 'c'), ...finish('s')],
    {five: 5, c: {shape: [7], values: [1, 2, 3, 4, 5, 6, 7]}},
  ),
  odd(
    'masked scores scaled by a tensor that reaches 0',
    /'s' scales masked scores by 'c'/,
    [
      scores,
      node('positive', 'Greater', 'm', 'zero'),
      node('chosen', 'SelectV2', 'positive', 'scores', 'far'),
      node('s', 'Mul', 'chosen', 'c'),
      ...finish('s'),
    ],
    {zero: 0, far: -1e9, c: {shape: [2, 1, 1], values: [0.5, 0.01]}},
  ),
  odd('a division by the scores', /'s' divides by the scores/, [scores, node('s', 'RealDiv', 'c', 'scores'), ...finish('s')], {
    c: 1,
  }),
  odd('a division by zero', /'s' scales the scores by Infinity/, [scores, node('s', 'RealDiv', 'scores', 'c'), ...finish('s')], {
    c: 0,
  }),
  odd('subtracted scores', /'s' subtracts the scores/, [scores, node('s', 'Sub', 'm', 'scores'), ...finish('s')]),
  odd('a selection between two tensors', /'s' selects between the scores and another tensor/, [
    scores,
    node('s', 'SelectV2', 'm', 'scores', 'n'),
    ...finish('s'),
  ]),
  odd('two products added', /'s' adds two products/, [
    scores,
    product('more', 'q', 'v', {adj_y: {b: true}}),
    node('s', 'AddV2', 'scores', 'more'),
    ...finish('s'),
  ]),
  odd('an Einsum with its equation as bytes', /Einsum 'scores' \(ab\) is no product/, [
    {name: 'scores', op: 'Einsum', input: ['k', 'q'], attr: {equation: {s: [97, 98]}}},
    ...finish('scores'),
  ]),
  odd('an Einsum of probabilities and value', /the Einsum 'out' stands between the softmax/, [
    scores,
    node('probs', 'Softmax', 'scores'),
    node('out', 'Einsum', 'probs', 'v'),
  ]),
  odd('probabilities that are an output', /probabilities \('probs'\) are an output/, [scores, ...finish('scores')], {}, [
    'out',
    'probs',
  ]),
  odd('probabilities read twice', /are read by 'out' and 'mean'/, [scores, ...finish('scores'), node('mean', 'Mean', 'probs')]),
  odd('the value as first factor', /the axes of its value in 'out' are not those of attention/, [
    scores,
    node('probs', 'Softmax', 'scores'),
    product('out', 'v', 'probs'),
  ]),
  odd('transposed probabilities', /the axes of its value in 'out' are not those of attention/, [
    scores,
    node('probs', 'Softmax', 'scores'),
    product('out', 'probs', 'v', {adj_x: {b: true}}),
  ]),
  odd('a head mask', /the Mul 'kept' stands between the softmax and/, [
    scores,
    node('probs', 'Softmax', 'scores'),
    node('kept', 'Mul', 'probs', 'm'),
    product('out', 'kept', 'v'),
  ]),
  odd('softly capped scores', /the Tanh 's' stands between/, [scores, node('s', 'Tanh', 'scores'), ...finish('s')]),
  odd('control flow in it', /the Merge 's' stands between/, [
    scores,
    node('taken', 'Switch', 'scores', 'm'),
    node('s', 'Merge', 'taken:1', 'n'),
    ...finish('s'),
  ]),
  odd(
    'a mask of rank 5',
    /the addend 'high' has a rank above 4/,
    [scores, node('high', 'Reshape', 'm', 'to'), node('sum', 'AddV2', 'scores', 'high'), ...finish('sum')],
    {to: {shape: [5], values: [1, 1, 1, 5, 5], int: true}},
  ),
];
