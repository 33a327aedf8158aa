import type {Context} from './logits.js';
import {dataInputs, type NodeDef} from './graph.js';

/** Sizes by dimension; undefined where only a run of the model tells. */
export type PartialShape = readonly (number | undefined)[];

/** Looking further up never told more in the graphs we have seen; it keeps a wide sum of sums cheap. */
const FARTHEST = 6;

/**
 * What the graph alone (constants, permutations, reshape targets) tells about the shape of a tensor; undefined: not even the rank.
 */
export function shapeOf(context: Context, input: string, distance = 0): PartialShape | undefined {
  const node = context.graph.producer(input);
  if (node === undefined || distance > FARTHEST) return undefined;
  const [first = '', second = ''] = dataInputs(node);
  const shape = (of: string): PartialShape | undefined => shapeOf(context, of, distance + 1);
  switch (node.op) {
    case 'Const':
      return context.constants.shape(node.name);
    case 'Transpose':
      return vectorOf(context, second)?.map((axis) => (axis === undefined ? undefined : shape(first)?.[axis]));
    case 'Reshape':
      return vectorOf(context, second)?.map((size) => (size === -1 ? undefined : size));
    case 'Neg':
      return shape(first);
    case 'Mul':
    case 'RealDiv':
    case 'Add':
    case 'AddV2':
    case 'Sub':
      return broadcast(shape(first), shape(second));
    default:
      return undefined;
  }
}

function broadcast(a: PartialShape | undefined, b: PartialShape | undefined): PartialShape | undefined {
  if (a === undefined || b === undefined) return undefined;
  const [long, short] = a.length >= b.length ? [a, b] : [b, a];
  const missing = long.length - short.length;
  // A size of 1 gives way to the other, an unknown one makes the result unknown.
  return long.map((size, i) => {
    const other = i < missing ? 1 : short[i - missing];
    return size === 1 ? other : other === 1 || other === size ? size : undefined;
  });
}

/** A permutation or reshape target; undefined where an element is computed, or as a whole when its length is unknown. */
function vectorOf(context: Context, input: string): PartialShape | undefined {
  const node = context.graph.producer(input);
  if (node?.op === 'Pack') return dataInputs(node).map((element) => elementOf(context, element));
  return node?.op === 'Const' ? constantVector(context, node) : undefined;
}

function constantVector({constants}: Context, node: NodeDef): PartialShape | undefined {
  const length = constants.shape(node.name)?.[0];
  return constants.values(node.name) ?? (length === undefined ? undefined : Array<undefined>(length).fill(undefined));
}

function elementOf({graph, constants}: Context, input: string): number | undefined {
  const node = graph.producer(input);
  return node?.op === 'Const' ? constants.values(node.name)?.[0] : undefined;
}
