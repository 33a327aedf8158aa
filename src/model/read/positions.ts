import {dataInputs, type NodeDef} from '../graph/graph.js';
import {numberOf, plus, same, sizeOf, times, type Size} from '../graph/size.js';
import type {Shape, ShapeTable} from '../graph/shape_table.js';
import {cutsOf} from '../graph/slices.js';

/** A tensor whose elements are a sum over its axes: steps[axis] · index + start, such as a Range. */
export interface Positions {
  readonly steps: readonly number[];
  readonly start: Size;
}

/** What a tensor of positions holds, when the graph tells: ranges and their sums, reshaped, sliced and repeated. */
export function positionsOf(shapes: ShapeTable, input: string, depth = 0): Positions | undefined {
  const node = shapes.graph.producer(input);
  if (node === undefined || depth > 24) return undefined;
  const inputs = dataInputs(node);
  const [first = '', second = ''] = inputs;
  const scalar = shapes.valueOf(node.name);
  if (scalar?.scalar) return scalar.elements[0] && {steps: [], start: scalar.elements[0]};
  const of = (tensor: string): Positions | undefined => positionsOf(shapes, tensor, depth + 1);
  switch (node.op) {
    case 'Const':
      return constantPositions(shapes, node);
    case 'Range': {
      const [start, step] = [shapes.valueOf(first)?.elements[0], shapes.integer(inputs[2])];
      return start && step !== undefined ? {steps: [step], start} : undefined;
    }
    case 'Cast':
      return of(first);
    case 'Cumsum':
      return counted(shapes, node, first, second);
    case 'Add':
    case 'AddV2':
      return combined(of(first), of(second), 1);
    case 'Sub':
      return combined(of(first), of(second), -1);
    case 'ExpandDims': {
      const [x, axis] = [of(first), shapes.integer(second)];
      if (x === undefined || axis === undefined) return undefined;
      return {...x, steps: x.steps.toSpliced(axis < 0 ? axis + x.steps.length + 1 : axis, 0, 0)};
    }
    case 'Transpose': {
      const [x, perm] = [of(first), shapes.integers(second)];
      return x && perm && {...x, steps: perm.map((axis) => x.steps[axis] ?? 0)};
    }
    case 'Reshape':
      return reshaped(of(first), shapes.of(first), shapes.of(node.name));
    case 'StridedSlice':
      return sliced(of(first), shapes, node);
    case 'Tile': {
      const [x, multiples] = [of(first), shapes.valueOf(second)?.elements];
      return x?.steps.every((step, i) => step === 0 || numberOf(multiples?.[i]) === 1) ? x : undefined;
    }
    case 'BroadcastTo': {
      const [x, shape] = [of(first), shapes.of(node.name)];
      return x && shape && {...x, steps: [...Array<number>(shape.length - x.steps.length).fill(0), ...x.steps]};
    }
    default:
      return undefined;
  }
}

/** Ranges that were folded into a constant: [0, 1, 2 …], also as a column. */
function constantPositions({constants}: ShapeTable, {name}: NodeDef): Positions | undefined {
  const shape = constants.shape(name);
  const values = constants.values(name);
  if (shape === undefined || values === undefined || values.length === 0 || !values.every(Number.isInteger)) return undefined;
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const steps = shape.map((size, axis) => (size > 1 ? values[strides[axis]!]! - values[0]! : 0));
  const holds = values.every((value, i) => {
    const sum = steps.reduce((total, step, axis) => total + step * (Math.floor(i / strides[axis]!) % shape[axis]!), values[0]!);
    return value === sum;
  });
  return holds ? {steps, start: sizeOf(values[0]!)} : undefined;
}

/** The running sum of ones along an axis. A negative one TensorFlow.js does not understand, see `stock.ts`. */
function counted(shapes: ShapeTable, node: NodeDef, ones: string, axisInput: string): Positions | undefined {
  const shape = shapes.of(ones);
  const axis = shapes.integer(axisInput);
  if (shape === undefined || axis === undefined || axis < 0 || !isOnes(shapes, ones) || node.attr?.['reverse']?.b === true)
    return undefined;
  return {steps: shape.map((_, i) => Number(i === axis)), start: sizeOf(node.attr?.['exclusive']?.b === true ? 0 : 1)};
}

function isOnes(shapes: ShapeTable, input: string): boolean {
  const node = shapes.graph.producer(input);
  if (node?.op === 'Const') return shapes.constants.uniform(node.name) === 1;
  if (node?.op === 'OnesLike') return true;
  return (node?.op === 'Fill' || node?.op === 'Cast') && isOnes(shapes, dataInputs(node)[node.op === 'Fill' ? 1 : 0] ?? '');
}

export function combined(a: Positions | undefined, b: Positions | undefined, sign: 1 | -1): Positions | undefined {
  if (a === undefined || b === undefined) return undefined;
  const rank = Math.max(a.steps.length, b.steps.length);
  const at = ({steps}: Positions, axis: number): number => steps[axis - rank + steps.length] ?? 0;
  return {
    steps: Array.from({length: rank}, (_, axis) => at(a, axis) + sign * at(b, axis)),
    start: plus(a.start, times(b.start, sizeOf(sign))),
  };
}

/** A reshape that only adds or drops axes of size 1. */
function reshaped(x: Positions | undefined, from: Shape | undefined, to: Shape | undefined): Positions | undefined {
  if (x === undefined || from === undefined || to === undefined || from.length !== x.steps.length) return undefined;
  const kept = from.map((size, axis) => ({size, step: x.steps[axis]!})).filter(({size}) => numberOf(size) !== 1);
  const steps: number[] = [];
  for (const size of to) {
    if (numberOf(size) === 1) steps.push(0);
    else if (kept.length > 0 && same(size, kept[0]!.size)) steps.push(kept.shift()!.step);
    else return undefined;
  }
  return kept.length === 0 ? {...x, steps} : undefined;
}

function sliced(x: Positions | undefined, shapes: ShapeTable, node: NodeDef): Positions | undefined {
  const cuts = x && cutsOf(shapes, node);
  if (x === undefined || cuts === undefined) return undefined;
  let start: Size | undefined = x.start;
  const steps: number[] = [];
  for (const cut of cuts) {
    if (cut.kind === 'unknown') return undefined;
    if (cut.kind === 'new') {
      steps.push(0);
      continue;
    }
    const step = x.steps[cut.from] ?? 0;
    const at = cut.kind === 'index' ? cut.at : cut.begin;
    start = start && at && plus(start, times(at, sizeOf(step)));
    if (cut.kind === 'range') steps.push(step);
  }
  return start && {steps, start};
}
