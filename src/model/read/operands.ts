import type {Folder} from './fold.js';
import {dataInputs, type NodeDef} from '../graph/graph.js';
import {keepsShape} from './growth.js';
import {numberOf, same, times} from '../graph/size.js';
import type {ShapeTable} from '../graph/shape_table.js';

/** A tensor that an attention may read instead of the operand of its product: what the nodes in front of it do, the op does itself. */
export interface Candidate {
  readonly input: string;
  /** A letter for each axis: b, h, l (queries or keys) and d (features); m for b and h merged; `*` for any leading axes. */
  readonly axes: readonly string[];
  /** The constant scale in between. */
  readonly scale: number;
  /** How many query heads read one head of it, one after the other. */
  readonly group: number;
}

/** Heads of a merged axis. */
export interface MergedHeads {
  readonly heads: number;
}

/**
 * The operand of a product and what it is made of, nearest first: seen through constant scales (of query and key), Transpose, the
 * reshape that merges batch and heads, and the repetition of heads of grouped queries.
 */
export function candidatesOf(
  shapes: ShapeTable,
  folder: Folder,
  start: Candidate,
  role: 'query' | 'key' | 'value',
  merge?: MergedHeads,
): Candidate[] {
  const found = [start];
  for (let last = start; found.length < 12; found.push(last)) {
    const node = shapes.graph.producer(last.input);
    const next = node && step(shapes, folder, last, node, role, merge);
    if (next === undefined) break;
    last = {...next, input: shapes.graph.source(next.input)?.input ?? next.input};
  }
  return found;
}

function step(
  shapes: ShapeTable,
  folder: Folder,
  last: Candidate,
  node: NodeDef,
  role: 'query' | 'key' | 'value',
  merge: MergedHeads | undefined,
): Candidate | undefined {
  const [first = '', second = ''] = dataInputs(node);
  switch (node.op) {
    case 'Mul':
    case 'RealDiv':
    case 'Div': {
      if (role === 'value') return undefined;
      const right = keepsShape(shapes, second, first) ? folder.number(second) : undefined;
      const byRight = right === undefined ? undefined : node.op === 'Mul' ? right : 1 / right;
      if (byRight !== undefined && Number.isFinite(byRight)) return {...last, input: first, scale: last.scale * byRight};
      const byLeft = node.op === 'Mul' && keepsShape(shapes, first, second) ? folder.number(first) : undefined;
      return byLeft !== undefined && Number.isFinite(byLeft) ? {...last, input: second, scale: last.scale * byLeft} : undefined;
    }
    case 'Transpose': {
      const perm = shapes.integers(second);
      if (perm?.length !== last.axes.length || last.axes[0] === '*') return undefined;
      const axes = Array<string>(perm.length);
      perm.forEach((axis, i) => (axes[axis] = last.axes[i]!));
      return {...last, input: first, axes};
    }
    case 'Reshape':
      return unmerged(shapes, last, node, merge) ?? (role === 'query' ? undefined : unrepeated(shapes, last, node));
    case 'GatherV2':
      return role === 'query' ? undefined : ungathered(shapes, last, node);
    default:
      return undefined;
  }
}

/** [batch, heads, l, d] in front of a reshape to [batch · heads, l, d]. */
function unmerged(shapes: ShapeTable, last: Candidate, node: NodeDef, merge: MergedHeads | undefined): Candidate | undefined {
  const [input = ''] = dataInputs(node);
  const [from, to] = [shapes.of(input), shapes.of(node.name)];
  if (last.axes[0] !== 'm' || merge === undefined || from?.length !== 4 || to?.length !== 3) return undefined;
  if (numberOf(from[1]) !== merge.heads || !same(times(from[0]!, from[1]!), to[0])) return undefined;
  return same(from[2], to[1]) && same(from[3], to[2]) ? {...last, input, axes: ['b', 'h', ...last.axes.slice(1)]} : undefined;
}

/**
 * The few heads in front of ExpandDims, Tile (or BroadcastTo) and Reshape that repeat each of them `group` times in a row. Repeated as
 * a whole, one after the other (a Tile alone), heads would belong to other queries, and stay repeated.
 */
