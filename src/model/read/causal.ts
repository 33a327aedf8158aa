import {dataInputs, type NodeDef} from '../graph/graph.js';
import {minus, numberOf, plus, same, sizeOf, type Size} from '../graph/size.js';
import {combined, positionsOf} from './positions.js';
import type {ShapeTable} from '../graph/shape_table.js';
import {cutsOf} from '../graph/slices.js';

/** Below this, no score comes back: a softmax gives nothing where it was added. */
export const FAR = -1000;

/** Where query 0 stands among the keys: at the first, or so that the last query stands at the last key. */
export type Alignment = 'first' | 'last' | 'both';

/** A tensor [.., queries, keys] that has one value where a key is no later than its query, and another where it is. */
export interface CausalMask {
  readonly alignment: Alignment;
  /** A number, or, for a constant that also holds other biases, the tensor itself. */
  readonly visible: number | string;
  readonly hidden: number;
}

/** What a tensor is as a causal mask made of lengths or constants; undefined when it is none, exactly. */
export function causalMaskOf(shapes: ShapeTable, node: NodeDef): CausalMask | undefined {
  const [first = '', second = ''] = dataInputs(node);
  switch (node.op) {
    case 'GreaterEqual':
      return compared(shapes, node, first, second, 0);
    case 'Greater':
      return compared(shapes, node, first, second, 1);
    case 'LessEqual':
      return compared(shapes, node, second, first, 0);
    case 'Less':
      return compared(shapes, node, second, first, 1);
    case 'Const':
      return triangle(shapes, node, node.name, sizeOf(0));
    case 'StridedSlice':
    case 'Slice':
      return slicedTriangle(shapes, node);
    default:
      return undefined;
  }
}

/** left − right ≥ least, for tensors of positions. */
function compared(shapes: ShapeTable, node: NodeDef, left: string, right: string, least: number): CausalMask | undefined {
  const difference = combined(positionsOf(shapes, left), positionsOf(shapes, right), -1);
  if (difference === undefined || difference.steps.length < 2) return undefined;
  const [queries, keys] = difference.steps.slice(-2);
  if (difference.steps.slice(0, -2).some((step) => step !== 0)) return undefined;
  const offset = minus(difference.start, sizeOf(least));
  if (queries === 1 && keys === -1) {
    // query − key + offset ≥ 0
    const alignment = alignmentOf(shapes, node.name, offset);
    return alignment && {alignment, visible: 1, hidden: 0};
  }
  if (queries === -1 && keys === 1) {
    // key − query + offset ≥ 0 is wrong just where query − key − offset − 1 ≥ 0.
    const alignment = alignmentOf(shapes, node.name, minus(sizeOf(-1), offset));
    return alignment && {alignment, visible: 0, hidden: 1};
  }
  return undefined;
}

/** How a mask that shows key ≤ query + offset stands to the pattern `causal`. */
function alignmentOf(shapes: ShapeTable, tensor: string, offset: Size): Alignment | undefined {
  const [queries, keys] = shapes.of(tensor)?.slice(-2) ?? [];
  if (queries === undefined || keys === undefined) return undefined;
  const [first, last] = [same(offset, sizeOf(0)), same(plus(queries, offset), keys)];
  return first && last ? 'both' : first ? 'first' : last ? 'last' : undefined;
}

/** A constant with a triangle. `tensor` is the constant or a slice of it, whose query 0 is its row `row`. */
function triangle(shapes: ShapeTable, {name}: NodeDef, tensor: string, row: Size): CausalMask | undefined {
  const shape = shapes.constants.shape(name) ?? [];
  const [rows = 0, columns = 0] = shape.slice(-2);
  if (shape.length < 2 || rows < 2 || columns < 2) return undefined;
  const values = shapes.constants.values(name);
  if (values === undefined) return undefined;
  for (const offset of new Set([0, columns - rows])) {
    const alignment = alignmentOf(shapes, tensor, plus(row, sizeOf(offset)));
    const parts = alignment && halves(values, rows, columns, offset);
    if (parts === undefined) continue;
    const {visible, hidden} = parts;
    if (visible === undefined && hidden > FAR) continue;
    return {alignment: alignment!, visible: visible ?? tensor, hidden};
  }
  return undefined;
}

/** The value of later keys, and that of the others when it is one; undefined when there is nothing to tell them apart by. */
function halves(
  values: readonly number[],
  rows: number,
  columns: number,
  offset: number,
): {visible: number | undefined; hidden: number} | undefined {
  let [lowest, highest] = [Infinity, -Infinity];
  let [leastHidden, mostHidden] = [Infinity, -Infinity];
  // Counted: what is hidden may be −∞ itself.
  let [seen, unseen] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const [key, query] = [i % columns, Math.floor(i / columns) % rows];
    if (key <= query + offset) {
      seen++;
      lowest = Math.min(lowest, value);
      highest = Math.max(highest, value);
    } else {
      unseen++;
      leastHidden = Math.min(leastHidden, value);
      mostHidden = Math.max(mostHidden, value);
    }
  }
  if (seen === 0 || unseen === 0) return undefined;
  const [far, near] = [mostHidden <= FAR, lowest > FAR];
  if (lowest === highest && (leastHidden === mostHidden || (far && near))) {
    return lowest === mostHidden ? undefined : {visible: lowest, hidden: mostHidden};
  }
  return far && near ? {visible: undefined, hidden: mostHidden} : undefined;
}

/** The corner of a constant that a model cuts out for its lengths. */
function slicedTriangle(shapes: ShapeTable, node: NodeDef): CausalMask | undefined {
  const source = shapes.graph.producer(dataInputs(node)[0] ?? '');
  const rank = source === undefined ? undefined : shapes.rank(source.name);
  if (source?.op !== 'Const' || rank === undefined || rank < 2) return undefined;
  const cuts = cutsOf(shapes, node) ?? [];
  const [queries, keys] = cuts.slice(-2);
  if (queries?.kind !== 'range' || keys?.kind !== 'range' || queries.from !== rank - 2 || keys.from !== rank - 1) return undefined;
  if (queries.begin === undefined || numberOf(keys.begin) !== 0) return undefined;
  const [rows, columns] = (shapes.constants.shape(source.name) ?? []).slice(-2);
  return rows === columns ? triangle(shapes, source, node.name, queries.begin) : undefined;
}
