import type {io} from '@tensorflow/tfjs-core';
import type {Pattern} from '../../pattern/index.js';
import {assign, type Assigned} from './assign.js';
import {GraphBuilder} from '../graph/builder.js';
import type {CausalMask} from '../read/causal.js';
import type {Constants} from '../graph/constants.js';
import {asMatMul} from './einsum.js';
import {Folder} from '../read/fold.js';
import {
  controlInputs,
  Graph,
  modelOutputs,
  parseEdge,
  type FunctionDef,
  type GraphDef,
  type NodeDef,
  type Signature,
} from '../graph/graph.js';
import {apart, isMerged, PARTS} from '../graph/letters.js';
import {findAttentions, type Attention, type Found} from '../read/match.js';
import type {Align} from './options.js';
import {Pairs} from '../read/pairs.js';
import {reportOf, untouched, type ReplacedAttention, type SwapReport} from './report.js';
import {shapeWithout} from './scores_shape.js';
import {Shapes} from '../graph/shapes.js';
import {numberOf} from '../graph/size.js';
import {stockNotes} from '../read/stock.js';
import {sweep} from '../graph/sweep.js';

/** What every `SparseAttention` node of a model says. */
export interface RewriteOptions {
  /** One for all attentions, or one for each that can be swapped, in the order of the report. */
  readonly pattern: Pattern | readonly Pattern[];
  /** The same of where queries stand. */
  readonly align?: Align | readonly Align[];
  readonly implementation: string;
}

export interface Rewritten {
  readonly topology: GraphDef;
  /** Constants that the new nodes read, to be added to those of the model. */
  readonly weightSpecs: readonly io.WeightsManifestEntry[];
  readonly weightData: readonly ArrayBuffer[];
  readonly report: SwapReport;
  /** What the caller asked for that cannot be, such as too few patterns. It is one of the problems. */
  readonly mistake?: string;
}

/** The main graph or the body of a function, looked through. */
interface Scan {
  readonly nodes: readonly NodeDef[];
  readonly graph: Graph;
  readonly shapes: Shapes;
  readonly builder: GraphBuilder;
  readonly found: Found;
}

/** Replaces every attention that fits, and Einsum nodes elsewhere. Pure: the given topology is not changed. */
export function rewriteGraph(
  topology: GraphDef,
  constants: Constants,
  signature: Signature | undefined,
  options: RewriteOptions,
): Rewritten {
  const functions = topology.library?.function ?? [];
  const taken = new Set([topology.node, ...functions.map(bodyOf)].flatMap((nodes) => nodes.map(({name}) => name)));
  const main = scan(topology.node, modelOutputs(topology.node, signature), constants, taken);
  const bodies = functions.map((body) => scan(bodyOf(body), returned(body), constants, taken));
  const scans = [main, ...bodies];
  const keep = (report: SwapReport): Rewritten => ({topology, weightSpecs: [], weightData: [], report});

  const conflict = scans.flatMap(({shapes}) => shapes.conflicts)[0];
  if (conflict !== undefined) return keep(untouched(`weights of the wrong shape: ${conflict}`));
  const swappable = scans.flatMap(({found, shapes}) => found.attentions.map((attention) => ({attention, shapes})));
  const {assigned, left: unassigned, mistake} = assign(swappable, options.pattern, options.align);
  const left = [...scans.flatMap(({found}) => found.misfits), ...unassigned];
  if (mistake !== undefined) {
    const report = reportOf({...untouched(mistake), found: left.length, left});
    return {...keep(report), mistake};
  }
  const done = scans.map((each) => apply(each, options.implementation, assigned));

  const replaced = done.flatMap((each) => each.replaced);
  const report = reportOf({
    found: replaced.length + left.length,
    replaced,
    left,
    einsums: done.reduce((sum, {einsums}) => sum + einsums, 0),
    notes: done.flatMap(({notes}) => notes),
    problems: [],
  });
  if (done.every(({changed}) => !changed)) return keep(report);
  const library = functions.length === 0 ? {} : {library: {...topology.library, function: withBodies(functions, done.slice(1))}};
  const used = new Set(done.flatMap(({nodes}) => nodes.map(({name}) => name)));
  const weights = scans.flatMap(({builder}) => builder.weightSpecs.map((spec, i) => ({spec, data: builder.weightData[i]!})));
  const needed = weights.filter(({spec}) => used.has(spec.name));
  return {
    topology: {...topology, node: done[0]!.nodes, ...library},
    weightSpecs: needed.map(({spec}) => spec),
    weightData: needed.map(({data}) => data),
    report,
  };
}

