import {dataInputs, type NodeDef} from '../graph/graph.js';
import type {Shape, ShapeTable} from '../graph/shape_table.js';
import {numberOf, same} from '../graph/size.js';
import {cutsOf} from '../graph/slices.js';

/** A tensor that holds the sum or maximum of each row of another one, and the nodes that make it; or why that is not certain. */
export type Restored = {readonly nodes: readonly string[]} | {readonly reason: string};

/** What leaves elements in their order. */
const VIEWS = ['Reshape', 'ExpandDims', 'Squeeze', 'StridedSlice', 'Slice', 'Pack'];
const REPEATS = ['BroadcastTo', 'Tile'];

/**
 * Whether a tensor is the `op` (Sum or Max) of `tensor` over its last axis, kept as 1 or put back behind: by ExpandDims, Reshape, a new
 * axis of a slice, and perhaps repeated to the size of `tensor`. A maximum may be one over further axes too: softmax sees neither.
 *
 * @param inverted Whether there is a Reciprocal on the way.
 * @returns undefined when it is something else.
 */
export function restoredFrom(
  shapes: ShapeTable,
  input: string,
  op: 'Sum' | 'Max',
  tensor: string,
  inverted: boolean,
): Restored | undefined {
  const {graph} = shapes;
  const nodes: NodeDef[] = [];
  let inversions = 0;
  let node = graph.producer(input);
  for (; node !== undefined && node.op !== op; node = graph.producer(dataInputs(node)[0] ?? '')) {
    if (node.op === 'Reciprocal') inversions++;
    else if (!REPEATS.includes(node.op) && !isView(shapes, node)) return undefined;
    nodes.push(node);
  }
  if (node === undefined || inversions !== Number(inverted)) return undefined;
  const kept = lastAxisOf(shapes, node, op, tensor);
  if (kept === undefined) return undefined;
  const moves = nodes.filter((each) => each.op !== 'Reciprocal');
  const names = [...nodes, node].map(({name}) => name);
  if (moves.length === 0 && kept) return {nodes: names};
  if (putsBack(shapes, moves, node, kept, shapes.of(tensor))) return {nodes: names};
  const what = moves.length === 0 ? 'nothing puts' : `the ${moves[0]!.op} '${moves[0]!.name}' cannot be proven to put`;
  return {reason: `${what} back the last axis of the ${op} '${node.name}' of its softmax`};
}

/** Whether a tensor is a Reciprocal, perhaps in another shape. */
export function isInverse(shapes: ShapeTable, input: string): boolean {
  const node = shapes.graph.producer(input);
  if (node === undefined || node.op === 'Reciprocal') return node !== undefined;
  return (REPEATS.includes(node.op) || isView(shapes, node)) && isInverse(shapes, dataInputs(node)[0] ?? '');
}

/** Whether the reduction of the last axis keeps it; undefined: it is another one. */
function lastAxisOf(shapes: ShapeTable, node: NodeDef, op: 'Sum' | 'Max', tensor: string): boolean | undefined {
  const [first = '', axesInput = ''] = dataInputs(node);
  if (shapes.graph.source(first)?.input !== shapes.graph.source(tensor)?.input) return undefined;
  const [rank, axes] = [shapes.rank(first), shapes.integers(axesInput) ?? []];
  const keeps = node.attr?.['keep_dims']?.b === true;
  const isLast = (axis: number): boolean => axis === -1 || axis + 1 === rank;
  if (axes.length === 1) return isLast(axes[0]!) ? keeps : undefined;
  return op === 'Max' && keeps && axes.some(isLast) ? true : undefined;
}

function isView(shapes: ShapeTable, node: NodeDef): boolean {
  if (node.op === 'Pack') return dataInputs(node).length === 1;
  if (node.op !== 'StridedSlice' && node.op !== 'Slice') return VIEWS.includes(node.op);
  const from = shapes.of(dataInputs(node)[0] ?? '');
  const cuts = cutsOf(shapes, node);
  return (
    cuts?.every(
      (cut) => cut.kind === 'new' || (cut.kind === 'range' && numberOf(cut.begin) === 0 && same(cut.size, from?.[cut.from])),
    ) ?? false
  );
}

/**
 * Whether the moves, the last one first, make of a reduction what stands beside `whole` as its last axis would, kept. Elements stay in
 * their order until they are repeated, so shapes decide.
 */
function putsBack(
  shapes: ShapeTable,
  moves: readonly NodeDef[],
  reduction: NodeDef,
  kept: boolean,
  whole: Shape | undefined,
): boolean {
  const [only] = moves;
  if (moves.length === 1 && !kept && only!.op === 'ExpandDims' && shapes.integer(dataInputs(only!)[1]) === -1) return true;
  if (whole === undefined) return false;
  const isColumn = (shape: Shape | undefined, last: (size: Shape[number]) => boolean): boolean =>
    shape?.length === whole.length && shape.every((size, i) => (i < whole.length - 1 ? same(size, whole[i]) : last(size)));
  const isOne = (size: Shape[number]): boolean => numberOf(size) === 1;
  const repeats = moves.filter(({op}) => REPEATS.includes(op)).length;
  // Repeated first and moved then, elements would be in another order.
  if (!moves.slice(0, repeats).every(({op}) => REPEATS.includes(op))) return false;
  const column = moves[repeats] ?? reduction;
  if (!isColumn(shapes.of(column.name), isOne)) return false;
  return moves.slice(0, repeats).every(({name}) => isColumn(shapes.of(name), (size) => isOne(size) || same(size, whole.at(-1))));
}
