import type {io} from '@tensorflow/tfjs-core';
import {GraphBuilder} from '../graph/builder.js';
import type {Constants} from '../graph/constants.js';
import {Graph, modelOutputs, parseEdge, type GraphDef, type NodeDef, type Signature} from '../graph/graph.js';
import {Shapes} from '../graph/shapes.js';
import {geluAndSilu} from './activation.js';
import {biasOfHeads, fusedActivation, fusedBias, tensordot} from './dense.js';
import type {Fold, FoldContext, FoldKind} from './fold.js';
import {mergedHeads, rowsOfMerged, splitHeads} from './heads.js';
import {cutHeads, joinedProjections} from './joined.js';
import {norm, residual} from './norm.js';
import {passThrough, reshapedConstant, shapeArithmetic, withoutWaiting} from './pass_through.js';
import {foldReport, type FoldReport, type LeftFold} from './report.js';
import {Twins} from './twins.js';
import {FoldWeights} from './weights.js';

/** In this order they are tried on a node; the first that fits is taken. */
const FOLDS: readonly Fold[] = [
  withoutWaiting,
  passThrough,
  mergedHeads,
  splitHeads,
  rowsOfMerged,
  tensordot,
  fusedBias,
  biasOfHeads,
  geluAndSilu,
  fusedActivation,
  norm,
  residual,
  reshapedConstant,
  shapeArithmetic,
];

/** Tried beside them where nothing else is left to fold, so that what reads a projection reads the whole of it. */
const LAST_FOLDS: readonly Fold[] = [cutHeads, joinedProjections];

/** In this order a report tells. */
const ORDER: readonly FoldKind[] = [
  ...(['pass-through', 'duplicate', 'shape arithmetic', 'constant'] as const),
  ...(['dense layer', 'joined projections', 'layer norm', 'RMS norm', 'GELU', 'SiLU', 'heads'] as const),
];

/** No graph was seen that took more than 12 rounds. */
const MOST_ROUNDS = 64;

/** Whether a node runs depends on others than those it reads. */
const CONTROL_FLOW: readonly string[] = ['Switch', 'Merge', 'Enter', 'Exit', 'NextIteration', 'LoopCond', 'RefSwitch'];

export interface FoldedGraph {
  readonly topology: GraphDef;
  /** Undefined: those that were given. */
  readonly weights: Required<Pick<io.ModelArtifacts, 'weightSpecs' | 'weightData'>> | undefined;
  readonly report: FoldReport;
}

/**
 * Runs of small nodes become single ones, until nothing is left to fold. Pure: the given topology is not changed.
 *
 * Each fold gives one node another definition that computes the same from the tensors that the old one was made of, so all folds of a round
 * may be done at once, whatever they share. Nodes that nobody needs any more stay in the file, where they are not executed, so that
 * every tensor can be fetched by its name; without a signature they go, for TensorFlow.js would take them for outputs.
 */
export function foldGraph(
  topology: GraphDef,
  artifacts: Pick<io.ModelArtifacts, 'weightSpecs' | 'weightData' | 'modelInitializer'>,
  constants: Constants,
  signature: Signature | undefined,
): FoldedGraph {
  const outputs = modelOutputs(topology.node, signature);
  const hasSignature = Object.keys(signature?.outputs ?? {}).length > 0;
  const functions = topology.library?.function ?? [];
  // Graphs beside the main one find their weights by name as well.
  const initializer = (artifacts.modelInitializer as Partial<GraphDef> | undefined)?.node ?? [];
  const beside = [...functions.flatMap(({nodeDef}) => nodeDef ?? []), ...initializer];
  const inBodies = new Set(beside.map(({name}) => name));
  const left: LeftFold[] = functions.map(({signature: {name}}) => ({
    name,
    reason: 'nodes in the body of a function are not folded',
  }));
  const before = executed(topology.node, outputs);
  const keep = (reasons: readonly LeftFold[]): FoldedGraph => {
    const count = countOf(before);
    return {topology, weights: undefined, report: foldReport({before: count, after: count, folds: [], left: reasons})};
  };
  const branch = topology.node.find(({op}) => CONTROL_FLOW.includes(op));
  if (branch !== undefined) {
    return keep([...left, {name: branch.name, reason: `a graph with control flow of TensorFlow 1 (${branch.op}) is not folded`}]);
  }

  const weights = new FoldWeights(constants, inBodies);
  const builder = new GraphBuilder(new Set([...topology.node.map(({name}) => name), ...inBodies]), (spec, data) =>
    weights.add(spec, data),
  );
  const nodes = new Map(topology.node.map((node) => [node.name, node]));
  const made = new Map<string, FoldKind>();
  let passed = new Map<FoldKind, number>();
  let reasons: readonly LeftFold[] = [];
  let isLast = false;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const alive = executed([...nodes.values()], outputs);
    const graph = new Graph(alive, outputs);
    const context = {graph, shapes: new Shapes(graph, constants, false), builder, weights, hasSignature};
    const done = oneRound(context, isLast ? [...FOLDS, ...LAST_FOLDS] : FOLDS);
    reasons = done.left;
    if (done.nodes.length === 0 && done.instead.size === 0) {
      if (isLast) break;
      isLast = true;
      continue;
    }
    for (const node of [...builder.take(), ...done.nodes]) nodes.set(node.name, node);
    for (const [name, kind] of done.kinds) made.set(name, kind);
    passed = merged(passed, done.passed);
    for (const name of executed([...nodes.values()], outputs).map((node) => node.name)) {
      nodes.set(name, rewired(nodes.get(name)!, done.instead));
    }
  }
  for (const node of builder.take()) nodes.set(node.name, node);
  const after = executed([...nodes.values()], outputs);
  const kinds = new Map(passed);
  for (const {name} of after) if (made.has(name)) kinds.set(made.get(name)!, (kinds.get(made.get(name)!) ?? 0) + 1);
  left.push(...reasons);
  if (made.size === 0 && passed.size === 0) return keep(left);

  const original = new Set(topology.node.map(({name}) => name));
  const kept = hasSignature ? executed([...nodes.values()], new Set([...outputs, ...original])) : withInputs(after, topology.node);
  const ordered = new Graph(kept, outputs).inOrder();
  // What is given to a model, and was read for its shape alone, say.
  const more = hasSignature ? undefined : [...modelOutputs(ordered, undefined)].find((name) => !outputs.has(name));
  if (more !== undefined) {
    const reason = 'folded, nobody would read it, and a model without a signature returns what nobody reads: nothing was folded';
    return keep([...left, {name: more, reason}]);
  }
  const used = new Set(ordered.filter(({op}) => op === 'Const').map(({name}) => name));
  return {
    topology: {...topology, node: ordered},
    weights: weights.result(artifacts.weightSpecs ?? [], artifacts.weightData, used),
    report: foldReport({
      before: countOf(before),
      after: countOf(after),
      folds: ORDER.flatMap((kind) => (kinds.has(kind) ? [{kind, count: kinds.get(kind)!}] : [])),
      left,
    }),
  };
}