const bodyOf = ({nodeDef}: FunctionDef): readonly NodeDef[] => nodeDef ?? [];
const returned = ({ret}: FunctionDef): Set<string> => new Set(Object.values(ret ?? {}).map((name) => parseEdge(name).name));
const withBodies = (functions: readonly FunctionDef[], done: readonly Applied[]): FunctionDef[] =>
  functions.map((body, i) => (done[i]!.changed ? {...body, nodeDef: done[i]!.nodes} : body));

function scan(nodes: readonly NodeDef[], outputs: ReadonlySet<string>, constants: Constants, taken: Set<string>): Scan {
  const graph = new Graph(nodes, outputs);
  const shapes = new Shapes(graph, constants);
  const builder = new GraphBuilder(taken);
  const causalMasks = new Map<string, CausalMask | undefined>();
  const found = findAttentions({
    shapes,
    folder: new Folder(shapes, builder),
    causalMasks,
    pairs: new Pairs(shapes),
    logits: new Map(),
  });
  return {nodes, graph, shapes, builder, found};
}

interface Applied {
  readonly nodes: readonly NodeDef[];
  readonly changed: boolean;
  readonly replaced: readonly ReplacedAttention[];
  readonly einsums: number;
  readonly notes: readonly string[];
}

function apply({nodes, graph, shapes, builder, found}: Scan, implementation: string, assigned: readonly Assigned[]): Applied {
  const swapped = assigned.filter(({attention}) => found.attentions.includes(attention));
  const attentions = swapped.map(({attention}) => attention);
  const byName = new Map(swapped.map((each) => [each.attention.exit.node.name, nodeOf(each, implementation)]));
  const waiting = new Map(attentions.flatMap(({path, query}) => path.map((name) => [name, parseEdge(query.input).name])));
  const replacedNodes = nodes.map((node) => byName.get(node.name) ?? rewired(node, waiting));
  const orphans = [...byName.keys()].flatMap((name) => graph.nodes.get(name)!.input ?? []).map((input) => parseEdge(input).name);

  let alive = sweep([...builder.nodes, ...replacedNodes], [...orphans, ...builder.nodes.map(({name}) => name)], graph.outputs);
  const before = builder.nodes.length;
  const shaped = attentions.reduce((current, attention) => shapeWithout(current, attention, shapes, builder), alive);
  const unasked = attentions.flatMap(({path, exit}) => [...path, ...(exit.skipped?.keys() ?? [])]);
  alive = sweep([...builder.nodes.slice(before), ...shaped], unasked, graph.outputs);

  const notes: string[] = [];
  let einsums = 0;
  const added = builder.nodes.length;
  const multiplied = alive.map((node) => {
    if (node.op !== 'Einsum') return node;
    const product = asMatMul(shapes, builder, node);
    if (typeof product === 'string') notes.push(`${product}; it stays`);
    else einsums++;
    return typeof product === 'string' ? node : product;
  });
  const all = [...builder.nodes.slice(added), ...multiplied];
  // Constants are shared: one that was swept before may be wanted again.
  const names = new Set(all.map(({name}) => name));
  const wanted = new Set(all.flatMap(({input}) => input ?? []).map((input) => parseEdge(input).name));
  const again = builder.nodes.filter(({name, op}) => op === 'Const' && wanted.has(name) && !names.has(name));
  const result = [...again, ...all];

  const changed = attentions.length > 0 || einsums > 0;
  const ordered = changed ? new Graph(result, graph.outputs).inOrder() : nodes;
  const kept = new Set(ordered.map(({name}) => name));
  return {
    nodes: ordered,
    changed,
    replaced: swapped.map((each) => describe(each, kept)),
    einsums,
    notes: [...swapped.flatMap((each) => [...each.notes, ...pairNotes(each.attention, shapes)]), ...notes, ...stockNotes(shapes)],
  };
}

