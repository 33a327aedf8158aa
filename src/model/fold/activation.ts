import {controlInputs, dataInputs, tensorName, type NodeDef} from '../graph/graph.js';
import {isFloat, makerOf, type Fold, type FoldContext, type FoldResult} from './fold.js';

/** A polynomial of x and of the curve t of it, by their powers: '1 0' is x, '1 1' is x · t. */
type Polynomial = ReadonlyMap<string, number>;

/** The curves that activations have in them. */
const CURVES: readonly string[] = ['Erf', 'Tanh', 'Sigmoid'];

interface Known {
  readonly kind: 'GELU' | 'SiLU';
  readonly curve: string;
  /** What the curve is of, and what the node is. */
  readonly inner: Polynomial;
  readonly outer: Polynomial;
  readonly node: Pick<NodeDef, 'op' | 'attr'>;
}

const HALVES: Polynomial = new Map([
  ['1 0', 0.5],
  ['1 1', 0.5],
]);
const PRODUCT: Polynomial = new Map([['1 1', 1]]);
const BEND = Math.sqrt(2 / Math.PI);

const gelu = (curve: string, inner: Polynomial, outer: Polynomial, approximate: string): Known => ({
  ...{kind: 'GELU', curve, inner, outer},
  node: {op: 'SplatGelu', attr: {approximate: {s: btoa(approximate)}}},
});

const KNOWN: readonly Known[] = [
  gelu('Erf', new Map([['1 0', Math.SQRT1_2]]), HALVES, 'erf'),
  gelu(
    'Tanh',
    new Map([
      ['1 0', BEND],
      ['3 0', 0.044715 * BEND],
    ]),
    HALVES,
    'tanh',
  ),
  gelu('Sigmoid', new Map([['1 0', 1.702]]), PRODUCT, 'sigmoid'),
  {
    ...{kind: 'SiLU', curve: 'Sigmoid', inner: new Map([['1 0', 1]]), outer: PRODUCT},
    node: {op: 'SplatSilu', attr: {}},
  },
];

/**
 * GELU in its three forms and SiLU, however their products are ordered and whatever powers are written as: the node and what its curve is
 * of are compared as polynomials.
 */
export const geluAndSilu: Fold = (context, node) => {
  if (node.op !== 'Mul' || !isFloat(node) || controlInputs(node).length > 0) return undefined;
  const curve = above(context, node, CURVES);
  if (curve === undefined) return undefined;
  const [inner = ''] = dataInputs(curve);
  for (const x of candidates(context, inner)) {
    const [of, whole] = [polynomialOf(context, inner, x), polynomialOf(context, node.name, x, curve)];
    const known = KNOWN.find((each) => each.curve === curve.op && isSame(of, each.inner) && isSame(whole, each.outer));
    if (known !== undefined) return folded(node, known, x);
  }
  return undefined;
};

const folded = ({name}: NodeDef, {kind, node}: Known, x: string): FoldResult => ({
  kind,
  node: {name, op: node.op, input: [x], attr: {T: {type: 'DT_FLOAT'}, ...node.attr}},
});

const ARITHMETIC: readonly string[] = ['Mul', 'Add', 'AddV2', 'Pow', 'Square', 'RealDiv', 'Div'];
const MOST_STEPS = 12;

/** The nearest node of one of these ops that arithmetic leads to. */
function above({graph}: FoldContext, node: NodeDef, ops: readonly string[]): NodeDef | undefined {
  const open = [node];
  const seen = new Set<string>();
  for (let at = open.shift(); at !== undefined && seen.size < MOST_STEPS; at = open.shift()) {
    seen.add(at.name);
    for (const input of dataInputs(at)) {
      const maker = makerOf(graph, input);
      if (maker !== undefined && ops.includes(maker.op)) return maker;
      if (maker !== undefined && ARITHMETIC.includes(maker.op) && !seen.has(maker.name)) open.push(maker);
    }
  }
  return undefined;
}

/** The tensors that the argument of a curve is made of: x may be any of them. */
function candidates({graph}: FoldContext, inner: string): string[] {
  const found = [inner];
  for (let i = 0; i < found.length && found.length < MOST_STEPS; i++) {
    const maker = makerOf(graph, found[i]);
    if (maker === undefined || !ARITHMETIC.includes(maker.op)) continue;
    found.push(...dataInputs(maker).filter((input) => makerOf(graph, input)?.op !== 'Const' && !found.includes(input)));
  }
  return found;
}

/** A tensor in terms of x and of the curve; undefined where something else goes into it. */
function polynomialOf(context: FoldContext, input: string, x: string, curve?: NodeDef, depth = 0): Polynomial | undefined {
  if (tensorName(input) === tensorName(x)) return new Map([['1 0', 1]]);
  const node = makerOf(context.graph, input);
  if (node === undefined || depth > MOST_STEPS) return undefined;
  if (node === curve) return new Map([['0 1', 1]]);
  const number = numberOfConstant(context, node);
  if (number !== undefined) return new Map([['0 0', number]]);
  if (!ARITHMETIC.includes(node.op) || !isFloat(node)) return undefined;
  const [first = '', second = ''] = dataInputs(node);
  const a = polynomialOf(context, first, x, curve, depth + 1);
  if (a === undefined || node.op === 'Square') return a && product(a, a);
  const b = polynomialOf(context, second, x, curve, depth + 1);
  if (b === undefined) return undefined;
  if (node.op === 'Mul') return product(a, b);
  if (node.op === 'Add' || node.op === 'AddV2') return sum(a, b);
  const by = b.size === 1 ? b.get('0 0') : undefined;
  if (by === undefined) return undefined;
  if (node.op !== 'Pow') return product(a, new Map([['0 0', 1 / by]]));
  return by === 2 ? product(a, a) : by === 3 ? product(product(a, a), a) : undefined;
}

/** The number of a constant without axes, so that it adds none to x. */
function numberOfConstant({weights}: FoldContext, {op, name}: NodeDef): number | undefined {
  const isScalar = op === 'Const' && weights.constants.shape(name)?.length === 0 && weights.constants.dtype(name) === 'float32';
  return isScalar ? weights.constants.uniform(name) : undefined;
}

function sum(a: Polynomial, b: Polynomial): Polynomial {
  const terms = new Map(a);
  for (const [term, factor] of b) terms.set(term, (terms.get(term) ?? 0) + factor);
  return terms;
}

function product(a: Polynomial, b: Polynomial): Polynomial {
  let terms: Polynomial = new Map();
  for (const [left, x] of a) {
    for (const [right, y] of b) {
      const [powers, others] = [left, right].map((term) => term.split(' ').map(Number)) as [number[], number[]];
      terms = sum(terms, new Map([[powers.map((power, i) => power + others[i]!).join(' '), x * y]]));
    }
  }
  return terms;
}

/** Equal but for the digits that a model writes its constants with. */
function isSame(a: Polynomial | undefined, b: Polynomial): boolean {
  return a?.size === b.size && [...b].every(([term, factor]) => Math.abs((a.get(term) ?? 0) - factor) <= 1e-6 * factor);
}
