import {util, type io} from '@tensorflow/tfjs-core';

/** A tensor of a graph, as `NodeDef.input` names it: `node`, or `node:port` for a later output. */
export type Ref = string;

export type DType = 'float32' | 'int32' | 'bool';
type Attrs = Readonly<Record<string, unknown>>;

/** One node as a converter writes it into model.json. */
export interface BuiltNode {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr: Record<string, unknown>;
}

export type BuiltArtifacts = io.ModelArtifacts & {modelTopology: {node: BuiltNode[]}};

/** What is built, and what a test has to know of it. */
export interface BuiltModel {
  readonly artifacts: BuiltArtifacts;
  /** The tensors that attention softmaxes read, [..., queries, keys]: where a pattern can be written into the model itself. */
  readonly logits: readonly Ref[];
}

export interface BuilderOptions {
  /** Of the weights. */
  readonly seed?: number;
  /** Equal constants become one node with many readers, as optimisers leave them. */
  readonly shareConstants?: boolean;
  /** As converters wrote before 2019: enums are numbers, strings byte arrays, and there is no signature. */
  readonly legacy?: boolean;
}

interface State {
  readonly options: BuilderOptions;
  readonly nodes: BuiltNode[];
  readonly names: Set<string>;
  readonly weights: {readonly spec: io.WeightsManifestEntry; readonly data: ArrayBuffer}[];
  readonly constants: Map<string, Ref>;
  readonly logits: Ref[];
  readonly inputs: Record<string, object>;
  readonly random: () => number;
}

/**
 * Writes a TensorFlow graph node by node. Names are made as TensorFlow makes them: scope, op, and `_1`, `_2` when they are taken.
 *
 * @example
 * const g = new GraphBuilder();
 * const x = g.placeholder('x', [-1, 8]);
 * const {artifacts} = g.build({y: g.in('dense').op('MatMul', [x, g.weight([8, 4])])});
 */
export class GraphBuilder {
  private readonly state: State;
  private readonly prefix: string;

  constructor(options: BuilderOptions = {}, within?: {state: State; prefix: string}) {
    this.prefix = within?.prefix ?? '';
    this.state = within?.state ?? {
      options,
      nodes: [],
      names: new Set(),
      weights: [],
      constants: new Map(),
      logits: [],
      inputs: {},
      random: uniform(options.seed ?? 1),
    };
  }

  /** The same graph; what is added through the result is named inside the scope. */
  in(scope: string): GraphBuilder {
    return new GraphBuilder({}, {state: this.state, prefix: `${this.prefix}${scope}/`});
  }

  /** `shape` has −1 where the size is not known. A `DT_HALF` input takes float32, as TensorFlow.js has it. */
  placeholder(name: string, shape: readonly number[], type = 'DT_FLOAT'): Ref {
    const dim = shape.map((size) => ({size: String(size)}));
    this.state.nodes.push({name, op: 'Placeholder', attr: {dtype: {type}, shape: {shape: {dim}}}});
    this.state.names.add(name);
    this.state.inputs[name] = {name: `${name}:0`, dtype: type, tensorShape: {dim}};
    return name;
  }

  /** Adds a node. Attributes as numbers, booleans, `DT_…` names, other strings, or lists of numbers and strings. */
  op(op: string, inputs: readonly Ref[], attrs: Attrs = {}, name = op): Ref {
    const full = this.fresh(name);
    const attr = {T: {type: 'DT_FLOAT'}, ...Object.fromEntries(Object.entries(attrs).map(([key, value]) => [key, encode(value)]))};
    this.state.nodes.push({name: full, op, input: [...inputs], attr});
    return full;
  }

  int(value: number, name = 'Const'): Ref {
    return this.constant(Int32Array.of(value), [], 'int32', name);
  }

  /** An int32 vector: a shape, a permutation, axes. */
  ints(values: readonly number[], name = 'Const'): Ref {
    return this.constant(Int32Array.from(values), [values.length], 'int32', name);
  }

  float(value: number, name = 'Const'): Ref {
    return this.constant(Float32Array.of(value), [], 'float32', name);
  }

