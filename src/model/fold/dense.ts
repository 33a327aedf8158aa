import {DENSE_ACTIVATIONS, type DenseActivation} from '../graph/dense_op.js';
import {dataInputs, textAttr, type NodeDef} from '../graph/graph.js';
import type {Shape, ShapeTable} from '../graph/shape_table.js';
import {numberOf, same} from '../graph/size.js';
import {isFloat, makerOf, servesOnly, type Fold, type FoldResult} from './fold.js';

/** A product of a tensor of any rank with a matrix, and what is fused into it. */
export interface DenseProduct {
  readonly node: NodeDef;
  readonly input: string;
  readonly matrix: string;
  readonly turned: boolean;
  readonly bias: string | undefined;
  readonly activation: DenseActivation;
}

/** The product that a node is, when its second operand is a matrix, its first one is not transposed, and what is fused into it is known. */
export function denseProductOf(shapes: ShapeTable, node: NodeDef | undefined): DenseProduct | undefined {
  const flags = node && TRANSPOSES[node.op];
  if (node === undefined || flags === undefined) return undefined;
  const [input = '', matrix = '', bias, ...more] = dataInputs(node);
  const flag = (name: string): boolean => node.attr?.[name]?.b === true;
  if (flag(flags[0]) || shapes.rank(matrix) !== 2 || !isFloat(node) || more.length > 0) return undefined;
  const activation = activationOf(node, bias !== undefined);
  return activation && {node, input, matrix, turned: flag(flags[1]), bias, activation};
}

/** Ops of products, and the attributes that say whether their operands are transposed. */
const TRANSPOSES: Readonly<Record<string, readonly [string, string]>> = {
  BatchMatMul: ['adj_x', 'adj_y'],
  BatchMatMulV2: ['adj_x', 'adj_y'],
  MatMul: ['transpose_a', 'transpose_b'],
  _FusedMatMul: ['transpose_a', 'transpose_b'],
  SplatDense: ['transpose_a', 'transpose_b'],
};

/** What is applied to a product with its bias; undefined where something else is fused into it. */
function activationOf({op, attr}: NodeDef, biased: boolean): DenseActivation | undefined {
  if (op === 'SplatDense') return knownActivation(textAttr(attr?.['activation']));
  if (op !== '_FusedMatMul') return biased ? undefined : 'linear';
  const [first, second = 'linear', ...more] = (attr?.['fused_ops']?.list?.s ?? []).map((s) => textAttr({s}));
  if (first === undefined) return biased ? undefined : 'linear';
  return first === 'BiasAdd' && biased && more.length === 0 ? knownActivation(second) : undefined;
}

const knownActivation = (name: string): DenseActivation | undefined =>
  DENSE_ACTIVATIONS.find((each) => each === name.toLowerCase());

/** A node for a product of rows of any number of axes. It waits for nothing. */
export function denseNode(name: string, {input, matrix, turned, bias, activation}: Omit<DenseProduct, 'node'>): NodeDef {
  const T = {type: 'DT_FLOAT'};
  if (bias === undefined) {
    return {name, op: 'BatchMatMulV2', input: [input, matrix], attr: {T, adj_x: {b: false}, adj_y: {b: turned}}};
  }
  const attr = {T, transpose_b: {b: turned}, activation: {s: btoa(activation)}};
  return {name, op: 'SplatDense', input: [input, matrix, bias], attr};
}

const folded = (node: NodeDef): FoldResult => ({kind: 'dense layer', node});

/**
 * A dense layer over the last axis, as Tensordot spells it: rows brought together by a Reshape, a product of matrices, a Reshape back. The
 * product takes tensors of any rank as they are, and with the Reshapes the arithmetic on their sizes goes. Where the second Reshape does
 * more, such as splitting heads, it stays behind the product.
 */
export const tensordot: Fold = ({graph, shapes, builder}, node) => {
  if (node.op !== 'Reshape') return undefined;
  const [first, target = ''] = dataInputs(node);
  const product = denseProductOf(shapes, makerOf(graph, first));
  const flat = makerOf(graph, product?.input);
  if (product === undefined || flat?.op !== 'Reshape') return undefined;
  const [input = ''] = dataInputs(flat);
  const [from, rows, to, matrix] = [input, flat.name, node.name, product.matrix].map((each) => shapes.of(each));
  if (from === undefined || from.length < 2 || rows?.length !== 2 || to === undefined || matrix === undefined) {
    return {reason: `the shape of '${input}' in front of the product '${product.node.name}' is not known`};
  }
  const [inner, outer] = product.turned ? [matrix[1], matrix[0]] : matrix;
  if (!same(from.at(-1), inner) || !same(rows[1], inner)) {
    // Windows and pixels are such rows.
    return {reason: `the product '${product.node.name}' cannot be proven to take the rows that '${input}' has`};
  }
  if (!servesOnly(graph, product.node.name, node.name)) return {reason: `the product '${product.node.name}' is read by others too`};
  if (same(to.at(-1), outer) && sameRows(from, to)) return folded(denseNode(node.name, {...product, input}));
  const {op, input: operands, attr} = denseNode('', {...product, input});
  const rest = builder.add(`${product.node.name}/rows`, op, operands!, attr);
  return folded({name: node.name, op: 'Reshape', input: [rest, target], attr: {T: {type: 'DT_FLOAT'}}});
};