function unrepeated(shapes: ShapeTable, last: Candidate, reshape: NodeDef): Candidate | undefined {
  const {graph} = shapes;
  const at = last.axes.indexOf('h');
  const repeat = graph.producer(dataInputs(reshape)[0] ?? '');
  if (at < 0 || repeat === undefined || (repeat.op !== 'Tile' && repeat.op !== 'BroadcastTo')) return undefined;
  const [few = ''] = dataInputs(repeat);
  const [before, apart, whole] = [shapes.of(few), shapes.of(repeat.name), shapes.of(reshape.name)];
  if (before === undefined || apart?.length !== last.axes.length + 1 || whole === undefined) return undefined;
  const group = numberOf(apart[at + 1]);
  if (group === undefined || numberOf(before[at + 1]) !== 1 || !same(times(apart[at]!, apart[at + 1]!), whole[at]))
    return undefined;
  const others = (axes: readonly (typeof apart)[number][]): typeof axes => axes.filter((_, i) => i !== at && i !== at + 1);
  if (!others(apart).every((size, i) => same(size, whole.toSpliced(at, 1)[i]))) return undefined;
  if (!before.every((size, i) => i === at + 1 || same(size, apart[i]))) return undefined;
  const expand = graph.producer(few);
  const [input = ''] = expand === undefined ? [] : dataInputs(expand);
  const shape = shapes.of(input);
  if (expand === undefined || !['ExpandDims', 'Reshape', 'StridedSlice'].includes(expand.op)) return undefined;
  if (shape?.length !== last.axes.length || !shape.every((size, i) => same(size, before.toSpliced(at + 1, 1)[i]))) return undefined;
  return {...last, input, group: last.group * group};
}

/** The few heads that a Gather of [0, 0, 1, 1, …] repeats. */
function ungathered(shapes: ShapeTable, last: Candidate, gather: NodeDef): Candidate | undefined {
  const [input = '', indexInput, axisInput] = dataInputs(gather);
  const [indices, axis, shape] = [shapes.integers(indexInput), shapes.integer(axisInput), shapes.of(input)];
  const at = last.axes.indexOf('h');
  const heads = numberOf(shape?.[at]);
  if (indices === undefined || axis === undefined || shape?.length !== last.axes.length || heads === undefined) return undefined;
  const group = indices.length / heads;
  if ((axis < 0 ? axis + shape.length : axis) !== at || !Number.isInteger(group)) return undefined;
  return indices.every((index, i) => index === Math.floor(i / group)) ? {...last, input, group: last.group * group} : undefined;
}

/** A place where the output of an attention may go instead of its last product: behind the nodes that only move axes. */
export interface Exit {
  readonly node: NodeDef;
  readonly axes: readonly string[];
  /** The nodes before it, of which only the shape is asked for, with their axes. */
  readonly skipped?: ReadonlyMap<string, readonly string[]>;
}

/** The product of probabilities and value, and the transposes and the reshape behind it as long as nothing else reads them. */
export function exitsOf(shapes: ShapeTable, start: Exit, merge?: MergedHeads): Exit[] {
  const {graph} = shapes;
  const found = [start];
  for (let last = start; found.length < 4; found.push(last)) {
    const all = graph.consumers(last.node.name);
    const readers = all.filter(({node, control}) => control || node.op !== 'Shape');
    const [only] = readers;
    if (readers.length < all.length && (last.axes[0] === 'm' || last.axes[0] === '*')) break;
    const skipped = new Map([...(last.skipped ?? []), [last.node.name, last.axes] as const]);
    if (readers.length !== 1 || only === undefined || only.control || graph.outputs.has(last.node.name)) break;
    const [first = '', second] = dataInputs(only.node);
    if (graph.source(first)?.input !== last.node.name) break;
    const perm = only.node.op === 'Transpose' ? shapes.integers(second) : undefined;
    if (perm?.length === last.axes.length && last.axes[0] !== '*') {
      last = {node: only.node, axes: perm.map((axis) => last.axes[axis]!), skipped};
      continue;
    }
    const split = only.node.op === 'Reshape' && merge !== undefined && last.axes[0] === 'm' ? shapes.of(only.node.name) : undefined;
    const from = shapes.of(last.node.name);
    if (split?.length !== 4 || from?.length !== 3 || numberOf(split[1]) !== merge?.heads) break;
    if (!same(times(split[0]!, split[1]!), from[0]) || !same(split[2], from[1]) || !same(split[3], from[2])) break;
    last = {node: only.node, axes: ['b', 'h', ...last.axes.slice(1)], skipped};
  }
  return found;
}
