import type {NodeDef} from '../../src/model/graph/graph.js';
import {attentionGraph, node, product} from './attention_graphs.js';
import type {Constant, GraphArtifacts} from './hand_made_graph.js';

/** Lengths: batch, heads, queries, keys, features of key and of value. */
export const SIZES = {b: 2, h: 2, q: 3, k: 5, d: 4, e: 4} as const;

export const INPUTS: Readonly<Record<string, readonly number[]>> = {
  q: [SIZES.b, SIZES.h, SIZES.q, SIZES.d],
  k: [SIZES.b, SIZES.h, SIZES.k, SIZES.d],
  v: [SIZES.b, SIZES.h, SIZES.k, SIZES.e],
  m: [SIZES.b, 1, 1, SIZES.k],
  n: [SIZES.b, SIZES.h, SIZES.q, SIZES.k],
};

/** Adds nodes behind a tensor and says what comes out; `n` makes names unique. */
export type Brick = (
  at: string,
  n: number,
) => {readonly out: string; readonly nodes: readonly NodeDef[]; readonly constants?: Readonly<Record<string, Constant>>};

const einsum = (name: string, equation: string, ...input: string[]): NodeDef => ({
  ...node(name, 'Einsum', ...input),
  attr: {T: {type: 'DT_FLOAT'}, equation: {s: btoa(equation)}},
});
const ints = (...values: number[]): Constant => ({shape: [values.length], values, int: true});
const cast = (name: string, input: string): NodeDef => ({
  ...node(name, 'Cast', input),
  attr: {SrcT: {type: 'DT_BOOL'}, DstT: {type: 'DT_FLOAT'}},
});

/** One node of two inputs, the other one a tensor or a constant. */
const binary =
  (op: string, other: string | Constant, first = true): Brick =>
  (at, n) => {
    const [name, constant] = [`${op.toLowerCase()}${n}`, `c${n}`];
    const named = typeof other === 'string' ? other : constant;
    const nodes = [first ? node(name, op, at, named) : node(name, op, named, at)];
    return {out: name, nodes, ...(typeof other !== 'string' && {constants: {[constant]: other}})};
  };
const unary =
  (op: string, attr?: NodeDef['attr']): Brick =>
  (at, n) => ({out: `${op.toLowerCase()}${n}`, nodes: [{...node(`${op.toLowerCase()}${n}`, op, at), ...(attr && {attr})}]});
const turned = (...perm: number[]): Brick => binary('Transpose', ints(...perm));
const shaped = (...shape: number[]): Brick => binary('Reshape', ints(...shape));
const select =
  (fill: string | number, condition: 'm' | 'scores' = 'm'): Brick =>
  (at, n) => {
    const [holds, out, far] = [`holds${n}`, `select${n}`, typeof fill === 'string' ? fill : `fill${n}`];
    return {
      out,
      nodes: [
        node(holds, 'Greater', condition === 'm' ? 'm' : at, `zero${n}`),
        node(out, 'SelectV2', holds, condition === 'm' ? at : 'm', far),
      ],
      constants: {[`zero${n}`]: 0, ...(typeof fill === 'number' && {[far]: fill})},
    };
  };
const pair: Constant = {shape: [SIZES.q, SIZES.k], values: Array.from({length: 15}, (_, i) => Math.cos(i))};
const {b, h, q, k} = SIZES;