/** Whether all axes but the last are the same; of one that a run decides, the number of elements tells. */
function sameRows(from: Shape, to: Shape): boolean {
  if (from.length !== to.length) return false;
  return from.slice(0, -1).filter((size, axis) => !same(size, to[axis])).length <= 1;
}

/** A bias that is added to a product of a tensor and a matrix joins it. */
export const fusedBias: Fold = ({graph, shapes, weights}, node) => {
  const inputs = dataInputs(node);
  const sides = sidesOf(node, inputs);
  for (const [left, right] of sides) {
    const product = denseProductOf(shapes, makerOf(graph, left));
    if (product === undefined || product.bias !== undefined || (shapes.rank(product.input) ?? 0) < 2) continue;
    const vector = makerOf(graph, right);
    const [own, whole] = [shapes.of(right), shapes.of(product.node.name)];
    if (own?.length !== 1 || !same(own[0], whole?.at(-1)) || numberOf(own[0]) === undefined) continue;
    if (vector?.op !== 'Const' || weights.constants.dtype(vector.name) !== 'float32') continue;
    if (!servesOnly(graph, product.node.name, node.name)) {
      return {reason: `the product '${product.node.name}' is read without its bias too`};
    }
    return folded(denseNode(node.name, {...product, bias: right}));
  }
  return undefined;
};

function sidesOf(node: NodeDef, [a = '', b = '']: readonly string[]): (readonly [string, string])[] {
  if (node.op === 'BiasAdd') return textAttr(node.attr?.['data_format']).startsWith('NC') ? [] : [[a, b]];
  if ((node.op !== 'AddV2' && node.op !== 'Add') || !isFloat(node)) return [];
  return [
    [a, b],
    [b, a],
  ];
}

/** A bias for each feature of each head is added before the Reshape that splits heads, so that the product can take it. */
export const biasOfHeads: Fold = ({graph, shapes, builder}, node) => {
  if (node.op !== 'AddV2' && node.op !== 'Add') return undefined;
  for (const [left, right] of sidesOf(node, dataInputs(node))) {
    const split = makerOf(graph, left);
    const own = makerOf(graph, right)?.op === 'Const' ? shapes.of(right)?.map(numberOf) : undefined;
    if (split?.op !== 'Reshape' || own === undefined || own.length < 2 || own.includes(undefined)) continue;
    const [input = '', target = ''] = dataInputs(split);
    const [from, to] = [shapes.of(input), shapes.of(split.name)];
    const size = (own as number[]).reduce((a, b) => a * b, 1);
    if (denseProductOf(shapes, makerOf(graph, input)) === undefined || numberOf(from?.at(-1)) !== size || to === undefined)
      continue;
    if (to.length <= own.length || !own.every((each, i) => numberOf(to.at(i - own.length)) === each)) continue;
    if (!servesOnly(graph, split.name, node.name)) continue;
    const flat = builder.add(`${node.name}/bias`, 'Reshape', [right, builder.integers([size])], {T: {type: 'DT_FLOAT'}});
    const sum = builder.add(`${node.name}/flat`, 'AddV2', [input, flat], {T: {type: 'DT_FLOAT'}});
    return folded({name: node.name, op: 'Reshape', input: [sum, target], attr: {T: {type: 'DT_FLOAT'}}});
  }
  return undefined;
};

/** An activation behind a product with its bias joins it. */
export const fusedActivation: Fold = ({graph, shapes}, node) => {
  const activation = knownActivation(node.op);
  const product = activation && denseProductOf(shapes, makerOf(graph, dataInputs(node)[0]));
  if (product?.bias === undefined || product.activation !== 'linear') return undefined;
  if (!servesOnly(graph, product.node.name, node.name)) {
    return {reason: `the product '${product.node.name}' is read without its ${node.op} too`};
  }
  return folded(denseNode(node.name, {...product, activation: activation!}));
};
