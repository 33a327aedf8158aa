import {dataInputs, parseEdge, type Consumer, type NodeDef} from './graph.js';
import {leadsToProduct, MATMULS, reachesProduct, readLogits, type Context, type Logits} from './logits.js';
import {shapeOf} from './shape.js';

/** The largest headDim and valueDim of `sparseAttention`. */
const MOST_FEATURES = 256;

/** output = softmax(scale · query·keyᵀ + Σ addends) · value, found in a graph. */
export interface Attention extends Logits {
  /** The product of probabilities and value; the node that the swap replaces. */
  readonly output: NodeDef;
  readonly value: string;
}

/** An attention that stays as it is. */
export interface Misfit {
  /** Its softmax. */
  readonly name: string;
  readonly reason: string;
}

export interface Found {
  readonly attentions: readonly Attention[];
  readonly misfits: readonly Misfit[];
}

/**
 * Every attention in a graph: a softmax between two batched products of activations, with no dense layer or convolution between.
 *
 * Any other softmax (a class head, the box decoder of YOLO) is no attention and is not mentioned; nor is a softmax written out in
 * Exp and Sum. Nodes are recognised by what they compute; their names say nothing (grappler calls a score product
 * `FoldTransposeIntoMatMul_MatMul` and a multiplication `truediv`).
 */
export function findAttentions(context: Context): Found {
  const attentions: Attention[] = [];
  const misfits: Misfit[] = [];
  for (const softmax of context.graph.nodes.values()) {
    if (softmax.op !== 'Softmax') continue;
    if (!leadsToProduct(context, dataInputs(softmax)[0] ?? '') || !reachesProduct(context, softmax.name)) continue;
    const match = readAttention(context, softmax);
    if (typeof match === 'string') misfits.push({name: softmax.name, reason: match});
    else attentions.push(match);
  }
  return {attentions, misfits};
}

function readAttention(context: Context, softmax: NodeDef): Attention | string {
  const logits = readLogits(context, dataInputs(softmax)[0] ?? '');
  if (typeof logits === 'string') return logits;
  const output = readOutput(context, softmax);
  if (typeof output === 'string') return output;
  const value = dataInputs(output)[1] ?? '';
  const attention = {...logits, output, value, path: [softmax.name, ...logits.path]};
  return badShapes(context, attention) ?? attention;
}

/** The one node that reads the probabilities, when it is their product with a value, else why not. */
function readOutput({graph}: Context, softmax: NodeDef): NodeDef | string {
  const readers = readersOf(softmax.name);
  if (typeof readers === 'string') return readers;
  const output = readers[0];
  if (readers.length !== 1 || output === undefined) {
    return `its probabilities are read by ${readers.map(({name}) => `'${name}'`).join(' and ')}; a swap never computes them`;
  }
  if (output.op === 'Einsum') return `the output is the Einsum '${output.name}'; only batched matrix products are swapped`;
  if (!MATMULS.includes(output.op)) {
    return `the ${output.op} '${output.name}' stands between the softmax and the product with the value`;
  }
  if (graph.producer(dataInputs(output)[0] ?? '') !== softmax) return `in '${output.name}' the value is the first factor`;
  if (output.attr?.['adj_x']?.b === true) return `'${output.name}' takes the probabilities transposed`;
  if (output.attr?.['adj_y']?.b === true) return `'${output.name}' takes the value transposed, as [.., valueDim, keys]`;
  return output;

  /** Readers of the probabilities, through Identity, once for each time they read them. */
  function readersOf(name: string): NodeDef[] | string {
    if (graph.outputs.has(name)) return `its probabilities ('${name}') are an output of the model`;
    const readers: NodeDef[] = [];
    for (const {node, control} of graph.consumers(name) as readonly Consumer[]) {
      if (control) return `'${node.name}' waits for it by a control edge`;
      const further = node.op === 'Identity' ? readersOf(node.name) : [node];
      if (typeof further === 'string') return further;
      readers.push(...further);
    }
    return readers;
  }
}

/** Why the shapes, where the graph tells them, do not suit `sparseAttention`. The rest is checked when the op runs. */
function badShapes(context: Context, attention: Attention): string | undefined {
  const {query, key, value, addends} = attention;
  for (const [role, input] of Object.entries({query, key, value})) {
    const shape = shapeOf(context, input);
    if (shape === undefined) continue;
    const name = parseEdge(input).name;
    if (shape.length !== 3 && shape.length !== 4) return `its ${role} '${name}' has rank ${shape.length}, not 3 or 4`;
    const features = shape[shape.length - 1] ?? 0;
    if (features > MOST_FEATURES) return `its ${role} '${name}' has ${features} features per head; the op takes ${MOST_FEATURES}`;
  }
  const high = addends.find(({input}) => (shapeOf(context, input)?.length ?? 0) > 4);
  return high && `the addend '${parseEdge(high.input).name}' has a rank above 4`;
}
