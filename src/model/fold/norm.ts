import {controlInputs, dataInputs, parseEdge, tensorName, type NodeDef} from '../graph/graph.js';
import {numberOf, same} from '../graph/size.js';
import {affineOf, FOLDED_ARITHMETIC, type Coefficient, type Statistic} from './affine.js';
import {isFloat, makerOf, type Fold, type FoldContext} from './fold.js';

/**
 * Layer and RMS norms over the last axis, however their sums and products are ordered: what a node computes is written as a sum of x / σ,
 * mean / σ and 1, each times a constant for each feature, and is a norm where the first two cancel. So the ten nodes that Keras makes of a batch norm are
 * one, and so are those that divide by a root.
 */
export const norm: Fold = (context, node) => {
  const {graph, shapes, builder} = context;
  if (!FOLDED_ARITHMETIC.includes(node.op) || !isFloat(node) || controlInputs(node).length > 0) return undefined;
  for (const statistic of statisticsAbove(context, node)) {
    const found = normOf(context, node, statistic);
    if (found === undefined) continue;
    // A step of a larger one.
    const readers = graph.consumers(node.name);
    const steps = readers.filter((reader) => normOf(context, reader.node, statistic) !== undefined);
    if (readers.length > 0 && steps.length === readers.length && !graph.outputs.has(node.name)) return undefined;
    const width = numberOf(shapes.of(statistic.x)?.at(-1));
    const vector = (coefficient: Coefficient | undefined, neutral: number, name: string): string | undefined | 'unknown' => {
      if (coefficient === undefined) return undefined;
      const {input, values} = coefficient;
      // More numbers than x has features would spread a single one over them.
      if (values.length !== 1 && values.length !== width) return 'unknown';
      if (values.every((value) => value === neutral)) return undefined;
      if (width === undefined) return 'unknown';
      if (input !== undefined && values.length === width) {
        if (shapes.rank(input) === 1) return input;
        return builder.add(`${node.name}/${name}`, 'Reshape', [input, builder.integers([width])], {T: {type: 'DT_FLOAT'}});
      }
      const spread = Float32Array.from({length: width}, (_, i) => values[values.length === 1 ? 0 : i]!);
      return builder.floats(`${node.name}/${name}`, [width], spread);
    };
    const [gamma, beta] = [vector(found.gamma, 1, 'gamma'), vector(found.beta, 0, 'beta')];
    if (gamma === 'unknown' || beta === 'unknown')
      return {reason: `'${statistic.x}' is not known to have as many features as its scale or shift`};
    const layer = statistic.mean !== undefined;
    const input = [statistic.x, ...[gamma, beta].filter((each) => each !== undefined)];
    const attr = {
      epsilon: {f: statistic.epsilon},
      hasGamma: {b: gamma !== undefined},
      hasBeta: {b: beta !== undefined},
      hasResidual: {b: false},
      withSum: {b: false},
    };
    return {
      kind: layer ? 'layer norm' : 'RMS norm',
      node: {name: node.name, op: layer ? 'SplatLayerNorm' : 'SplatRmsNorm', input, attr},
    };
  }
  return undefined;
};

/** Scale and shift of the norm that a node computes of this statistic; undefined where it computes something else. */
function normOf(
  context: FoldContext,
  node: NodeDef,
  statistic: Statistic,
): {gamma: Coefficient; beta: Coefficient | undefined} | undefined {
  if (!FOLDED_ARITHMETIC.includes(node.op)) return undefined;
  const form = affineOf(context, node.name, statistic);
  if (form === undefined || ['x', 'mean', 'root'].some((term) => form.has(term))) return undefined;
  const [gamma, taken, beta] = ['x root', 'mean root', '1'].map((term) => form.get(term));
  if (gamma === undefined) return undefined;
  if (statistic.mean === undefined) return beta === undefined && taken === undefined ? {gamma, beta} : undefined;
  if (taken?.values.length !== gamma.values.length) return undefined;
  return taken.values.every((value, i) => value === -gamma.values[i]!) ? {gamma, beta} : undefined;
}

/** The statistics that a node may be made of: no further up than the longest spelling has nodes. */
function statisticsAbove(context: FoldContext, node: NodeDef): Statistic[] {
  const found: Statistic[] = [];
  const seen = new Set<string>();
  const open: [NodeDef, number][] = [[node, 0]];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const [current, depth] = at;
    for (const input of dataInputs(current)) {
      const maker = makerOf(context.graph, input);
      if (maker === undefined || seen.has(maker.name)) continue;
      seen.add(maker.name);
      const statistic = statisticOf(context, maker);
      if (statistic !== undefined) found.push(statistic);
      else if (FOLDED_ARITHMETIC.includes(maker.op) && depth < DEEPEST) open.push([maker, depth + 1]);
    }
  }
  return found;
}

const DEEPEST = 6;