/** What may stand between the product and the softmax. */
export const BEFORE: Readonly<Record<string, Brick>> = {
  scale: binary('Mul', 0.5),
  'small scale': binary('Mul', 0.001),
  'infinite scale': binary('Mul', Infinity),
  divisor: binary('RealDiv', 2),
  'no divisor': binary('RealDiv', 0),
  'scale by a row': binary('Mul', 'm'),
  'divisor by a row': binary('RealDiv', 'm'),
  'scale by pairs': binary('Mul', 'n'),
  'constant by pairs': binary('Mul', pair),
  'divides pairs': binary('RealDiv', 'n', false),
  shift: binary('AddV2', 0.5),
  mask: binary('AddV2', 'm'),
  'mask first': binary('AddV2', 'm', false),
  bias: binary('Sub', 'n'),
  'constant bias': binary('AddV2', pair),
  subtracted: binary('Sub', 'm', false),
  select: select(-1e9),
  'select a little': select(-5),
  'select a tensor': select('n'),
  'select by itself': select('n', 'scores'),
  'hides all': (at, n) => ({
    out: `all${n}`,
    nodes: [node(`never${n}`, 'Greater', `zero${n}`, `zero${n}`), node(`all${n}`, 'SelectV2', `never${n}`, at, `far${n}`)],
    constants: {[`zero${n}`]: 0, [`far${n}`]: -1e9},
  }),
  'ones and zeros': (at, n) => ({
    out: `kept${n}`,
    nodes: [node(`more${n}`, 'Greater', 'm', `zero${n}`), cast(`ones${n}`, `more${n}`), node(`kept${n}`, 'Mul', at, `ones${n}`)],
    constants: {[`zero${n}`]: 0},
  }),
  cap: unary('Tanh'),
  identity: unary('Identity'),
  'turns heads': turned(1, 0, 2, 3),
  'turns pairs': turned(0, 1, 3, 2),
  'unknown order': (at, n) => ({
    out: `turn${n}`,
    nodes: [node(`p${n}`, 'Placeholder'), node(`turn${n}`, 'Transpose', at, `p${n}`)],
  }),
  'merges heads': shaped(-1, q, k),
  'merges keys': shaped(b, h, 1, q * k),
  'cuts keys': shaped(b, h, q, k, 1),
  again: shaped(b, h, q, k),
  'mixes heads': (at, n) => ({
    out: `mix${n}`,
    nodes: [einsum(`mix${n}`, 'bhqk,hg->bgqk', at, `w${n}`)],
    constants: {[`w${n}`]: {shape: [h, h], values: [1, 0.5, 0.25, 1]}},
  }),
  'two products': (at, n) => ({
    out: `sum${n}`,
    nodes: [product(`more${n}`, 'q', 'k', {adj_y: {b: true}}), node(`sum${n}`, 'AddV2', at, `more${n}`)],
  }),
};

/** What may stand between the softmax and the second product. */
export const BEHIND: Readonly<Record<string, Brick>> = {
  'head mask': binary('Mul', 'm'),
  identity: unary('Identity'),
  half: unary('Cast', {SrcT: {type: 'DT_FLOAT'}, DstT: {type: 'DT_HALF'}}),
  'turns heads': turned(1, 0, 2, 3),
  'merges keys': shaped(b, h, 1, q * k),
  'cuts queries': shaped(b, h, 1, q, k),
  again: shaped(b, h, q, k),
  'mixes heads': BEFORE['mixes heads']!,
  'read twice': (at, n) => ({out: at, nodes: [node(`mean${n}`, 'Tanh', at)]}),
  'an output': (at) => ({out: at, nodes: []}),
};

/** How query and key, and how probabilities and value, are multiplied. */
export const PRODUCTS: Readonly<Record<string, NodeDef>> = {
  adjoint: product('scores', 'q', 'k', {adj_y: {b: true}}),
  'key first': product('scores', 'k', 'q', {adj_y: {b: true}}),
  einsum: einsum('scores', 'bhqd,bhkd->bhqk', 'q', 'k'),
  'queries first': einsum('scores', 'bhqd,bhkd->bqhk', 'q', 'k'),
  'over all features': einsum('scores', 'bhqd,bgkd->bgqk', 'q', 'k'),
  'sums heads': einsum('scores', 'bhqd,bhkd->bqk', 'q', 'k'),
};
export const LAST: Readonly<Record<string, (at: string) => NodeDef>> = {
  plain: (at) => product('out', at, 'v'),
  einsum: (at) => einsum('out', 'bhqk,bhkd->bhqd', at, 'v'),
  'sums heads': (at) => einsum('out', 'bhqk,bhkd->bqd', at, 'v'),
  'value first': (at) => product('out', 'v', at, {adj_x: {b: true}, adj_y: {b: true}}),
  'other sum': (at) => product('out', at, 'q', {adj_x: {b: true}}),
};

/** An attention of bricks, by their names. */
export interface OddAttention {
  readonly product: string;
  readonly before: readonly string[];
  readonly behind: readonly string[];
  readonly last: string;
  readonly declared: 'nothing' | 'ranks' | 'all';
}

export function oddAttention({product: first, before, behind, last, declared}: OddAttention): GraphArtifacts {
  const nodes: NodeDef[] = [PRODUCTS[first]!];
  const constants: Record<string, Constant> = {};
  let [at, n] = ['scores', 0];
  const lay = (brick: Brick): void => {
    const {out, nodes: more, constants: own} = brick(at, n++);
    nodes.push(...more);
    Object.assign(constants, own);
    at = out;
  };
  before.forEach((name) => lay(BEFORE[name]!));
  nodes.push(node('probs', 'Softmax', at));
  at = 'probs';
  const outputs = ['out'];
  for (const name of behind) {
    if (name === 'an output') outputs.push(at);
    lay(BEHIND[name]!);
  }
  nodes.push(LAST[last]!(at));
  const shapes =
    declared === 'nothing'
      ? {}
      : Object.fromEntries(Object.entries(INPUTS).map(([name, shape]) => [name, declared === 'all' ? shape : shape.map(() => -1)]));
  return attentionGraph(nodes, constants, outputs, shapes);
}
