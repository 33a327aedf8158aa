import {dataInputs, numberAttr, type NodeDef} from './graph.js';
import {minus, numberOf, sizeOf, type Size} from './size.js';
import type {Shape, ShapeTable} from './shape_table.js';

/** What a StridedSlice or Slice does along one axis of its output, or, for `index`, to one that is not in it. */
export type Cut =
  /** From `begin` to `end` in steps of 1; undefined: only a run tells. */
  | {readonly kind: 'range'; readonly from: number; readonly begin: Size | undefined; readonly size: Size | undefined}
  | {readonly kind: 'new'}
  | {readonly kind: 'index'; readonly from: number; readonly at: Size | undefined}
  | {readonly kind: 'unknown'; readonly from: number};

/** The axes of a slice, in the order of its output; undefined when the graph does not tell. */
export function cutsOf(shapes: ShapeTable, node: NodeDef): readonly Cut[] | undefined {
  const [tensor = '', begins = '', ends = '', steps = ''] = dataInputs(node);
  const shape = shapes.of(tensor);
  if (shape === undefined) return undefined;
  const begin = shapes.valueOf(begins)?.elements;
  const end = shapes.valueOf(ends)?.elements;
  if (begin === undefined || end === undefined) return undefined;
  if (node.op === 'Slice') {
    return begin.map((at, axis) => {
      const size = numberOf(end[axis]) === -1 ? at && minus(shape[axis]!, at) : end[axis];
      return {kind: 'range', from: axis, begin: at, size};
    });
  }
  const step = shapes.integers(steps);
  if (step === undefined) return undefined;
  const has = (mask: string, i: number): boolean => (numberAttr(node, mask) & (1 << i)) !== 0;
  let axis = 0;
  const whole = (count: number): Cut[] =>
    Array.from({length: count}, () => ({kind: 'range', from: axis, begin: sizeOf(0), size: shape[axis++]!}));
  // The ellipsis stands for as many axes as the others leave.
  const named = begin.filter((_, i) => !has('ellipsis_mask', i) && !has('new_axis_mask', i)).length;
  const cuts = begin.flatMap((at, i): Cut | Cut[] => {
    if (has('ellipsis_mask', i)) return whole(Math.max(0, shape.length - named));
    if (has('new_axis_mask', i)) return {kind: 'new'};
    const from = axis++;
    const length = shape[from];
    if (length === undefined) return {kind: 'unknown', from};
    if (has('shrink_axis_mask', i)) return {kind: 'index', from, at: fromEnd(at, length)};
    if (step[i] !== 1) return {kind: 'unknown', from};
    const first = has('begin_mask', i) ? sizeOf(0) : fromEnd(at, length);
    const last = has('end_mask', i) ? length : clipped(fromEnd(end[i], length), length);
    return {kind: 'range', from, begin: first, size: first && last && minus(last, first)};
  });
  return [...cuts, ...whole(shape.length - axis)];
}

/** The shape of a slice. */
export function sliceShape(shapes: ShapeTable, node: NodeDef): Shape | undefined {
  const cuts = cutsOf(shapes, node)?.filter(({kind}) => kind !== 'index');
  return cuts?.map((cut, axis) =>
    cut.kind === 'new' ? sizeOf(1) : (cut.kind === 'range' && cut.size) || shapes.unknown(node.name, axis),
  );
}

/** Negative positions count from the end; where that would be before the first element is known for numbers only. */
function fromEnd(at: Size | undefined, length: Size): Size | undefined {
  const number = numberOf(at);
  if (number === undefined) return at !== undefined && [...at.values()].some((factor) => factor > 0) ? at : undefined;
  if (number >= 0) return at;
  const whole = numberOf(length);
  return whole === undefined ? undefined : sizeOf(whole + number);
}

/** An end behind the last element means the last. */
function clipped(end: Size | undefined, length: Size): Size | undefined {
  const [at, whole] = [numberOf(end), numberOf(length)];
  if (at !== undefined && whole !== undefined) return sizeOf(Math.min(at, whole));
  // A number that an unknown length may not reach.
  return at !== undefined && whole === undefined ? undefined : end;
}
