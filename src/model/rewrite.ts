import type {Constants} from './constants.js';
import {
  controlInputs,
  Graph,
  modelOutputs,
  parseEdge,
  type FunctionDef,
  type GraphDef,
  type NodeDef,
  type Signature,
} from './graph.js';
import type {Addend} from './logits.js';
import {findAttentions, type Attention} from './match.js';

/** What a swap did to a model. `found` = replaced + left. */
export interface SwapReport {
  readonly found: number;
  readonly replaced: readonly ReplacedAttention[];
  readonly left: readonly LeftAttention[];
}

/** An attention that is now one `SparseAttention` node. */
export interface ReplacedAttention {
  /** The node: the former product of probabilities and value, whose name its consumers know. */
  readonly name: string;
  /** The tensors that it reads. */
  readonly query: string;
  readonly key: string;
  readonly value: string;
  /** Added to the scaled scores: the masks and biases of the original, summed. */
  readonly bias?: string;
  readonly scale: number;
  /** Nodes of the original attention that still run because something else reads them: Shape(scores), or an output of the model. */
  readonly kept: readonly string[];
}

/** An attention that stayed as it was. */
export interface LeftAttention {
  /** Its softmax. */
  readonly name: string;
  readonly reason: string;
}

/** What every `SparseAttention` node of a model says. */
export interface NodeOptions {
  readonly pattern: string;
  readonly implementation: string;
}

/** Replaces every attention of the main graph that fits. Pure: the given topology is not changed. */
export function rewriteGraph(
  topology: GraphDef,
  constants: Constants,
  signature: Signature | undefined,
  options: NodeOptions,
): {topology: GraphDef; report: SwapReport} {
  const outputs = modelOutputs(topology.node, signature);
  const {attentions, misfits} = findAttentions({graph: new Graph(topology.node, outputs), constants});
  const left = [...misfits, ...(topology.library?.function ?? []).flatMap((body) => attentionsInside(body, constants))];

  const taken = new Set(topology.node.map(({name}) => name));
  const swaps = new Map(attentions.map((attention) => [attention.output.name, swap(attention, options, taken)]));
  const swapped = topology.node.flatMap((node) => swaps.get(node.name)?.nodes ?? [node]);
  const orphans = attentions.flatMap(({output}) => output.input ?? []).map((input) => parseEdge(input).name);
  const node = sweep(swapped, orphans, outputs);

  const alive = new Set(node.map(({name}) => name));
  const replaced = attentions.map(({output, query, key, value, scale, path}) => {
    const bias = swaps.get(output.name)!.bias;
    return {name: output.name, query, key, value, ...(bias && {bias}), scale, kept: path.filter((name) => alive.has(name))};
  });
  return {topology: {...topology, node}, report: {found: replaced.length + left.length, replaced, left}};
}

/** The nodes that stand for an attention, the one of its name last, and the name of its bias. */
function swap(attention: Attention, options: NodeOptions, taken: Set<string>): {nodes: NodeDef[]; bias: string | undefined} {
  const {output, query, key, value, scale, addends} = attention;
  const type = output.attr?.['T'];
  const {nodes, bias} = sum(addends, `${output.name}/sparse_attention/bias`, type && {T: type}, taken);
  const node = {
    name: output.name,
    op: 'SparseAttention',
    input: [query, key, value, ...(bias === undefined ? [] : [bias]), ...controlInputs(output)],
    attr: {
      pattern: {s: btoa(options.pattern)},
      scale: {f: scale},
      implementation: {s: btoa(options.implementation)},
      // TensorFlow.js shows control inputs to an op like any other: this says whether the fourth is a bias.
      has_bias: {b: bias !== undefined},
    },
  };
  return {nodes: [...nodes, node], bias};
}

/** The nodes that sum the addends (none for one addend, which exists already) and the name of the sum. */
function sum(
  addends: readonly Addend[],
  name: string,
  attr: NodeDef['attr'],
  taken: Set<string>,
): {nodes: NodeDef[]; bias: string | undefined} {
  const positiveFirst = [...addends].sort((a, b) => Number(a.negated) - Number(b.negated));
  const nodes: NodeDef[] = [];
  let bias: string | undefined;
  const add = (op: string, input: readonly string[]): void => {
    bias = fresh(name, taken);
    nodes.push({name: bias, op, input, attr: attr ?? {}});
  };
  for (const {input, negated} of positiveFirst) {
    if (bias !== undefined) add(negated ? 'Sub' : 'AddV2', [bias, input]);
    else if (negated) add('Neg', [input]);
    else bias = input;
  }
  return {nodes, bias};
}

function fresh(name: string, taken: Set<string>): string {
  let candidate = name;
  for (let i = 1; taken.has(candidate); i++) candidate = `${name}_${i}`;
  taken.add(candidate);
  return candidate;
}

/** The nodes without those orphans, and what only they needed, that neither a node nor a control edge nor an output still needs. */
function sweep(nodes: readonly NodeDef[], orphans: readonly string[], outputs: ReadonlySet<string>): NodeDef[] {
  const alive = new Map(nodes.map((node) => [node.name, node]));
  const needs = new Map<string, number>();
  const inputs = (node: NodeDef): string[] => (node.input ?? []).map((input) => parseEdge(input).name);
  for (const name of nodes.flatMap(inputs)) needs.set(name, (needs.get(name) ?? 0) + 1);

  const suspects = [...orphans];
  for (let name = suspects.pop(); name !== undefined; name = suspects.pop()) {
    const node = alive.get(name);
    // A placeholder is the caller's to feed, used or not.
    if (node === undefined || (needs.get(name) ?? 0) > 0 || outputs.has(name) || node.op.startsWith('Placeholder')) continue;
    alive.delete(name);
    for (const input of inputs(node)) {
      needs.set(input, needs.get(input)! - 1);
      suspects.push(input);
    }
  }
  return nodes.filter(({name}) => alive.has(name));
}

/** Attentions in the body of a While, If or PartitionedCall. They are reported and stay: their constants arrive as arguments. */
function attentionsInside(body: FunctionDef, constants: Constants): LeftAttention[] {
  const nodes = body.nodeDef ?? [];
  const outputs = new Set(Object.values(body.ret ?? {}).map((name) => parseEdge(name).name));
  const {attentions, misfits} = findAttentions({graph: new Graph(nodes, outputs), constants});
  const softmaxes = [...attentions.map(({path}) => path[0]!), ...misfits.map(({name}) => name)];
  const reason = `it is inside the library function '${body.signature.name}'; only the main graph is rewritten`;
  return softmaxes.map((name) => ({name, reason}));
}
