import type {Constants} from './constants.js';
import {dataInputs, parseEdge, type Graph, type NodeDef} from './graph.js';

/** What a matcher looks at: who makes a tensor, and what the constants hold. */
export interface Context {
  readonly graph: Graph;
  readonly constants: Constants;
}

/** A tensor added to the scores, or taken from them. */
export interface Addend {
  readonly input: string;
  readonly negated: boolean;
}

/** The normal form of what a softmax of attention reads: scale · query·keyᵀ + Σ ± addend. */
export interface Logits {
  readonly query: string;
  readonly key: string;
  readonly scale: number;
  readonly addends: readonly Addend[];
  /** The nodes that computed it, from the softmax's operand to the product, by name. */
  readonly path: readonly string[];
}

/** Batched products, the first and last node of an attention. TF1 files say `BatchMatMul`. */
export const MATMULS: readonly string[] = ['BatchMatMul', 'BatchMatMulV2', 'BatchMatMulV3'];

/** Where attention ends and another layer begins, or where nothing but a shape goes on. */
const BOUNDARIES: readonly string[] = [
  ...['MatMul', '_FusedMatMul', 'Conv2D', '_FusedConv2D', 'DepthwiseConv2dNative', 'FusedDepthwiseConv2dNative'],
  ...['Softmax', 'LogSoftmax', 'Shape'],
];

/**
 * The logits that a softmax reads, or, when they are not of the normal form, why.
 *
 * A scale may come before the product (on query or key) or after it, as a product with or a division by a constant of one element.
 * The addends may stand on either side of an Add, AddV2 or AddN, nested in any way, or be subtracted. A constant scalar addend is
 * left out: softmax does not see a shift of a whole row. (HF models saved since TF 2.12 add 1e-9 in every layer.)
 */
export function readLogits(context: Context, input: string): Logits | string {
  const node = context.graph.producer(input);
  if (node === undefined) return `'${input}', which the softmax depends on, cannot be followed to a product of query and key`;
  const operands = dataInputs(node);
  switch (node.op) {
    case 'Mul':
    case 'RealDiv':
    case 'Div':
      return readScaled(context, node, operands);
    case 'Add':
    case 'AddV2':
    case 'AddN':
    case 'Sub':
      return readSum(context, node, operands);
    case 'Einsum':
      return `the scores are the Einsum '${node.name}' (${equation(node)}); only batched matrix products are swapped`;
    default:
      if (MATMULS.includes(node.op)) return readProduct(context, node, operands);
      return `the ${node.op} '${node.name}' stands between the product of query and key and the softmax`;
  }
}

function readProduct(context: Context, node: NodeDef, [left = '', right = '']: readonly string[]): Logits | string {
  if (node.attr?.['adj_x']?.b === true) return `'${node.name}' takes the query transposed, as [.., headDim, queries]`;
  if (node.attr?.['adj_y']?.b !== true) return `'${node.name}' takes the key transposed, as [.., headDim, keys]`;
  const query = peelScale(context, left);
  const key = peelScale(context, right);
  return {query: query.input, key: key.input, scale: query.scale * key.scale, addends: [], path: [node.name]};
}

function readScaled(context: Context, node: NodeDef, [left = '', right = '']: readonly string[]): Logits | string {
  const scaled = scaleOf(context, node, left, right);
  if (scaled === undefined) {
    if (node.op !== 'Mul') return `'${node.name}' divides by, or is divided from, something else than a constant scalar`;
    return `'${node.name}' multiplies the scores by a tensor; a mask must be added, and a scale must be a constant scalar`;
  }
  const logits = readLogits(context, scaled.input);
  if (typeof logits === 'string') return logits;
  if (logits.addends.length > 0) return `'${node.name}' scales the scores after a mask was added`;
  return {...logits, scale: logits.scale * scaled.scale, path: [node.name, ...logits.path]};
}

function readSum(context: Context, node: NodeDef, operands: readonly string[]): Logits | string {
  const terms = operands.map((operand) => readLogits(context, operand));
  const fitting = terms.flatMap((term, index) => (typeof term === 'string' ? [] : [{term, index}]));
  if (fitting.length > 1) return `'${node.name}' adds two products; which of them is query times key cannot be told`;
  const found = fitting[0];
  if (found === undefined) {
    const scores = operands.findIndex((operand) => leadsToProduct(context, operand));
    return terms[Math.max(scores, 0)] as string;
  }
  if (node.op === 'Sub' && found.index === 1) return `'${node.name}' subtracts the scores`;
  const others = operands.filter((_, index) => index !== found.index);
  const addends = others.flatMap((other) => readAddend(context, other, node.op === 'Sub'));
  return {...found.term, addends: [...found.term.addends, ...addends], path: [node.name, ...found.term.path]};
}