function nodeOf({attention, pattern, queryOffset}: Assigned, implementation: string): NodeDef {
  const {query, key, value, exit, terms, layout, scale, broadcast} = attention;
  const kinds = terms.map(
    ({kind, factor, axes}) => `${kind === 'add' ? `add:${factor}` : kind}${axes === undefined ? '' : `@${axes.join('')}`}`,
  );
  return {
    name: exit.node.name,
    op: 'SparseAttention',
    input: [query.input, key.input, value.input, ...terms.map(({input}) => input), ...controlInputs(exit.node)],
    attr: {
      pattern: {s: btoa(pattern.toString())},
      scale: {f: scale},
      implementation: {s: btoa(implementation)},
      axes: {s: btoa(axesOf(attention))},
      layout: {s: btoa(layout)},
      terms: {s: btoa(kinds.join(' '))},
      ...(broadcast.length > 0 && {broadcast: {s: btoa(broadcast.join())}}),
      ...partsOf(attention),
      ...(queryOffset !== undefined && {query_offset: {i: queryOffset}}),
    },
  };
}

/** The sizes that the op needs to take merged axes apart. */
function partsOf(attention: Attention): Record<string, {i: number}> {
  const specs = [axesOf(attention), ...attention.terms.flatMap(({axes}) => axes ?? [])].join('');
  const merged = [...specs].filter(isMerged).flatMap((letter) => [...apart(letter)]);
  const entries = Object.entries(PARTS).filter(([letter]) => merged.includes(letter) && attention.parts[letter] !== undefined);
  return Object.fromEntries(entries.map(([letter, name]) => [name, {i: attention.parts[letter]!}]));
}

const axesOf = ({query, key, value, exit}: Attention): string =>
  `${[query, key, value].map(({axes}) => axes.join('')).join()}->${exit.axes.join('')}`;

/** A node that waited for a part of an attention waits for its query: nothing in between has an effect. */
function rewired(node: NodeDef, waiting: ReadonlyMap<string, string>): NodeDef {
  const input = node.input?.map((edge) => {
    const instead = edge.startsWith('^') ? waiting.get(parseEdge(edge).name) : undefined;
    return instead === undefined ? edge : `^${instead}`;
  });
  return input === undefined || input.every((edge, i) => edge === node.input![i]) ? node : {...node, input};
}

function describe({attention, pattern}: Assigned, kept: ReadonlySet<string>): ReplacedAttention {
  const {exit, softmax, query, key, value, terms, causal, scale, path} = attention;
  return {
    name: exit.node.name,
    softmax: softmax.name,
    query: query.input,
    key: key.input,
    value: value.input,
    bias: terms.map(({input}) => input),
    causal: causal !== undefined,
    scale,
    axes: axesOf(attention),
    pattern: pattern.toString(),
    kept: path.filter((name) => kept.has(name) && name !== exit.node.name),
  };
}

/** Masks that hold a number for each pair of query and key, so that memory grows with their number. */
function pairNotes({exit, terms}: Attention, shapes: Shapes): string[] {
  return terms.flatMap(({input}) => {
    const [queries, keys] = shapes.of(input)?.slice(-2) ?? [];
    if (queries === undefined || keys === undefined || numberOf(queries) === 1 || numberOf(keys) === 1) return [];
    return [`'${parseEdge(input).name}' has an element for each pair of query and key, and stays an input of '${exit.node.name}'`];
  });
}