/** What a root or its reciprocal is of. */
function statisticOf(context: FoldContext, node: NodeDef): Statistic | undefined {
  const {graph} = context;
  const [first = '', second = ''] = dataInputs(node);
  const power = node.op === 'Pow' ? scalarOf(context, second, first) : undefined;
  const inverted = node.op === 'Rsqrt' || power === -0.5;
  if (!inverted && node.op !== 'Sqrt' && power !== 0.5) return undefined;
  const under = makerOf(graph, first);
  if (under === undefined) return undefined;
  const sum = under.op === 'AddV2' || under.op === 'Add' ? dataInputs(under) : [];
  const epsilons = sum.map((input, i) => scalarOf(context, input, sum[1 - i]!));
  const at = epsilons.findIndex((value) => value !== undefined && value >= 0);
  const variance = makerOf(graph, sum.length === 2 && at >= 0 ? sum[1 - at] : first);
  const moment = variance && averaged(context, variance);
  if (moment === undefined) return undefined;
  const of = squareOf(context, moment);
  return of && {node, ...of, epsilon: at >= 0 ? epsilons[at]! : 0, inverted};
}

/** What a Mean over the last axis, kept as 1, is of. */
function averaged({shapes}: FoldContext, node: NodeDef): string | undefined {
  const [input = '', axes] = dataInputs(node);
  const [axis, ...more] = shapes.integers(axes) ?? [];
  if (node.op !== 'Mean' || node.attr?.['keep_dims']?.b !== true || axis === undefined || more.length > 0) return undefined;
  return axis === -1 || axis + 1 === shapes.rank(input) ? input : undefined;
}

/** x, and its mean where that was taken off, of a tensor of their squares. */
function squareOf(context: FoldContext, input: string): Pick<Statistic, 'x' | 'mean'> | undefined {
  const {graph} = context;
  const node = makerOf(graph, input);
  if (node === undefined || !isFloat(node)) return undefined;
  const [first = '', second = ''] = dataInputs(node);
  if (node.op === 'SquaredDifference') return centred(context, first, second) ?? centred(context, second, first);
  const squared =
    node.op === 'Square' ||
    (node.op === 'Mul' && tensorName(first) === tensorName(second)) ||
    (node.op === 'Pow' && scalarOf(context, second, first) === 2);
  if (!squared) return undefined;
  const inner = makerOf(graph, first);
  const [x = '', mean = ''] = inner?.op === 'Sub' ? dataInputs(inner) : [];
  return centred(context, x, mean) ?? {x: first};
}

function centred(context: FoldContext, x: string, mean: string): Pick<Statistic, 'x' | 'mean'> | undefined {
  const maker = makerOf(context.graph, mean);
  const of = maker && averaged(context, maker);
  return of !== undefined && tensorName(of) === tensorName(x) ? {x, mean} : undefined;
}

/** The one number of a constant, which has no more axes than the tensor beside it. */
function scalarOf({graph, shapes, weights}: FoldContext, input: string, beside: string): number | undefined {
  const node = makerOf(graph, input);
  const shape = node?.op === 'Const' ? weights.constants.shape(node.name) : undefined;
  const isOne = shape?.every((size) => size === 1) === true && shape.length <= (shapes.rank(beside) ?? 0);
  return isOne ? weights.constants.uniform(node!.name) : undefined;
}

const NORMS: readonly string[] = ['SplatLayerNorm', 'SplatRmsNorm'];

/** A sum of two tensors of one shape that a norm reads is made by the norm; whoever else reads the sum takes its second output. */
export const residual: Fold = ({graph, shapes, hasSignature}, node) => {
  if (!NORMS.includes(node.op) || node.attr?.['hasResidual']?.b === true) return undefined;
  const [x = '', ...vectors] = dataInputs(node);
  const sum = makerOf(graph, x);
  if ((sum?.op !== 'AddV2' && sum?.op !== 'Add') || !isFloat(sum) || graph.outputs.has(sum.name)) return undefined;
  if (controlInputs(sum).length > 0) return undefined;
  const [a = '', b = ''] = dataInputs(sum);
  const [own, other] = [shapes.of(a), shapes.of(b)];
  // One that is broadcast along the features is none; other axes are compared in a run, and then the op adds as the model did.
  if (own === undefined || own.length !== other?.length || !same(own.at(-1), other.at(-1))) return undefined;
  if (
    own.some(
      (size, axis) => numberOf(size) !== numberOf(other[axis]) && [size, other[axis]].every((each) => numberOf(each) !== undefined),
    )
  )
    return undefined;
  // Of several norms of one sum the first makes it.
  const readers = graph.consumers(sum.name);
  const first = readers.find(
    (reader) => NORMS.includes(reader.node.op) && parseEdge(dataInputs(reader.node)[0]!).name === sum.name,
  );
  if (first?.node !== node) return undefined;
  const withSum = readers.length > 1;
  if (withSum && !hasSignature && graph.outputs.has(node.name)) return undefined;
  const attr = {...node.attr, hasResidual: {b: true}, withSum: {b: withSum}};
  return {
    kind: node.op === 'SplatLayerNorm' ? 'layer norm' : 'RMS norm',
    node: {...node, input: [a, ...vectors, b], attr},
    ...(withSum && {also: new Map([[sum.name, `${node.name}:1`]])}),
  };
};
