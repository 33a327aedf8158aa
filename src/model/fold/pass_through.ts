import {controlInputs, dataInputs, passesThrough, type NodeDef} from '../graph/graph.js';
import type {ShapeTable} from '../graph/shape_table.js';
import {numberOf, same} from '../graph/size.js';
import {isFloat, makerOf, type Fold, type FoldContext, type FoldResult} from './fold.js';

const instead = (input: string): FoldResult => ({kind: 'pass-through', instead: input});
const remade = (node: NodeDef): FoldResult => ({kind: 'pass-through', node});

/** Nodes that hand on their input: whoever reads them reads that. What an output of the model is called stays a node. */
export const passThrough: Fold = (context, node) => {
  const {graph, shapes} = context;
  const [first = ''] = dataInputs(node);
  const handsOn = isNothing(context, node);
  if (handsOn !== undefined) {
    return graph.outputs.has(node.name) || controlInputs(node).length > 0 ? undefined : instead(handsOn);
  }
  const before = makerOf(graph, first);
  if (before === undefined || controlInputs(before).length > 0) return undefined;
  if (node.op === 'Reshape' && VIEWS.includes(before.op)) {
    return remade({...node, input: [dataInputs(before)[0]!, ...(node.input ?? []).slice(1)]});
  }
  if (node.op === 'Transpose' && before.op === 'Transpose') return composed(context, node, before, shapes);
  return undefined;
};

/** Of these a run may depend on the order, or on which branch is taken. */
const STATEFUL =
  /^(HashTable|Lookup|TensorArray|TensorList|Var|Variable|Assign|Read|Print|Stack|Queue|Mutable|Resource|While|If|Stateless|PartitionedCall|Stateful)/;

/** Where no node has an effect, no node has to wait for another. */
export const withoutWaiting: Fold = ({graph}, node) => {
  if (controlInputs(node).length === 0 || graph.isAny(STATEFUL)) return undefined;
  return remade({...node, input: dataInputs(node)});
};

/** They leave elements in their order. */
const VIEWS: readonly string[] = ['Reshape', 'ExpandDims', 'Squeeze'];

/** The input that a node is, or undefined. */
function isNothing({graph, shapes}: FoldContext, node: NodeDef): string | undefined {
  const [first = '', second = ''] = dataInputs(node);
  if (passesThrough(node)) return first;
  switch (node.op) {
    case 'Reshape': {
      const [from, to] = [shapes.of(first), shapes.of(node.name)];
      return from?.length === to?.length && from?.every((size, axis) => same(size, to![axis])) ? first : undefined;
    }
    case 'Transpose':
      return shapes.integers(second)?.every((axis, i) => axis === i) ? first : undefined;
    case 'Mul':
      return isFloat(node) ? (isScalar(shapes, second, 1) ? first : isScalar(shapes, first, 1) ? second : undefined) : undefined;
    case 'RealDiv':
    case 'Div':
      return isFloat(node) && isScalar(shapes, second, 1) ? first : undefined;
    case 'Tile':
      return shapes.integers(second)?.every((count) => count === 1) && graph.nodes.has(first) ? first : undefined;
    default:
      return undefined;
  }
}

/** Whether a tensor is this float, without axes. */
function isScalar({graph, constants}: ShapeTable, input: string, value: number): boolean {
  const node = makerOf(graph, input);
  if (node?.op !== 'Const' || constants.dtype(node.name) !== 'float32') return false;
  return constants.shape(node.name)!.length === 0 && constants.uniform(node.name) === value;
}

/** Two transposes as one. Those that cancel are nothing in the next round. */
function composed({builder}: FoldContext, node: NodeDef, before: NodeDef, shapes: ShapeTable): FoldResult | undefined {
  const [input = '', inner] = dataInputs(before);
  const [first, second] = [shapes.integers(inner), shapes.integers(dataInputs(node)[1])];
  if (first === undefined || second?.length !== first.length) return undefined;
  const perm = builder.integers(second.map((axis) => first[axis < 0 ? axis + first.length : axis]!));
  return remade({...node, input: [input, perm, ...controlInputs(node)]});
}

const INTEGERS: readonly (string | number | undefined)[] = ['DT_INT32', 'DT_INT64', 3, 9];
/** What shapes are computed with, and the attribute that tells the type of the result. */
const ARITHMETIC: Readonly<Record<string, string>> = {
  Shape: 'out_type',
  Pack: 'T',
  ConcatV2: 'T',
  GatherV2: 'Tparams',
  Prod: 'T',
  StridedSlice: 'T',
  Slice: 'T',
};

/** Sizes that are numbers in every run, and the targets of reshapes of which all sizes but one are. */
export const shapeArithmetic: Fold = ({graph, shapes, builder}, node) => {
  const type = ARITHMETIC[node.op];
  if (type !== undefined && !graph.outputs.has(node.name) && controlInputs(node).length === 0) {
    const said = node.attr?.[type]?.type;
    const values = INTEGERS.includes(said) || node.op === 'Shape' ? shapes.integers(node.name) : undefined;
    if (values === undefined) return undefined;
    const scalar = shapes.valueOf(node.name)!.scalar;
    return {kind: 'shape arithmetic', instead: scalar ? builder.integer(values[0]!) : builder.integers(values)};
  }
  if (node.op !== 'Reshape') return undefined;
  const target = dataInputs(node)[1] ?? '';
  const shape = shapes.of(node.name)?.map(numberOf);
  if (shape === undefined || makerOf(graph, target)?.op === 'Const') return undefined;
  if (shape.includes(0) || shape.filter((size) => size === undefined).length > 1) return undefined;
  const input = [dataInputs(node)[0]!, builder.integers(shape.map((size) => size ?? -1)), ...controlInputs(node)];
  return {kind: 'shape arithmetic', node: {...node, input}};
};

/**
 * A constant in another shape becomes a constant of that shape, with the same bytes; the one it was made of is a view of it, for whoever
 * asks for it by name.
 */
export const reshapedConstant: Fold = ({graph, shapes, builder, weights}, node) => {
  if (!VIEWS.includes(node.op) || graph.outputs.has(node.name)) return undefined;
  const from = makerOf(graph, dataInputs(node)[0]);
  const shape = shapes.of(node.name)?.map(numberOf);
  if (from?.op !== 'Const' || shape === undefined || shape.includes(undefined)) return undefined;
  if (graph.outputs.has(from.name) || graph.consumers(from.name).length > 1) return undefined;
  const before = weights.constants.shape(from.name);
  if (before === undefined || !weights.mayMove(from.name) || weights.constants.dtype(from.name) === 'string') return undefined;
  weights.move(from.name, node.name, shape as number[]);
  builder.redefine({
    name: from.name,
    op: 'Reshape',
    input: [node.name, builder.integers(before)],
    attr: {T: from.attr?.['dtype'] ?? {}},
  });
  return {kind: 'constant', node: {name: node.name, op: 'Const', attr: {dtype: from.attr?.['dtype'] ?? {}}}};
};