  constant(values: Float32Array | Int32Array | Uint8Array, shape: readonly number[], dtype: DType, name = 'Const'): Ref {
    const key = `${dtype} [${shape.join()}] ${values.length <= 16 ? values.join() : this.state.names.size}`;
    const known = this.state.options.shareConstants ? this.state.constants.get(key) : undefined;
    if (known !== undefined) return known;
    if (values.length !== util.sizeFromShape([...shape])) throw new Error(`${values.length} values for [${shape.join()}]`);
    const full = this.fresh(name);
    // The value lies in the weight files; the node keeps an empty shell.
    const type = {float32: 'DT_FLOAT', int32: 'DT_INT32', bool: 'DT_BOOL'}[dtype];
    const tensorShape = {dim: shape.map((size) => ({size: String(size)}))};
    this.state.nodes.push({name: full, op: 'Const', attr: {dtype: {type}, value: {tensor: {dtype: type, tensorShape}}}});
    this.state.weights.push({spec: {name: full, shape: [...shape], dtype}, data: values.buffer as ArrayBuffer});
    this.state.constants.set(key, full);
    return full;
  }

  /**
   * Seeded float32 weights, uniform around `mean`. The default spread keeps sums over all but the last axis at the variance of what
   * they sum, so that attention is neither even nor one-hot.
   */
  weight(shape: readonly number[], {mean = 0, spread}: {mean?: number; spread?: number} = {}, name = 'ReadVariableOp'): Ref {
    const inputs = util.sizeFromShape(shape.slice(0, -1));
    const width = 2 * (spread ?? Math.sqrt(3 / inputs));
    const values = new Float32Array(util.sizeFromShape([...shape]));
    const {random} = this.state;
    for (let i = 0; i < values.length; i++) values[i] = mean + width * (random() - 0.5);
    return this.constant(values, shape, 'float32', name);
  }

  /** Uniform in [−0.2, 0.2]. A converter drops a bias of zeros. */
  bias(size: number, name = 'BiasAdd/ReadVariableOp'): Ref {
    return this.weight([size], {spread: 0.2}, name);
  }

  /** Says that an attention softmax reads this tensor, [..., queries, keys]. */
  logits(tensor: Ref): Ref {
    this.state.logits.push(tensor);
    return tensor;
  }

  build(outputs: Readonly<Record<string, Ref>>): BuiltModel {
    const {nodes, weights, options, inputs, logits} = this.state;
    const named = Object.entries(outputs).map(([key, tensor]) => {
      const name = this.op('Identity', [tensor]);
      return [key, {name: `${name}:0`, dtype: 'DT_FLOAT', tensorShape: {unknownRank: true}}] as const;
    });
    const node = options.legacy ? nodes.map((each) => ({...each, attr: legacy(each.attr) as BuiltNode['attr']})) : nodes;
    const artifacts: BuiltArtifacts = {
      format: 'graph-model',
      generatedBy: '2.18.0',
      convertedBy: 'TensorFlow.js Converter v4.22.0',
      modelTopology: {node, library: {}, versions: {producer: 1994}} as BuiltArtifacts['modelTopology'],
      weightSpecs: weights.map(({spec}) => spec),
      weightData: weights.map(({data}) => data),
      ...(!options.legacy && {signature: {inputs, outputs: Object.fromEntries(named)}}),
    };
    return {artifacts, logits};
  }

  private fresh(name: string): string {
    const {names} = this.state;
    const first = `${this.prefix}${name}`;
    let full = first;
    for (let i = 1; names.has(full); i++) full = `${first}_${i}`;
    names.add(full);
    return full;
  }
}

function encode(value: unknown): unknown {
  if (typeof value === 'boolean') return {b: value};
  if (typeof value === 'string') return value.startsWith('DT_') ? {type: value} : {s: btoa(value)};
  // Protobuf's JSON spells int64 as a string; all numbers of a graph are ints but a few that nothing reads.
  if (typeof value === 'number') return Number.isInteger(value) ? {i: String(value)} : {f: value};
  const list = value as readonly (number | string)[];
  return {list: typeof list[0] === 'string' ? {s: list.map((text) => btoa(String(text)))} : {i: list.map(String)}};
}

const TYPE_NUMBERS: Record<string, number> = {DT_FLOAT: 1, DT_INT32: 3, DT_INT64: 9, DT_BOOL: 10};

/** Enums as numbers and strings as byte arrays, at any depth. */
function legacy(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((each) => legacy(each, key));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, legacy(inner, name)]));
  }
  if (typeof value !== 'string') return value;
  if (key === 's') return Array.from(atob(value), (letter) => letter.charCodeAt(0));
  return TYPE_NUMBERS[value] ?? value;
}

/** Uniform in [0, 1): the 32-bit generator mulberry32, fast enough for a hundred million weights. */
export function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
