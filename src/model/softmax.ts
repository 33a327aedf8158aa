import {dataInputs, type NodeDef} from './graph.js';
import type {ShapeTable} from './shape_table.js';

/** A softmax over the last axis, as one node or written out. */
export interface Softmax {
  /** The node whose output are the probabilities. */
  readonly node: NodeDef;
  /** What the softmax reads. */
  readonly logits: string;
  /** The nodes it consists of, by name. */
  readonly path: readonly string[];
}

/** An Exp and a division that are no softmax over the last axis. */
export interface OtherQuotient {
  readonly node: NodeDef;
  readonly reason: string;
}

/** Every softmax of a graph in the order of its nodes, or, for one that is written out in another way, why it is none. */
export function softmaxesOf(shapes: ShapeTable): readonly (Softmax | OtherQuotient)[] {
  return shapes.graph.inOrder().flatMap((node): readonly (Softmax | OtherQuotient)[] => {
    if (node.op === 'Softmax') return [{node, logits: dataInputs(node)[0] ?? '', path: [node.name]}];
    const quotient = quotientOf(shapes, node);
    const exponential = quotient && shapes.graph.producer(quotient.numerator);
    if (quotient === undefined || exponential?.op !== 'Exp') return [];
    const reason = otherThanSum(shapes, exponential, quotient.denominator);
    if (reason !== undefined) return [{node, reason}];
    return [{node, ...shiftedLogits(shapes, exponential, [node.name, exponential.name])}];
  });
}

function quotientOf({graph}: ShapeTable, node: NodeDef): {numerator: string; denominator: string} | undefined {
  const [a = '', b = ''] = dataInputs(node);
  if (node.op === 'RealDiv' || node.op === 'Div' || node.op === 'DivNoNan') return {numerator: a, denominator: b};
  if (node.op !== 'Mul') return undefined;
  const sides = [
    [a, b],
    [b, a],
  ] as const;
  for (const [numerator, factor] of sides) {
    const reciprocal = graph.producer(factor);
    if (reciprocal?.op === 'Reciprocal') return {numerator, denominator: dataInputs(reciprocal)[0] ?? ''};
  }
  return undefined;
}

/** Why a denominator is not the sum of the exponentials over the last axis. */
function otherThanSum(shapes: ShapeTable, exponential: NodeDef, denominator: string): string | undefined {
  const sum = shapes.graph.producer(denominator);
  if (sum === undefined || !reduces(shapes, sum, 'Sum', exponential.name)) {
    return `its exponentials '${exponential.name}' are not divided by their sum over the last axis alone`;
  }
  return undefined;
}

/** Whether a node takes the sum or maximum of a tensor over its last axis, and keeps the axis. */
function reduces(shapes: ShapeTable, node: NodeDef, op: string, tensor: string): boolean {
  const [first = '', axes = ''] = dataInputs(node);
  if (node.op !== op || node.attr?.['keep_dims']?.b !== true) return false;
  if (shapes.graph.source(first)?.input !== shapes.graph.source(tensor)?.input) return false;
  const [axis, ...more] = shapes.integers(axes) ?? [];
  const rank = shapes.rank(first);
  return more.length === 0 && axis !== undefined && (axis === -1 || axis + 1 === rank);
}

/** What an exponential reads, without the shift by the maximum of each row, which softmax does not see. */
function shiftedLogits(shapes: ShapeTable, exponential: NodeDef, path: readonly string[]): Pick<Softmax, 'logits' | 'path'> {
  const {graph} = shapes;
  const [logits = ''] = dataInputs(exponential);
  const shifted = graph.producer(logits);
  if (shifted?.op !== 'Sub') return {logits, path};
  const [raw = '', shift = ''] = dataInputs(shifted);
  const maximum = graph.producer(shift);
  if (maximum === undefined || !reduces(shapes, maximum, 'Max', raw)) return {logits, path};
  return {logits: raw, path: [...path, shifted.name]};
}
