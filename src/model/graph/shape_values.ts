import {dataInputs, passesThrough, type NodeDef} from './graph.js';
import {minus, numberOf, over, plus, product, sizeOf, times, type Size} from './size.js';
import {cutsOf} from './slices.js';
import type {ShapeTable, Sizes} from './shape_table.js';

/** Longer vectors are data, not shapes. */
const LONGEST = 64;

/** What the graph tells about the values of each output of a node, when they are whole numbers in a scalar or vector. */
export function valueOf(shapes: ShapeTable, node: NodeDef): readonly (Sizes | undefined)[] {
  const inputs = dataInputs(node);
  const [first = '', second = '', third = ''] = inputs;
  const x = shapes.valueOf(first);
  if (node.op === 'Unpack') return x?.elements.map((element) => ({elements: [element], scalar: true})) ?? [];
  const vector = (elements: readonly (Size | undefined)[] | undefined): readonly (Sizes | undefined)[] => [
    elements && {elements, scalar: false},
  ];
  if (passesThrough(node) || node.op === 'Cast') return [x];
  switch (node.op) {
    case 'Const':
      return [constant(shapes, node)];
    case 'Shape':
      return vector(shapes.of(first));
    case 'Pack':
      return vector(inputs.map((input) => scalarOf(shapes, input)));
    case 'ConcatV2': {
      const parts = inputs.slice(0, -1).map((input) => shapes.valueOf(input) ?? opaque(shapes, input));
      return vector(parts.every((part) => part !== undefined) ? parts.flatMap(({elements}) => elements) : undefined);
    }
    case 'Add':
    case 'AddV2':
      return [combine(x, shapes.valueOf(second), (a, b) => plus(a, b))];
    case 'Sub':
      return [combine(x, shapes.valueOf(second), minus)];
    case 'Mul':
      return [combine(x, shapes.valueOf(second), times)];
    case 'FloorDiv':
    case 'RealDiv':
      return [combine(x, shapes.valueOf(second), over)];
    case 'Maximum':
    case 'Minimum':
      return [combine(x, shapes.valueOf(second), node.op === 'Maximum' ? largest : smallest)];
    case 'Neg':
      return [x && {...x, elements: x.elements.map((element) => element && times(element, sizeOf(-1)))}];
    case 'Prod':
      return [x && {elements: [x.elements.includes(undefined) ? undefined : product(x.elements as Size[])], scalar: true}];
    case 'ExpandDims':
      return vector(x?.scalar ? x.elements : undefined);
    case 'Reshape':
      return vector(x?.elements);
    case 'Squeeze':
      return [x?.elements.length === 1 ? {...x, scalar: true} : undefined];
    case 'Fill': {
      const count = shapes.integer(first);
      return vector(
        count !== undefined && count <= LONGEST ? Array<Size | undefined>(count).fill(scalarOf(shapes, second)) : undefined,
      );
    }
    case 'GatherV2': {
      const indices = shapes.valueOf(second);
      if (x === undefined || indices === undefined || shapes.integer(third) !== 0) return [];
      return [{elements: indices.elements.map((index) => x.elements.at(numberOf(index) ?? Infinity)), scalar: indices.scalar}];
    }
    case 'Slice':
    case 'StridedSlice':
      return [cut(shapes, node, x)];
    default:
      return [];
  }
}

const scalarOf = (shapes: ShapeTable, input: string): Size | undefined => shapes.valueOf(input)?.elements[0];

/** A vector of a length that is known and of elements that are not. */
function opaque(shapes: ShapeTable, input: string): Sizes | undefined {
  const shape = shapes.of(input);
  const length = shape?.length === 1 ? numberOf(shape[0]) : undefined;
  return length === undefined || length > LONGEST ? undefined : {elements: Array<undefined>(length).fill(undefined), scalar: false};
}

function constant({constants}: ShapeTable, node: NodeDef): Sizes | undefined {
  const shape = constants.shape(node.name);
  if (shape === undefined || shape.length > 1 || (shape[0] ?? 1) > LONGEST) return undefined;
  const values = constants.values(node.name);
  const scalar = shape.length === 0;
  if (values === undefined) return {elements: Array<undefined>(shape[0] ?? 1).fill(undefined), scalar};
  return {elements: values.map((value) => (Number.isInteger(value) ? sizeOf(value) : undefined)), scalar};
}

function combine(a: Sizes | undefined, b: Sizes | undefined, how: (x: Size, y: Size) => Size | undefined): Sizes | undefined {
  if (a === undefined || b === undefined) return undefined;
  const length = Math.max(a.elements.length, b.elements.length);
  const at = ({elements}: Sizes, i: number): Size | undefined => elements[elements.length === 1 ? 0 : i];
  const elements = Array.from({length}, (_, i) => {
    const [x, y] = [at(a, i), at(b, i)];
    return x && y && how(x, y);
  });
  return {elements, scalar: a.scalar && b.scalar};
}

const largest = (a: Size, b: Size): Size | undefined => ofNumbers(a, b, Math.max);
const smallest = (a: Size, b: Size): Size | undefined => ofNumbers(a, b, Math.min);

function ofNumbers(a: Size, b: Size, how: (x: number, y: number) => number): Size | undefined {
  const [x, y] = [numberOf(a), numberOf(b)];
  return x === undefined || y === undefined ? undefined : sizeOf(how(x, y));
}

function cut(shapes: ShapeTable, node: NodeDef, x: Sizes | undefined): Sizes | undefined {
  const cuts = x && !x.scalar ? cutsOf(shapes, node) : undefined;
  if (x === undefined || cuts?.length !== 1) return undefined;
  const [only] = cuts;
  if (only!.kind === 'index') {
    const at = numberOf(only!.at);
    return {elements: [at === undefined ? undefined : x.elements[at]], scalar: true};
  }
  if (only!.kind !== 'range') return undefined;
  const [begin, size] = [numberOf(only!.begin), numberOf(only!.size)];
  return begin === undefined || size === undefined ? undefined : {elements: x.elements.slice(begin, begin + size), scalar: false};
}
