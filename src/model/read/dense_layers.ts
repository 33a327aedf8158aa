import {contractionOf} from '../graph/contraction.js';
import {dataInputs, parseEdge, type NodeDef} from '../graph/graph.js';
import type {ShapeTable} from '../graph/shape_table.js';

/** Where attention ends and another layer begins, or where nothing but a shape goes on. */
const BOUNDARIES: readonly string[] = [
  ...['MatMul', '_FusedMatMul', 'BatchMatMul', 'BatchMatMulV2', 'BatchMatMulV3', 'Einsum'],
  ...['Conv2D', '_FusedConv2D', 'DepthwiseConv2dNative', 'FusedDepthwiseConv2dNative'],
  ...['Softmax', 'LogSoftmax', 'Shape', 'Size', 'Rank'],
];

/** Whether a node multiplies two activations, as attention does. With a matrix of weights it is a dense layer. */
export function isProduct(shapes: ShapeTable, node: NodeDef): boolean {
  const product = contractionOf(shapes, node);
  // An Einsum that is not understood may be one; then the report says so.
  if (product === undefined) return node.op === 'Einsum' && !dataInputs(node).some((input) => isWeight(shapes, input));
  const [a, b] = product.operands;
  const shared = a.labels.filter((label) => b.labels.includes(label) && product.out.includes(label));
  return [a, b].every(({input, labels}) => {
    if (!isWeight(shapes, input)) return true;
    // Learned queries are weights too, but they have heads, which a matrix has not.
    return labels.length > 2 && shared.length > 0 && !(node.op !== 'Einsum' && shapes.rank(input) === 2);
  });
}

/** Whether a tensor is a constant, perhaps reshaped. */
export function isWeight({graph}: ShapeTable, input: string): boolean {
  for (let at = input, steps = 0; steps < 8; steps++) {
    const node = graph.producer(at);
    if (node?.op === 'Const') return true;
    if (node === undefined || !['Reshape', 'Transpose', 'Cast', 'ExpandDims', 'Squeeze'].includes(node.op)) return false;
    at = dataInputs(node)[0] ?? '';
  }
  return false;
}

/** Whether a tensor comes from a product of two activations, with no other layer between. */
export function leadsToProduct(shapes: ShapeTable, input: string): boolean {
  const seen = new Set<string>();
  const open = [input];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const node = shapes.graph.nodes.get(parseEdge(at).name);
    if (node === undefined || seen.has(node.name)) continue;
    seen.add(node.name);
    if (isProduct(shapes, node)) return true;
    if (!BOUNDARIES.includes(node.op)) open.push(...dataInputs(node));
  }
  return false;
}

/** Whether a tensor goes into a product of two activations, with no other layer between. */
export function reachesProduct(shapes: ShapeTable, name: string): boolean {
  const seen = new Set<string>([name]);
  const open = [name];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const {node, control} of shapes.graph.consumers(at)) {
      if (control || seen.has(node.name)) continue;
      seen.add(node.name);
      if (isProduct(shapes, node)) return true;
      if (!BOUNDARIES.includes(node.op)) open.push(node.name);
    }
  }
  return false;
}
