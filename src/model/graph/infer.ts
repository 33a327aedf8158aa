import {attentionShape} from './attention_shape.js';
import {dataInputs, numberAttr, textAttr, type NodeDef} from './graph.js';
import {isNeverOne, numberOf, over, plus, product, same, sizeOf, times, type Size} from './size.js';
import {sliceShape} from './slices.js';
import type {Shape, ShapeTable} from './shape_table.js';

const SAME_SHAPE = new Set(
  (
    'Relu Relu6 LeakyRelu Elu Selu Tanh Sigmoid Softplus Exp Expm1 Log Log1p Erf Sqrt Rsqrt Square Neg Abs Sign Floor Ceil Round ' +
    'Reciprocal Sin Cos Softmax LogSoftmax Cast BiasAdd LogicalNot ZerosLike OnesLike Cumsum MatrixBandPart ClipByValue ' +
    'FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Prelu IsNan Reverse ReverseV2 SplatGelu SplatSilu'
  ).split(' '),
);
const BROADCASTING = new Set(
  (
    'Add AddV2 AddN Sub Mul RealDiv Div DivNoNan FloorDiv FloorMod Mod Maximum Minimum Pow SquaredDifference Greater GreaterEqual ' +
    'Less LessEqual Equal NotEqual LogicalAnd LogicalOr SelectV2 BitwiseAnd'
  ).split(' '),
);
const REDUCTIONS = new Set(['Mean', 'Sum', 'Max', 'Min', 'Prod', 'All', 'Any', 'EuclideanNorm']);

/** The shape of the (first) output of a node of one of the ops that transformers are made of; undefined: unknown, also its rank. */
export function inferOp(shapes: ShapeTable, node: NodeDef): Shape | undefined {
  const {op, name} = node;
  const inputs = dataInputs(node);
  const [first = '', second = '', third = ''] = inputs;
  const shape = shapes.of(first);
  if (SAME_SHAPE.has(op)) return shape;
  if (BROADCASTING.has(op)) return broadcast(shapes, node, inputs);
  if (REDUCTIONS.has(op)) return reduce(shapes, node, shape, shapes.integers(second));
  switch (op) {
    case 'MatMul':
    case '_FusedMatMul':
    case 'SplatDense':
      return matmul(shapes, node, shape, shapes.of(second), 'transpose_a', 'transpose_b');
    case 'BatchMatMul':
    case 'BatchMatMulV2':
    case 'BatchMatMulV3':
      return matmul(shapes, node, shape, shapes.of(second), 'adj_x', 'adj_y');
    case 'Einsum':
      return einsum(shapes, node, inputs);
    case 'Conv2D':
    case '_FusedConv2D':
      return convolution(shapes, node, shape, shapes.of(second));
    case 'Select':
      return shapes.of(second) ?? shapes.of(third);
    case 'Transpose':
      return transposed(shapes, name, shape, shapes.integers(second), second);
    case 'Reshape':
      return reshaped(shapes, name, shape, second);
    case 'ExpandDims': {
      const axis = shapes.integer(second);
      if (shape === undefined || axis === undefined) return undefined;
      return shape.toSpliced(axis < 0 ? axis + shape.length + 1 : axis, 0, sizeOf(1));
    }
    case 'Squeeze':
      return squeezed(node, shape);
    case 'GatherV2':
    case 'Gather': {
      const axis = op === 'Gather' ? 0 : shapes.integer(third);
      const indices = shapes.of(second);
      if (shape === undefined || indices === undefined || axis === undefined || numberAttr(node, 'batch_dims') !== 0)
        return undefined;
      return shape.toSpliced(axis < 0 ? axis + shape.length : axis, 1, ...indices);
    }
    case 'Pack': {
      const axis = numberAttr(node, 'axis');
      return shape?.toSpliced(axis < 0 ? axis + shape.length + 1 : axis, 0, sizeOf(inputs.length));
    }
    case 'ConcatV2':
      return concatenated(shapes, node, inputs);
    case 'Slice':
    case 'StridedSlice':
      return sliceShape(shapes, node);
    case 'Tile': {
      const multiples = shapes.valueOf(second)?.elements;
      return shape?.map((size, i) => (multiples?.[i] === undefined ? shapes.unknown(name, i) : times(size, multiples[i])));
    }
    case 'Fill':
    case 'BroadcastTo':
      return fromVector(shapes, name, op === 'Fill' ? first : second);
    case 'ScatterNd':
      return fromVector(shapes, name, third);
    case 'Range':
      return [rangeLength(shapes, inputs) ?? shapes.unknown(name, 0)];
    case 'Shape':
      return [shape === undefined ? shapes.unknown(name, 0) : sizeOf(shape.length)];
    case 'SparseAttention':
      return attentionShape(shapes, node);
    case 'Where':
      return [shapes.unknown(name, 0), shape === undefined ? shapes.unknown(name, 1) : sizeOf(shape.length)];
    default:
      return undefined;
  }
}

