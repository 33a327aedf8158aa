import {dataInputs, tensorName, type NodeDef} from '../graph/graph.js';
import {makerOf, type FoldContext} from './fold.js';

/** 1 / √(variance + ε), or its inverse, of the rows of x. */
export interface Statistic {
  readonly node: NodeDef;
  readonly x: string;
  /** Undefined: the mean square, with no mean taken off. */
  readonly mean?: string;
  readonly epsilon: number;
  readonly inverted: boolean;
}

/** A number for each feature, or one for all. */
export interface Coefficient {
  readonly values: readonly number[];
  /** The constant that it is, where it is one as it stands. */
  readonly input?: string;
}

/** A sum of products of x, its mean and the reciprocal root, by the names of the factors; '1' is the constant part. */
export type Affine = ReadonlyMap<string, Coefficient>;

/** Nodes of which a norm may consist. */
export const FOLDED_ARITHMETIC: readonly string[] = ['Mul', 'Add', 'AddV2', 'BiasAdd', 'Sub', 'Neg', 'RealDiv', 'Div'];

const ONE: Coefficient = {values: [1]};
const DEEPEST = 8;

/** What a tensor is in terms of a statistic; undefined where something else goes into it. */
export function affineOf(context: FoldContext, input: string, statistic: Statistic, depth = 0): Affine | undefined {
  const name = tensorName(input);
  if (name === tensorName(statistic.x)) return new Map([['x', ONE]]);
  if (statistic.mean !== undefined && name === tensorName(statistic.mean)) return new Map([['mean', ONE]]);
  const node = makerOf(context.graph, input);
  if (node === statistic.node) return statistic.inverted ? new Map([['root', ONE]]) : undefined;
  if (node?.op === 'Const') return constantOf(context, node, statistic);
  if (node === undefined || depth > DEEPEST || !FOLDED_ARITHMETIC.includes(node.op)) return undefined;
  const [first = '', second = ''] = dataInputs(node);
  const of = (each: string): Affine | undefined => affineOf(context, each, statistic, depth + 1);
  const left = of(first);
  if (left === undefined) return undefined;
  if (node.op === 'Neg') return scaled(left, -1);
  if (node.op === 'RealDiv' || node.op === 'Div') {
    if (makerOf(context.graph, second) === statistic.node && !statistic.inverted) return product(left, new Map([['root', ONE]]));
    const by = of(second);
    const divisor = by?.size === 1 ? by.get('1') : undefined;
    return divisor && product(left, new Map([['1', {values: divisor.values.map((value) => 1 / value)}]]));
  }
  const right = of(second);
  if (right === undefined) return undefined;
  if (node.op === 'Mul') return product(left, right);
  return sum(left, node.op === 'Sub' ? scaled(right, -1) : right);
}

/** A constant with a number for each feature, and no more axes than x. */
function constantOf({shapes, weights}: FoldContext, {name}: NodeDef, {x}: Statistic): Affine | undefined {
  const shape = weights.constants.shape(name);
  if (shape === undefined || weights.constants.dtype(name) !== 'float32' || !shape.slice(0, -1).every((size) => size === 1))
    return undefined;
  if (shape.length > (shapes.rank(x) ?? 1)) return undefined;
  // Longer ones are no features.
  if ((shape.at(-1) ?? 1) > LONGEST) return undefined;
  const values = weights.constants.values(name);
  return values && values.length > 0 ? new Map([['1', {values, input: name}]]) : undefined;
}

const LONGEST = 2 ** 16;

const scaled = (form: Affine, by: number): Affine =>
  new Map([...form].map(([term, {values}]) => [term, {values: values.map((value) => value * by)}]));

function sum(a: Affine, b: Affine): Affine | undefined {
  const terms = new Map(a);
  for (const [term, coefficient] of b) {
    const known = terms.get(term);
    const total = known === undefined ? coefficient : combined(known, coefficient, (x, y) => x + y);
    if (total === undefined) return undefined;
    terms.set(term, total);
  }
  return terms;
}

/** x and its mean are each multiplied by the root once; other products are none of a norm. */
const PRODUCTS: Readonly<Record<string, string>> = {
  'x*root': 'x root',
  'root*x': 'x root',
  'mean*root': 'mean root',
  'root*mean': 'mean root',
};

function product(a: Affine, b: Affine): Affine | undefined {
  let terms: Affine = new Map();
  for (const [left, x] of a) {
    for (const [right, y] of b) {
      const term = left === '1' ? right : right === '1' ? left : PRODUCTS[`${left}*${right}`];
      const coefficient = isOne(x) ? y : isOne(y) ? x : combined(x, y, (p, q) => p * q);
      if (term === undefined || coefficient === undefined) return undefined;
      const next = sum(terms, new Map([[term, coefficient]]));
      if (next === undefined) return undefined;
      terms = next;
    }
  }
  return terms;
}

const isOne = ({values}: Coefficient): boolean => values.length === 1 && values[0] === 1;

/** Worked out in float32, as the model would. */
function combined(a: Coefficient, b: Coefficient, how: (x: number, y: number) => number): Coefficient | undefined {
  const length = Math.max(a.values.length, b.values.length);
  if (![a, b].every(({values}) => values.length === 1 || values.length === length)) return undefined;
  const at = ({values}: Coefficient, i: number): number => values[values.length === 1 ? 0 : i]!;
  return {values: Array.from({length}, (_, i) => Math.fround(how(at(a, i), at(b, i))))};
}
