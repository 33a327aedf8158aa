import {controlInputs, dataInputs, parseEdge, textAttr, type NodeDef} from '../graph/graph.js';
import type {ShapeTable} from '../graph/shape_table.js';
import {numberOf, same} from '../graph/size.js';
import {cutsOf} from '../graph/slices.js';
import {makerOf, servesOnly, type Fold, type FoldContext} from './fold.js';

/** The axes of a tensor that has heads, and of one that has the features of all heads in one axis. */
const [APART, MERGED] = ['blhd', 'blf'];

/** An attention, and the axes of what it reads and writes. */
interface Heads {
  readonly reads: readonly string[];
  readonly writes: string;
  /** How many; undefined: only a run tells. */
  readonly heads: number | undefined;
}

function headsOf(shapes: ShapeTable, node: NodeDef | undefined): Heads | undefined {
  if (node?.op !== 'SparseAttention') return undefined;
  const [read = '', writes = ''] = textAttr(node.attr?.['axes']).split('->');
  const reads = read.split(',');
  const said = node.attr?.['heads']?.i;
  const at = reads[0]!.indexOf('h');
  const heads = said === undefined ? numberOf(shapes.of(dataInputs(node)[0] ?? '')?.[at]) : Number(said);
  return {reads, writes, heads};
}

const withAxes = (node: NodeDef, {reads, writes, heads}: Heads): NodeDef['attr'] => ({
  ...node.attr,
  axes: {s: btoa(`${reads.join()}->${writes}`)},
  heads: {i: heads!},
});

/** An attention reads what its projections give, [batch, length, heads · features]: the Reshape that splits heads goes. */
export const splitHeads: Fold = ({graph, shapes}, node) => {
  const own = headsOf(shapes, node);
  if (own?.heads === undefined) return undefined;
  const inputs = dataInputs(node);
  // Heads of keys and values may be fewer, then both have as many.
  const said = node.attr?.['key_heads']?.i;
  const keyHeads = said === undefined ? numberOf(shapes.of(inputs[1]!)?.[own.reads[1]!.indexOf('h')]) : Number(said);
  const counts = [own.heads, keyHeads, keyHeads];
  const whole = own.reads.map((axes, role) =>
    axes === APART ? beforeSplit({graph, shapes}, inputs[role]!, counts[role]) : undefined,
  );
  if (whole.every((input) => input === undefined)) return undefined;
  const reads = own.reads.map((axes, role) => (whole[role] === undefined ? axes : MERGED!));
  const input = [...inputs.map((each, role) => whole[role] ?? each), ...controlInputs(node)];
  const grouped: NodeDef['attr'] = keyHeads === undefined || keyHeads === own.heads ? {} : {key_heads: {i: keyHeads}};
  return {kind: 'heads', node: {...node, input, attr: {...withAxes(node, {...own, reads}), ...grouped}}};
};

/** The tensor [batch, length, heads · features] in front of the Reshape that splits it. */
function beforeSplit(
  {graph, shapes}: Pick<FoldContext, 'graph' | 'shapes'>,
  input: string,
  heads: number | undefined,
): string | undefined {
  const split = makerOf(graph, input);
  if (split?.op !== 'Reshape') return undefined;
  const [whole = ''] = dataInputs(split);
  const [from, to] = [shapes.of(whole), shapes.of(split.name)];
  if (heads === undefined || from?.length !== 3 || to?.length !== 4 || numberOf(to[2]) !== heads) return undefined;
  const features = numberOf(to[3]);
  if (features === undefined || numberOf(from[2]) !== heads * features) return undefined;
  // Of the one that a run decides, the number of elements tells.
  return same(from[0], to[0]) || same(from[1], to[1]) ? whole : undefined;
}

/**
 * An attention writes [batch, length, heads · features] where a Reshape brings its heads together: to as many sequences as the query has, or
 * to rows for the product that follows.
 */