/**
 * A size of 1 gives way to the other, a number to none. What is added to a product of matrices, or multiplied with it, is taken to have
 * no more axes and no larger ones than it: it is a mask or a bias then, and where it is not, the op refuses it.
 */
export function broadcast(shapes: ShapeTable, {name, op}: NodeDef, inputs: readonly string[]): Shape | undefined {
  const all = inputs.map((input) => shapes.of(input));
  const known = all.filter((shape) => shape !== undefined);
  const products = inputs.filter((input) => shapes.isScores(input));
  const scores = products.length === 1 ? shapes.of(products[0]!) : undefined;
  if (known.length === 0 || (known.length < all.length && scores === undefined)) return undefined;
  const rank = Math.max(...known.map(({length}) => length));
  return Array.from({length: rank}, (_, axis) => {
    const others = known.flatMap((shape) => shape[axis - rank + shape.length] ?? []);
    const sizes = others.filter((size) => numberOf(size) !== 1);
    const numbers = new Set(sizes.map(numberOf).filter((size) => size !== undefined));
    if (numbers.size > 1)
      shapes.conflict(inputs, `the ${op} '${name}' has operands of ${[...numbers].join(' and ')} elements along one axis`);
    const own = scores?.[axis - rank + scores.length];
    if (own !== undefined && numberOf(own) !== 1) return own;
    const number = sizes.find((size) => numberOf(size) !== undefined);
    if (number !== undefined) return number;
    if (known.length < all.length) return shapes.unknown(name, axis);
    const [one] = sizes;
    if (one === undefined) return sizeOf(1);
    return sizes.every((size) => same(size, one)) ? one : shapes.unknown(name, axis);
  });
}

function reduce(
  shapes: ShapeTable,
  node: NodeDef,
  shape: Shape | undefined,
  axes: readonly number[] | undefined,
): Shape | undefined {
  if (shape === undefined) return undefined;
  const keep = node.attr?.['keep_dims']?.b === true;
  if (axes === undefined) return keep ? shapes.unknowns(node.name, shape.length) : undefined;
  const reduced = new Set(axes.map((axis) => (axis < 0 ? axis + shape.length : axis)));
  return shape.flatMap((size, i) => (!reduced.has(i) ? [size] : keep ? [sizeOf(1)] : []));
}

function matmul(
  shapes: ShapeTable,
  node: NodeDef,
  a: Shape | undefined,
  b: Shape | undefined,
  flagA: string,
  flagB: string,
): Shape | undefined {
  if (a === undefined || b === undefined || a.length < 2 || b.length < 2) return undefined;
  const [rows, inner] = node.attr?.[flagA]?.b === true ? [a.at(-1)!, a.at(-2)!] : [a.at(-2)!, a.at(-1)!];
  const [other, columns] = node.attr?.[flagB]?.b === true ? [b.at(-1)!, b.at(-2)!] : [b.at(-2)!, b.at(-1)!];
  mustFit(shapes, node, inner, other);
  const longer = a.length >= b.length ? a : b;
  const leading = longer.slice(0, -2).map((_, axis) => {
    const [x, y] = [a[axis - longer.length + a.length], b[axis - longer.length + b.length]];
    if (x === undefined || y === undefined) return (x ?? y)!;
    if (numberOf(x) === 1 || same(x, y)) return y;
    // One matrix is repeated; any other number of them is that of the result.
    if (numberOf(y) === 1 || isNeverOne(x)) return x;
    return isNeverOne(y) ? y : shapes.unknown(node.name, axis);
  });
  return [...leading, rows, columns];
}

function mustFit(shapes: ShapeTable, node: NodeDef, a: Size, b: Size): void {
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined && x !== y) {
    shapes.conflict(dataInputs(node), `the ${node.op} '${node.name}' multiplies ${x} features by ${y}`);
  }
}

