import {contractionOf} from '../graph/contraction.js';
import {isWeight} from './dense_layers.js';
import {dataInputs, numberAttr, textAttr, type NodeDef} from '../graph/graph.js';
import {splitLabels, regroup} from './regroup.js';
import type {ShapeTable} from '../graph/shape_table.js';
import {numberOf, same} from '../graph/size.js';
import {cutsOf} from '../graph/slices.js';

/** An axis of another tensor, or a part of it. */
interface Elsewhere {
  readonly from: 'axis' | 'part';
  readonly input: string;
  readonly axis: number;
}

/** Where an axis of a tensor comes from; `weights`: it is one of theirs. */
type Origin = Elsewhere | {readonly from: 'weights'};

/** How far axes are followed. */
const FARTHEST = 24;

/**
 * Whether an axis is proven to be one of heads: weights make it, or a reshape cuts it from the axis that also gives the features. No axis of
 * positions is: whatever has positions keeps them through its projections.
 */
export function areHeads(shapes: ShapeTable, tensor: string, axis: number, features: number): boolean {
  let [input, heads]: [string, number] = [tensor, axis];
  let width: number | undefined = features;
  for (let steps = 0; steps < FARTHEST; steps++) {
    const origin = originOf(shapes, input, heads);
    if (origin === undefined) return false;
    if (origin.from === 'weights') return true;
    const beside: Origin | undefined = width === undefined ? undefined : originOf(shapes, input, width);
    const together: boolean = beside?.from === origin.from && beside.input === origin.input;
    if (origin.from === 'part') return together && (beside as Elsewhere).axis === origin.axis;
    width = together ? (beside as Elsewhere).axis : undefined;
    [input, heads] = [origin.input, origin.axis];
  }
  return false;
}

/**
 * Whether an axis is one of features: weights make it, or a reshape cuts it, and another axis beside it, from the last axis of a tensor.
 * The tensor, to be named; undefined where neither can be told.
 */
export function featuresIn(shapes: ShapeTable, tensor: string, axis: number): string | undefined {
  let [input, at] = [tensor, axis];
  for (let steps = 0; steps < FARTHEST; steps++) {
    const origin = originOf(shapes, input, at);
    if (origin === undefined) return undefined;
    if (origin.from === 'weights') return input;
    if (origin.from === 'part') {
      const isLast = origin.axis + 1 === shapes.rank(origin.input);
      const others = Array.from({length: shapes.rank(input) ?? 0}, (_, i) => (i === at ? undefined : originOf(shapes, input, i)));
      const shared = others.some((other) => other?.from === 'part' && other.input === origin.input && other.axis === origin.axis);
      return isLast && shared ? origin.input : undefined;
    }
    [input, at] = [origin.input, origin.axis];
  }
  return undefined;
}

function originOf(shapes: ShapeTable, tensor: string, axis: number): Origin | undefined {
  const source = shapes.graph.source(tensor);
  const rank = shapes.rank(tensor);
  if (source === undefined || rank === undefined) return undefined;
  const {node} = source;
  const inputs = dataInputs(node);
  const [first = '', second = ''] = inputs;
  const kept = (input: string, at: number): Elsewhere => ({from: 'axis', input, axis: at});
  const product = contractionOf(shapes, node);
  if (product !== undefined) return throughProduct(shapes, product.operands, product.out[axis]);
  switch (node.op) {
    case 'Transpose': {
      const at = shapes.integers(second)?.[axis];
      return at === undefined ? undefined : kept(first, at);
    }
    case 'Reshape':
    case 'ExpandDims':
    case 'Squeeze':
      return throughReshape(shapes, node, first, axis);
    case 'Conv2D':
    case '_FusedConv2D':
      return axis === (textAttr(node.attr?.['data_format']) === 'NCHW' ? 1 : 3) ? {from: 'weights'} : kept(first, axis);
    case 'Split':
    case 'SplitV': {
      const [whole = '', at] = node.op === 'Split' ? [inputs[1], shapes.integer(first)] : [first, shapes.integer(inputs[2])];
      return at === undefined || (at < 0 ? at + rank : at) === axis ? undefined : kept(whole, axis);
    }
    case 'Unpack': {
      const at = numberAttr(node, 'axis');
      return kept(first, axis < (at < 0 ? at + rank + 1 : at) ? axis : axis + 1);
    }
    case 'Slice':
    case 'StridedSlice': {
      const cut = cutsOf(shapes, node)?.filter(({kind}) => kind !== 'index')[axis];
      return cut?.kind === 'range' && same(shapes.of(first)?.[cut.from], shapes.of(tensor)?.[axis])
        ? kept(first, cut.from)
        : undefined;
    }
    default:
      return throughElements(shapes, node, tensor, axis);
  }
}

function throughProduct(
  shapes: ShapeTable,
  operands: readonly {readonly input: string; readonly labels: readonly string[]}[],
  label: string | undefined,
): Origin | undefined {
  const owners = operands.filter(({labels}) => label !== undefined && labels.includes(label));
  const [owner] = owners;
  const weights = operands.filter(({input}) => isWeight(shapes, input));
  if (owner === undefined || owners.length > 1 || weights.length > 1 || owner.labels[0] === '*') return undefined;
  if (weights.includes(owner)) return {from: 'weights'};
  return {from: 'axis', input: owner.input, axis: owner.labels.indexOf(label!)};
}

function throughReshape(shapes: ShapeTable, node: NodeDef, input: string, axis: number): Origin | undefined {
  const [from, to] = [shapes.of(input), shapes.of(node.name)];
  if (from === undefined || to === undefined) return undefined;
  const names = from.map((_, i) => `${i}`);
  const next = regroup(
    names.map((name) => [name]),
    new Map(from.map((size, i) => [names[i]!, size])),
    to,
    node.name,
  );
  const [label, ...more] = (next?.dims[axis] ?? []).filter((each) => numberOf(next!.sizes.get(each)) !== 1);
  if (label === undefined || more.length > 0) return undefined;
  const whole = names.findIndex((name) => splitLabels(name, next!.splits).includes(label));
  return whole < 0 ? undefined : {from: names.includes(label) ? 'axis' : 'part', input, axis: whole};
}

/** Of elementwise ops: the operand that has this axis. */
function throughElements(shapes: ShapeTable, node: NodeDef, tensor: string, axis: number): Origin | undefined {
  const shape = shapes.of(tensor)!;
  const whole = dataInputs(node).filter((input) => {
    const own = shapes.of(input);
    return own?.length === shape.length && same(own[axis], shape[axis]) && !isWeight(shapes, input);
  });
  return ELEMENTWISE.includes(node.op) && whole.length > 0 ? {from: 'axis', input: whole[0]!, axis} : undefined;
}

const ELEMENTWISE: readonly string[] = (
  'Add AddV2 AddN Sub Mul RealDiv Div BiasAdd Relu Relu6 LeakyRelu Elu Selu Tanh Sigmoid Softplus Erf Exp Sqrt Rsqrt Square Neg Abs ' +
  'Maximum Minimum Cast Identity FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Pow SquaredDifference ClipByValue Softmax'
).split(' ');