export const mergedHeads: Fold = (context, node) => {
  if (node.op !== 'Reshape') return undefined;
  const {graph, shapes, builder} = context;
  const [first = '', target = ''] = dataInputs(node);
  const attention = makerOf(graph, first);
  const own = headsOf(shapes, attention);
  if (attention === undefined || own?.writes !== APART || own.heads === undefined) return undefined;
  const [from, to] = [shapes.of(attention.name), shapes.of(node.name)];
  const features = numberOf(from?.[3]);
  const batch = shapes.of(dataInputs(attention)[0] ?? '')?.[own.reads[0]!.indexOf('b')];
  if (features === undefined || numberOf(from![2]) !== own.heads || numberOf(to?.at(-1)) !== own.heads * features) return undefined;
  if (batch === undefined || !own.reads[0]!.startsWith('b') || graph.outputs.has(attention.name)) return undefined;
  const others = graph.consumers(attention.name).filter((reader) => reader.node.name !== node.name);
  const inputs = attention.input ?? [];
  const attr = withAxes(attention, {...own, writes: MERGED!})!;
  if (to!.length === 3 && same(to![0], batch)) {
    if (!servesOnly(graph, attention.name, node.name)) return {reason: isApart(attention)};
    const as = {...attr, query_batch: {b: true}};
    return {kind: 'heads', node: {name: node.name, op: attention.op, input: [...inputs, ...controlInputs(node)], attr: as}};
  }
  if (!others.every((reader) => !reader.control && asksForRows(context, reader.node))) return {reason: isApart(attention)};
  const merged = builder.add(`${attention.name}/merged`, attention.op, inputs, attr);
  return {kind: 'heads', node: {...node, input: [merged, target, ...controlInputs(node)]}};
};

const isApart = ({name}: NodeDef): string => `the attention '${name}' is read with its heads apart too`;

/** Whether a node is the Shape of an attention, and only numbers of sequences and tokens are taken from it. */
function asksForRows({graph, shapes}: FoldContext, node: NodeDef): boolean {
  const readers = graph.consumers(node.name);
  return node.op === 'Shape' && !graph.outputs.has(node.name) && readers.every((reader) => isOfRows(shapes, reader.node));
}

/** Whether a node takes the first two elements, or one of them, of a vector. */
function isOfRows(shapes: ShapeTable, node: NodeDef): boolean {
  const [, indices, axis] = dataInputs(node);
  if (node.op === 'GatherV2' && shapes.integer(axis) === 0) return shapes.integers(indices)?.every(isRow) === true;
  const [cut, ...more] = node.op === 'StridedSlice' ? (cutsOf(shapes, node) ?? []) : [];
  return cut?.kind === 'index' && more.length === 0 && isRow(numberOf(cut.at));
}

const isRow = (index: number | undefined): boolean => index === 0 || index === 1;

/** The number of sequences and tokens of an attention, from the one with its heads merged where there is one. */
export const rowsOfMerged: Fold = ({graph, shapes, builder}, node) => {
  const shape = makerOf(graph, dataInputs(node)[0]);
  const attention = shape?.op === 'Shape' ? makerOf(graph, dataInputs(shape)[0]) : undefined;
  if (attention?.op !== 'SparseAttention' || !isOfRows(shapes, node)) return undefined;
  const twin = graph
    .consumers(parseEdge(dataInputs(attention)[0]!).name)
    .map((reader) => reader.node)
    .find((other) => other !== attention && isMergedTwin(attention, other));
  if (twin === undefined) return undefined;
  const of = builder.add(`${twin.name}/shape`, 'Shape', [twin.name], {out_type: {type: 'DT_INT32'}});
  return {kind: 'heads', node: {...node, input: [of, ...(node.input ?? []).slice(1)]}};
};

/** Whether a node is the same attention with its heads merged. */
function isMergedTwin(attention: NodeDef, other: NodeDef): boolean {
  if (other.op !== attention.op || other.input?.join() !== attention.input?.join()) return false;
  const [axes, others] = [attention, other].map(({attr}) => textAttr(attr?.['axes']).split('->'));
  return axes![0] === others![0] && others![1] === MERGED && other.attr?.['query_batch'] === undefined;
}