function einsum(shapes: ShapeTable, node: NodeDef, inputs: readonly string[]): Shape | undefined {
  const [left = '', right] = textAttr(node.attr?.['equation']).replace(/\s/g, '').split('->');
  if (right === undefined || left.includes('.')) return undefined;
  const sizes = new Map<string, Size>();
  left.split(',').forEach((letters, i) => {
    const shape = shapes.of(inputs[i] ?? '');
    if (shape?.length !== letters.length) return;
    [...letters].forEach((letter, axis) => {
      const known = sizes.get(letter);
      if (known !== undefined) mustFit(shapes, node, known, shape[axis]!);
      if (known === undefined || numberOf(known) === undefined) sizes.set(letter, shape[axis]!);
    });
  });
  return [...right].map((letter, axis) => sizes.get(letter) ?? shapes.unknown(node.name, axis));
}

function convolution(shapes: ShapeTable, node: NodeDef, x: Shape | undefined, filter: Shape | undefined): Shape | undefined {
  if (textAttr(node.attr?.['data_format']) === 'NCHW' || x?.length !== 4 || filter?.length !== 4) return undefined;
  const strides = node.attr?.['strides']?.list?.i ?? [];
  const pointwise = strides.every((stride) => Number(stride) === 1) && filter.slice(0, 2).every((size) => numberOf(size) === 1);
  const side = (axis: number): Size => (pointwise ? x[axis]! : shapes.unknown(node.name, axis));
  return [x[0]!, side(1), side(2), filter[3]!];
}

function transposed(
  shapes: ShapeTable,
  name: string,
  shape: Shape | undefined,
  perm: readonly number[] | undefined,
  permInput: string,
): Shape | undefined {
  const rank = perm?.length ?? numberOf(shapes.of(permInput)?.[0]);
  if (rank === undefined) return undefined;
  return Array.from({length: rank}, (_, i) => shape?.[perm?.[i] ?? -1] ?? shapes.unknown(name, i));
}

/** A target, its −1 solved where the division is exact. */
function reshaped(shapes: ShapeTable, name: string, from: Shape | undefined, vector: string): Shape | undefined {
  const target = shapes.valueOf(vector)?.elements;
  if (target === undefined) return fromVector(shapes, name, vector);
  const open = target.flatMap((size, i) => (numberOf(size) === -1 || size === undefined ? [i] : []));
  const rest = product(target.filter((_, i) => !open.includes(i)) as Size[]);
  const solved = open.length === 1 && from !== undefined ? over(product(from), rest) : undefined;
  return target.map((size, i) => (open.includes(i) ? (solved ?? shapes.unknown(name, i)) : size!));
}

/** A shape given as a vector, or at least its rank. */
function fromVector(shapes: ShapeTable, name: string, vector: string): Shape | undefined {
  const elements = shapes.valueOf(vector)?.elements;
  if (elements !== undefined) {
    return elements.map((size, i) => (size === undefined || (numberOf(size) ?? 0) < 0 ? shapes.unknown(name, i) : size));
  }
  const rank = numberOf(shapes.of(vector)?.[0]);
  return rank === undefined ? undefined : shapes.unknowns(name, rank);
}

function squeezed(node: NodeDef, shape: Shape | undefined): Shape | undefined {
  if (shape === undefined) return undefined;
  const listed = (node.attr?.['squeeze_dims'] ?? node.attr?.['axis'])?.list?.i ?? [];
  const axes = listed.map(Number).map((axis) => (axis < 0 ? axis + shape.length : axis));
  if (axes.length > 0) return shape.filter((_, i) => !axes.includes(i));
  return shape.every((size) => numberOf(size) !== undefined) ? shape.filter((size) => numberOf(size) !== 1) : undefined;
}

function concatenated(shapes: ShapeTable, {name}: NodeDef, inputs: readonly string[]): Shape | undefined {
  const parts = inputs.slice(0, -1).map((input) => shapes.of(input));
  const known = parts.find((part) => part !== undefined);
  const axis = shapes.integer(inputs.at(-1));
  if (known === undefined) return undefined;
  if (axis === undefined) return shapes.unknowns(name, known.length);
  const at = axis < 0 ? axis + known.length : axis;
  const whole = parts.every((part) => part?.[at] !== undefined);
  const sum = whole ? parts.map((part) => part![at]!).reduce((a, b) => plus(a, b)) : shapes.unknown(name, at);
  return known.map((size, i) => (i === at ? sum : size));
}

/** How many numbers a Range of step 1 holds. */
function rangeLength(shapes: ShapeTable, [start = '', limit = '', step = '']: readonly string[]): Size | undefined {
  const [from, to] = [shapes.valueOf(start)?.elements[0], shapes.valueOf(limit)?.elements[0]];
  if (from === undefined || to === undefined || shapes.integer(step) !== 1) return undefined;
  return plus(to, from, -1);
}