/** An addend without the constant scalars in it; nothing when it is one. */
function readAddend(context: Context, input: string, negated: boolean): Addend[] {
  if (isFiniteScalar(context, input)) return [];
  const node = context.graph.producer(input);
  if (node !== undefined && (node.op === 'Add' || node.op === 'AddV2')) {
    const operands = dataInputs(node);
    const rest = operands.filter((operand) => !isFiniteScalar(context, operand));
    if (rest.length < operands.length) return rest.flatMap((operand) => readAddend(context, operand, negated));
  }
  return [{input, negated}];
}

function isFiniteScalar(context: Context, input: string): boolean {
  return Number.isFinite(constantScalar(context, input));
}

function constantScalar({graph, constants}: Context, input: string): number | undefined {
  const node = graph.producer(input);
  return node?.op === 'Const' ? constants.scalar(node.name) : undefined;
}

/** The operand that a Mul or RealDiv scales and by what, or undefined when neither operand is a finite constant scalar. */
function scaleOf(context: Context, node: NodeDef, left: string, right: string): {input: string; scale: number} | undefined {
  const factor = (input: string): number => constantScalar(context, input) ?? NaN;
  const byRight = node.op === 'Mul' ? factor(right) : 1 / factor(right);
  if (Number.isFinite(byRight)) return {input: left, scale: byRight};
  const byLeft = node.op === 'Mul' ? factor(left) : NaN;
  return Number.isFinite(byLeft) ? {input: right, scale: byLeft} : undefined;
}

/** A query or key without the constant scale in front of it: one node and one tensor of its size less. */
function peelScale(context: Context, input: string): {input: string; scale: number} {
  const node = context.graph.producer(input);
  if (node === undefined || !['Mul', 'RealDiv', 'Div'].includes(node.op)) return {input, scale: 1};
  const [left = '', right = ''] = dataInputs(node);
  const scaled = scaleOf(context, node, left, right);
  if (scaled === undefined) return {input, scale: 1};
  const rest = peelScale(context, scaled.input);
  return {input: rest.input, scale: rest.scale * scaled.scale};
}

/** Whether a tensor comes from a batched product of two activations, with no other layer between. */
export function leadsToProduct(context: Context, input: string, seen = new Set<string>()): boolean {
  const node = context.graph.nodes.get(parseEdge(input).name);
  if (node === undefined || seen.has(node.name)) return false;
  seen.add(node.name);
  if (isProduct(context, node)) return true;
  return !isBoundary(node) && dataInputs(node).some((operand) => leadsToProduct(context, operand, seen));
}

/** Whether a tensor goes into a batched product of two activations, with no other layer between. */
export function reachesProduct(context: Context, name: string, seen = new Set<string>()): boolean {
  if (seen.has(name)) return false;
  seen.add(name);
  const readers = context.graph.consumers(name).filter(({control}) => !control);
  return readers.some(({node}) => isProduct(context, node) || (!isBoundary(node) && reachesProduct(context, node.name, seen)));
}

/** A dense layer, in any spelling, or another end of attention. */
function isBoundary({op}: NodeDef): boolean {
  return BOUNDARIES.includes(op) || isMatmulOrEinsum(op);
}

function isMatmulOrEinsum(op: string): boolean {
  return MATMULS.includes(op) || op === 'Einsum';
}

/** A batched product of two activations; with a constant matrix, or a constant of any rank in an Einsum, it is a dense layer. */
function isProduct({graph, constants}: Context, node: NodeDef): boolean {
  if (!isMatmulOrEinsum(node.op)) return false;
  return !dataInputs(node).some((operand) => {
    const maker = graph.producer(operand);
    return maker?.op === 'Const' && (node.op === 'Einsum' || (constants.shape(maker.name)?.length ?? 2) <= 2);
  });
}

function equation(node: NodeDef): string {
  const text = node.attr?.['equation']?.s ?? '';
  return typeof text === 'string' ? atob(text) : String.fromCharCode(...text);
}
