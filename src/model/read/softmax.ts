import {dataInputs, passesThrough, type NodeDef} from '../graph/graph.js';
import {isInverse, restoredFrom} from './restored.js';
import type {ShapeTable} from '../graph/shape_table.js';

/** A softmax over the last axis, as one node or written out. */
export interface Softmax {
  /** The node whose output are the probabilities. */
  readonly node: NodeDef;
  /** What the softmax reads. */
  readonly logits: string;
  /** The nodes of the size of the scores that it consists of, by name. */
  readonly path: readonly string[];
  /** The nodes that hold sums and maxima of its rows. */
  readonly rows: readonly string[];
}

/** An Exp and a division that are no softmax over the last axis. */
export interface OtherQuotient {
  readonly node: NodeDef;
  readonly reason: string;
}

/** Every softmax of a graph in the order of its nodes, or, for one that is written out in another way, why it is none. */
export function softmaxesOf(shapes: ShapeTable): readonly (Softmax | OtherQuotient)[] {
  return shapes.graph.inOrder().flatMap((node): readonly (Softmax | OtherQuotient)[] => {
    const [first = ''] = dataInputs(node);
    if (node.op === 'Softmax') return [{node, logits: first, path: [node.name], rows: []}];
    const logarithm = node.op === 'Exp' ? shapes.graph.producer(first) : undefined;
    if (logarithm?.op === 'LogSoftmax') {
      return [{node, logits: dataInputs(logarithm)[0] ?? '', path: [node.name, logarithm.name], rows: []}];
    }
    return quotientsOf(shapes, node).map((quotient) => softmaxOf(shapes, node, quotient));
  });
}

interface Quotient {
  readonly numerator: string;
  readonly denominator: string;
  /** The denominator is already inverted, and multiplied with. */
  readonly inverted: boolean;
}

function quotientsOf(shapes: ShapeTable, node: NodeDef): readonly Quotient[] {
  const {graph} = shapes;
  const [a = '', b = ''] = dataInputs(node);
  const of = (numerator: string, denominator: string, inverted: boolean): Quotient[] => {
    if (graph.producer(numerator)?.op !== 'Exp' || (inverted && !isInverse(shapes, denominator))) return [];
    return [{numerator, denominator, inverted}];
  };
  if (node.op === 'RealDiv' || node.op === 'Div' || node.op === 'DivNoNan') return of(a, b, false);
  return node.op === 'Mul' ? [...of(a, b, true), ...of(b, a, true)] : [];
}

function softmaxOf(shapes: ShapeTable, node: NodeDef, {numerator, denominator, inverted}: Quotient): Softmax | OtherQuotient {
  const exponential = shapes.graph.producer(numerator)!;
  const sum = restoredFrom(shapes, denominator, 'Sum', exponential.name, inverted);
  if (sum === undefined) {
    return {node, reason: `its exponentials '${exponential.name}' are not divided by their sum over the last axis alone`};
  }
  if ('reason' in sum) return {node, reason: sum.reason};
  const [logits = ''] = dataInputs(exponential);
  const path = [node.name, exponential.name];
  const shifted = shapes.graph.producer(logits);
  if (shifted?.op !== 'Sub') return {node, logits, path, rows: sum.nodes};
  // The shift by the maximum of each row, which softmax does not see.
  const [raw = '', shift = ''] = dataInputs(shifted);
  const maximum = restoredFrom(shapes, shift, 'Max', raw, false);
  if (maximum === undefined) return {node, logits, path, rows: sum.nodes};
  if ('reason' in maximum) return {node, reason: maximum.reason};
  return {node, logits: raw, path: [...path, shifted.name], rows: [...sum.nodes, ...maximum.nodes]};
}

/** Whether a softmax that is written out gives away its insides to something else than their shape. */
export function readersOutside({graph}: ShapeTable, {path, rows}: Softmax): string | undefined {
  const own = new Set([...path, ...rows]);
  const inside = [...path.slice(1), ...rows];
  for (const name of inside) {
    if (graph.outputs.has(name)) return `'${name}', a part of its softmax, is an output of the model`;
    for (const {node, control} of graph.consumers(name)) {
      if (control || node.op === 'Shape' || own.has(node.name)) continue;
      if (!passesThrough(node)) return `'${node.name}' reads '${name}', a part of its softmax`;
      if (!inside.includes(node.name)) inside.push(node.name);
    }
  }
  return undefined;
}