interface Round {
  /** Nodes with new definitions. */
  readonly nodes: readonly NodeDef[];
  readonly kinds: ReadonlyMap<string, FoldKind>;
  /** What is read in place of a node. */
  readonly instead: ReadonlyMap<string, string>;
  readonly passed: ReadonlyMap<FoldKind, number>;
  readonly left: readonly LeftFold[];
}

function oneRound(context: FoldContext, folds: readonly Fold[]): Round {
  const nodes: NodeDef[] = [];
  const kinds = new Map<string, FoldKind>();
  const instead = new Map<string, string>();
  const passed = new Map<FoldKind, number>();
  const left: LeftFold[] = [];
  const twins = new Twins(context);
  for (const node of context.graph.inOrder()) {
    const twin = twins.of(node);
    if (twin !== undefined) {
      instead.set(node.name, twin);
      if (node.op !== 'Const') passed.set('duplicate', (passed.get('duplicate') ?? 0) + 1);
      continue;
    }
    for (const fold of folds) {
      const folded = fold(context, node);
      if (folded === undefined) continue;
      if ('reason' in folded) {
        left.push({name: node.name, reason: folded.reason});
        continue;
      }
      if ('node' in folded) {
        nodes.push(folded.node);
        kinds.set(node.name, folded.kind);
        for (const [name, kind] of folded.added ?? []) kinds.set(name, kind);
        for (const [name, other] of folded.also ?? []) instead.set(name, other);
      } else {
        instead.set(node.name, folded.instead);
        passed.set(folded.kind, (passed.get(folded.kind) ?? 0) + 1);
      }
      break;
    }
  }
  return {nodes, kinds, instead, passed, left};
}

/** The nodes that a run of these outputs needs, constants and placeholders among them, in the order of the file. */
function executed(nodes: readonly NodeDef[], outputs: ReadonlySet<string>): NodeDef[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const needed = new Set<string>();
  const open = [...outputs];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (needed.has(name) || !byName.has(name)) continue;
    needed.add(name);
    const node = byName.get(name)!;
    // Its value is there before a run.
    if (node.op !== 'Const') open.push(...(node.input ?? []).map((input) => parseEdge(input).name));
  }
  return nodes.filter(({name}) => needed.has(name));
}

/** The nodes, and what is given to a model, which is the caller's to give, used or not. What constants wait for goes. */
function withInputs(nodes: readonly NodeDef[], all: readonly NodeDef[]): NodeDef[] {
  const names = new Set(nodes.map(({name}) => name));
  const given = all.filter(({name, op}) => op.startsWith('Placeholder') && !names.has(name));
  return [...given, ...nodes.map((node) => (node.op === 'Const' && node.input !== undefined ? {...node, input: []} : node))];
}

/** Constants and placeholders cost nothing. */
const countOf = (nodes: readonly NodeDef[]): number =>
  nodes.filter(({op}) => op !== 'Const' && !op.startsWith('Placeholder')).length;

function merged(a: ReadonlyMap<FoldKind, number>, b: ReadonlyMap<FoldKind, number>): Map<FoldKind, number> {
  return new Map([...a, ...[...b].map(([kind, count]) => [kind, count + (a.get(kind) ?? 0)] as const)]);
}

/** A node that reads what stands in place of its inputs. */
function rewired(node: NodeDef, instead: ReadonlyMap<string, string>): NodeDef {
  const resolve = (input: string): string => {
    let at = input;
    for (let {port, name} = parseEdge(at); port === 0 && instead.has(name); {port, name} = parseEdge(at)) at = instead.get(name)!;
    return at;
  };
  const input = node.input?.map((each) => (each.startsWith('^') ? `^${parseEdge(resolve(each.slice(1))).name}` : resolve(each)));
  return input === undefined || input.every((each, i) => each === node.input![i]) ? node : {...node, input};
}
