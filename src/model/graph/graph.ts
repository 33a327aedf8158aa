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
  readonly shape?: {readonly dim?: readonly {readonly size?: number | string}[]; readonly unknownRank?: boolean};
  readonly list?: {readonly i?: readonly (number | string)[]; readonly s?: readonly (string | readonly number[])[]};
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

/** One spelling for each tensor: `name` for the first output of a node, `name:1` for the second. */
export function tensorName(input: string): string {
  const {name, port} = parseEdge(input);
  return port === 0 ? name : `${name}:${port}`;
}

/** Someone who needs a node: another node, by a data or a control edge. */
export interface Consumer {
  readonly node: NodeDef;
  readonly input: string;
  readonly control: boolean;
}

/** A tensor seen through `Identity`: where it is made, and by which node. */
export interface Source {
  readonly input: string;
  readonly node: NodeDef;
}

/** A graph that can be asked who makes a tensor and who needs it. */
export class Graph {
  readonly nodes: ReadonlyMap<string, NodeDef>;
  private readonly consumersByName = new Map<string, Consumer[]>();
  private readonly ops = new Map<string, boolean>();

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
        if (consumers === undefined) this.consumersByName.set(name, [{node, input, control}]);
        else consumers.push({node, input, control});
      }
    }
  }

  consumers(name: string): readonly Consumer[] {
    return this.consumersByName.get(name) ?? [];
  }

  /** Whether there is a node of an op that a pattern fits. */
  isAny(op: RegExp): boolean {
    const key = op.source;
    let known = this.ops.get(key);
    if (known === undefined) {
      known = [...this.nodes.values()].some((node) => op.test(node.op));
      this.ops.set(key, known);
    }
    return known;
  }

  /** The node that makes a tensor, seen through `Identity`; undefined for a second output, a control edge or an argument. */
  producer(input: string): NodeDef | undefined {
    const source = this.source(input);
    return source !== undefined && parseEdge(source.input).port === 0 ? source.node : undefined;
  }

  /** As `producer`, for any output, with the name of the tensor. */
  source(input: string): Source | undefined {
    const seen = new Set<string>();
    for (let at = input; ;) {
      const {name, port, control} = parseEdge(at);
      const node = this.nodes.get(name);
      if (node === undefined || control || seen.has(name)) return undefined;
      if (port !== 0 || !passesThrough(node)) return {input: tensorName(at), node};
      seen.add(name);
      at = dataInputs(node)[0] ?? '';
    }
  }

  /** The nodes so that each comes after those it reads, in the order of the file where that is free. Loops are cut somewhere. */
  inOrder(): readonly NodeDef[] {
    const state = new Map<string, 'open' | 'done'>();
    const sorted: NodeDef[] = [];
    for (const root of this.nodes.values()) {
      const stack = [root];
      for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
        const known = state.get(node.name);
        state.set(node.name, known === undefined ? 'open' : 'done');
        if (known !== undefined) {
          if (known === 'open') sorted.push(node);
          stack.pop();
          continue;
        }
        for (const input of [...(node.input ?? [])].reverse()) {
          const maker = this.nodes.get(parseEdge(input).name);
          if (maker !== undefined && !state.has(maker.name)) stack.push(maker);
        }
      }
    }
    return sorted;
  }
}

/** TensorFlow.js has one type of floats, whatever a file calls them. */
export const FLOAT_TYPES: readonly (string | number | undefined)[] = [
  'DT_FLOAT',
  'DT_HALF',
  'DT_BFLOAT16',
  'DT_DOUBLE',
  1,
  19,
  14,
  2,
];

/** Whether a node hands on its input: TensorFlow.js has one type of floats, so a cast between two is nothing either. */
export function passesThrough({op, attr}: NodeDef): boolean {
  if (op === 'Cast') return FLOAT_TYPES.includes(attr?.['SrcT']?.type) && FLOAT_TYPES.includes(attr?.['DstT']?.type);
  return ['Identity', 'StopGradient', 'PreventGradient', 'Snapshot'].includes(op);
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

/** The text of a string attribute; it is base64, or bytes. */
export function textAttr(attr: AttrValue | undefined): string {
  const text = attr?.s ?? '';
  try {
    return typeof text === 'string' ? atob(text) : String.fromCharCode(...text);
  } catch {
    return ''; // Not base64: nothing that a converter wrote.
  }
}

export const numberAttr = (node: NodeDef, name: string, absent = 0): number => Number(node.attr?.[name]?.i ?? absent);
