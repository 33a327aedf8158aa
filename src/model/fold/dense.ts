import {dataInputs, textAttr, type AttrValue, type NodeDef} from '../graph/graph.js';
import type {Shape, ShapeTable} from '../graph/shape_table.js';
import {numberOf, same} from '../graph/size.js';
import {isFloat, makerOf, servesOnly, type Fold, type FoldResult} from './fold.js';

/** A product of a tensor of any rank with a matrix, perhaps with what is fused into it. */
interface Product {
  readonly node: NodeDef;
  readonly input: string;
  readonly matrix: string;
  readonly turned: boolean;
  /** Names of the fused ops. */
  readonly fused: readonly string[];
}

/** The product that a node is, when its second operand is a matrix, and its first one is not transposed. */
function productOf(shapes: ShapeTable, node: NodeDef | undefined): Product | undefined {
  if (node === undefined) return undefined;
  const batched = node.op === 'BatchMatMulV2' || node.op === 'BatchMatMul';
  if (!batched && node.op !== 'MatMul' && node.op !== '_FusedMatMul') return undefined;
  const [input = '', matrix = ''] = dataInputs(node);
  const flag = (name: string): boolean => node.attr?.[name]?.b === true;
  if (flag(batched ? 'adj_x' : 'transpose_a') || shapes.rank(matrix) !== 2 || !isFloat(node)) return undefined;
  const fused = node.op === '_FusedMatMul' ? (node.attr?.['fused_ops']?.list?.s ?? []).map((s) => textAttr({s})) : [];
  return {node, input, matrix, turned: flag(batched ? 'adj_y' : 'transpose_b'), fused};
}

type Attributes = Readonly<Record<string, AttrValue>>;

/** It waits for nothing: `_FusedMatMul` would take what it waits for as an operand. */
const dense = (node: NodeDef, op: string, input: readonly string[], attr: Attributes): NodeDef => ({
  name: node.name,
  op,
  input,
  attr: {T: {type: 'DT_FLOAT'}, ...attr},
});

const named = (node: NodeDef, op: string, input: readonly string[], attr: Attributes): FoldResult => ({
  kind: 'dense layer',
  node: dense(node, op, input, attr),
});

/**
 * A dense layer over the last axis, as Tensordot spells it: rows brought together by a Reshape, a product of matrices, a Reshape back. The
 * product takes tensors of any rank as they are, and with the Reshapes the arithmetic on their sizes goes. Where the second Reshape does
 * more, such as splitting heads, it stays behind the product.
 */
export const tensordot: Fold = ({graph, shapes, builder}, node) => {
  if (node.op !== 'Reshape') return undefined;
  const [first, target = ''] = dataInputs(node);
  const product = productOf(shapes, makerOf(graph, first));
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
  const [, ...others] = dataInputs(product.node);
  const whole: NodeDef =
    product.fused.length > 0
      ? dense(node, '_FusedMatMul', [input, ...others], product.node.attr ?? {})
      : dense(node, 'BatchMatMulV2', [input, product.matrix], {adj_x: {b: false}, adj_y: {b: product.turned}});
  if (same(to.at(-1), outer) && sameRows(from, to)) return {kind: 'dense layer', node: whole};
  const rest = builder.add(`${product.node.name}/rows`, whole.op, dataInputs(whole), whole.attr);
  return named(node, 'Reshape', [rest, target], {});
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
    const product = productOf(shapes, makerOf(graph, left));
    if (product === undefined || product.fused.length > 0 || (shapes.rank(product.input) ?? 0) < 2) continue;
    const vector = makerOf(graph, right);
    const [own, whole] = [shapes.of(right), shapes.of(product.node.name)];
    if (own?.length !== 1 || !same(own[0], whole?.at(-1)) || numberOf(own[0]) === undefined) continue;
    if (vector?.op !== 'Const' || weights.constants.dtype(vector.name) !== 'float32') continue;
    if (!servesOnly(graph, product.node.name, node.name)) {
      return {reason: `the product '${product.node.name}' is read without its bias too`};
    }
    return named(node, '_FusedMatMul', [product.input, product.matrix, right], {
      ...{transpose_a: {b: false}, transpose_b: {b: product.turned}, num_args: {i: 1}},
      fused_ops: {list: {s: [btoa('BiasAdd')]}},
    });
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
    if (productOf(shapes, makerOf(graph, input)) === undefined || numberOf(from?.at(-1)) !== size || to === undefined) continue;
    if (to.length <= own.length || !own.every((each, i) => numberOf(to.at(i - own.length)) === each)) continue;
    if (!servesOnly(graph, split.name, node.name)) continue;
    const flat = builder.add(`${node.name}/bias`, 'Reshape', [right, builder.integers([size])], {T: {type: 'DT_FLOAT'}});
    const sum = builder.add(`${node.name}/flat`, 'AddV2', [input, flat], {T: {type: 'DT_FLOAT'}});
    return named(node, 'Reshape', [sum, target], {});
  }
  return undefined;
};

/** What the kernels of all backends apply in passing. */
const ACTIVATIONS: readonly string[] = ['Relu', 'Relu6', 'Elu', 'Sigmoid'];

/** An activation behind a product with its bias joins it. */
export const fusedActivation: Fold = ({graph, shapes}, node) => {
  if (!ACTIVATIONS.includes(node.op)) return undefined;
  const product = productOf(shapes, makerOf(graph, dataInputs(node)[0]));
  if (product?.fused.join() !== 'BiasAdd') return undefined;
  if (!servesOnly(graph, product.node.name, node.name)) {
    return {reason: `the product '${product.node.name}' is read without its ${node.op} too`};
  }
  const fused = {fused_ops: {list: {s: [btoa('BiasAdd'), btoa(node.op)]}}};
  return named(node, '_FusedMatMul', dataInputs(product.node), {...product.node.attr, ...fused});
};
