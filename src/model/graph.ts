/** A TensorFlow GraphDef as a converted model.json spells it; only the fields that the rewrite reads. */
export interface GraphDef {
  readonly node: readonly NodeDef[];
  readonly library?: {readonly function?: readonly FunctionDef[]};
  readonly versions?: object;
}

export interface NodeDef {
  readonly name: string;
  readonly op: string;
  /** `name`, `name:port`, or `^name` for a control edge (wait for it, take nothing from it). */
  readonly input?: readonly string[];
  readonly attr?: Readonly<Record<string, AttrValue>>;
}

/** One attribute; exactly one field is set. Strings are base64, or byte arrays in files written before 2019. */
export interface AttrValue {
  readonly b?: boolean;
  readonly f?: number;
  readonly i?: number | string;
  readonly s?: string | readonly number[];
  readonly type?: string | number;
}

/** The body of a While, If or PartitionedCall. */
export interface FunctionDef {
  readonly signature: {readonly name: string};
  readonly nodeDef?: readonly NodeDef[];
  /** Output argument to the tensor returned for it. */
  readonly ret?: Readonly<Record<string, string>>;
}

/** An entry of `NodeDef.input`, taken apart. Function bodies write `name:argument:port`. */
export interface Edge {
  readonly name: string;
  readonly port: number;
  readonly control: boolean;
}

export function parseEdge(input: string): Edge {
  const control = input.startsWith('^');
  const parts = (control ? input.slice(1) : input).split(':');
  return {name: parts[0]!, port: parts.length > 1 ? Number(parts[parts.length - 1]) : 0, control};
}

/** Someone who needs a node: another node, by a data or a control edge. */
export interface Consumer {
  readonly node: NodeDef;
  readonly control: boolean;
}

/** A graph that can be asked who makes a tensor and who needs it. */
export class Graph {
  readonly nodes: ReadonlyMap<string, NodeDef>;
  private readonly consumersByName = new Map<string, Consumer[]>();

  /** `outputs` are the names of the nodes that the model returns; whatever else has no consumer is dead. */
  constructor(
    nodes: readonly NodeDef[],
    readonly outputs: ReadonlySet<string>,
  ) {
    this.nodes = new Map(nodes.map((node) => [node.name, node]));
    for (const node of nodes) {
      for (const input of node.input ?? []) {
        const {name, control} = parseEdge(input);
        const consumers = this.consumersByName.get(name);
        if (consumers === undefined) this.consumersByName.set(name, [{node, control}]);
        else consumers.push({node, control});
      }
    }
  }

  consumers(name: string): readonly Consumer[] {
    return this.consumersByName.get(name) ?? [];
  }

  /** The node that makes a tensor, seen through `Identity`; undefined for a second output, a control edge or an argument. */
  producer(input: string): NodeDef | undefined {
    const {name, port, control} = parseEdge(input);
    const node = this.nodes.get(name);
    if (node === undefined || port !== 0 || control) return undefined;
    return node.op === 'Identity' ? this.producer(dataInputs(node)[0] ?? '') : node;
  }
}

export function dataInputs(node: NodeDef): readonly string[] {
  return (node.input ?? []).filter((input) => !input.startsWith('^'));
}

export function controlInputs(node: NodeDef): readonly string[] {
  return (node.input ?? []).filter((input) => input.startsWith('^'));
}

/** The part of a model signature that says which nodes are outputs. */
export interface Signature {
  readonly outputs?: Readonly<Record<string, {readonly name: string}>>;
}

/** The nodes a model returns: those its signature names, or, as TensorFlow.js does without one, all that nobody consumes. */
export function modelOutputs(nodes: readonly NodeDef[], signature: Signature | undefined): Set<string> {
  const named = Object.values(signature?.outputs ?? {}).map(({name}) => parseEdge(name).name);
  if (named.length > 0) return new Set(named);
  const consumed = new Set(nodes.flatMap((node) => (node.input ?? []).map((input) => parseEdge(input).name)));
  return new Set(nodes.map(({name}) => name).filter((name) => !consumed.has(name)));
}
