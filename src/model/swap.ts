import type {io} from '@tensorflow/tfjs-core';
import {refuse} from '../support/index.js';
import {foldGraph, type FoldedGraph} from './fold/fold_graph.js';
import {Constants} from './graph/constants.js';
import {parseEdge, type GraphDef, type NodeDef, type Signature} from './graph/graph.js';
import {weightFiles} from './graph/weight_files.js';
import {registerGraphOp} from './run/op.js';
import type {checkOptions} from './write/options.js';
import {reportOf, untouched, type SwapReport} from './write/report.js';
import {rewriteGraph} from './write/rewrite.js';

export interface Swapped {
  readonly artifacts: io.ModelArtifacts;
  readonly report: SwapReport;
  /** What the caller asked for that cannot be. */
  readonly mistake?: string;
}

/** Options that were found right. */
export type CheckedOptions = ReturnType<typeof checkOptions>;

/**
 * Artifacts with their attention swapped, and the report; the same artifacts where nothing could be. Tells `onReport`, and throws when
 * `strict` and not all went well. A mistake of the caller that nobody would hear of is printed as a warning.
 */
export function swapAttention(
  caller: string,
  artifacts: io.ModelArtifacts,
  options: CheckedOptions,
  keepReport?: (report: SwapReport) => void,
): Swapped {
  // Importing did this already, unless a bundler was told that imports have no effects.
  registerGraphOp();
  const swapped = trySwap(artifacts, options);
  const {report, mistake} = swapped;
  keepReport?.(report);
  options.onReport?.(report);
  if (options.strict) mustBeWhole(caller, report);
  else if (mistake !== undefined && options.onReport === undefined) {
    console.warn(`${caller}: ${mistake}. Give one for all, or one for each; strict throws instead, and onReport is told.`);
  }
  return swapped;
}

function trySwap(artifacts: io.ModelArtifacts, options: CheckedOptions): Swapped {
  const topology = artifacts.modelTopology as Partial<GraphDef> | undefined;
  const keep = (problem: string): Swapped => ({artifacts, report: untouched(problem)});
  const wrong = wrongTopology(artifacts, topology);
  if (wrong !== undefined) return keep(wrong);
  const constants = new Constants(artifacts.weightSpecs ?? [], artifacts.weightData);
  const missing = wrongWeights(topology as GraphDef, constants);
  if (missing !== undefined) return keep(missing);
  // In this order TensorFlow.js reads them; files written before 2021 have the signature in the metadata.
  const signature = (artifacts.userDefinedMetadata?.['signature'] ?? artifacts.signature) as Signature | undefined;
  try {
    const {
      topology: modelTopology,
      weightSpecs,
      weightData,
      report,
      mistake,
    } = rewriteGraph(topology as GraphDef, constants, signature, options);
    const told = report.found > 0 || report.problems.length > 0 ? report : reportOf({...report, problems: [NOTHING_FOUND]});
    if (mistake !== undefined) return {artifacts, report: told, mistake};
    const swapped =
      modelTopology === topology ? artifacts : {...artifacts, modelTopology, ...joined(artifacts, weightSpecs, weightData)};
    return options.fold && report.problems.length === 0 ? folded(swapped, told, signature) : {artifacts: swapped, report: told};
  } catch (error) {
    // A graph that nobody thought of must load as it would without us.
    return keep(`the graph could not be read: ${String(error)}`);
  }
}

/** The weights of a model and further ones. */
function joined(
  artifacts: io.ModelArtifacts,
  weightSpecs: readonly io.WeightsManifestEntry[],
  weightData: readonly ArrayBuffer[],
): Pick<io.ModelArtifacts, 'weightSpecs' | 'weightData'> {
  if (weightSpecs.length === 0) return {};
  const data = weightFiles([...[artifacts.weightData ?? []].flat(), ...weightData]);
  return {weightSpecs: [...(artifacts.weightSpecs ?? []), ...weightSpecs], weightData: data};
}

function folded(artifacts: io.ModelArtifacts, swapReport: SwapReport, signature: Signature | undefined): Swapped {
  const constants = new Constants(artifacts.weightSpecs ?? [], artifacts.weightData);
  let result: FoldedGraph;
  try {
    result = foldGraph(artifacts.modelTopology as GraphDef, artifacts, constants, signature);
  } catch (error) {
    // As above; what was swapped is not lost.
    return {artifacts, report: reportOf({...swapReport, notes: [...swapReport.notes, `nothing was folded: ${String(error)}`]})};
  }
  const {topology, weights, report} = result;
  const changed = topology === artifacts.modelTopology ? artifacts : {...artifacts, modelTopology: topology, ...weights};
  return {artifacts: changed, report: reportOf({...swapReport, folded: report})};
}

const NOTHING_FOUND = 'no attention was found: no softmax lies between two products of activations';

function wrongTopology({format}: io.ModelArtifacts, topology: Partial<GraphDef> | undefined): string | undefined {
  const nodes = topology?.node;
  if (!Array.isArray(nodes)) {
    return `found a model of format '${format ?? 'unknown'}', expected a graph model: convert it with --output_format=tfjs_graph_model`;
  }
  const broken = (nodes as unknown[]).findIndex((node) => {
    const {name, op} = (node ?? {}) as Partial<NodeDef>;
    return typeof name !== 'string' || typeof op !== 'string';
  });
  if (broken >= 0) return `node ${broken} of the graph has no name or no op`;
  const names = new Set((nodes as NodeDef[]).map(({name}) => name));
  if (names.size < nodes.length) return 'two nodes of the graph have the same name';
  for (const {name, input} of nodes as NodeDef[]) {
    const stranger = input?.find((edge) => !names.has(parseEdge(edge).name));
    if (stranger !== undefined) return `the node '${name}' reads '${stranger}', which no node makes`;
  }
  return undefined;
}

function wrongWeights({node}: GraphDef, constants: Constants): string | undefined {
  const {foundBytes, expectedBytes} = constants;
  if (foundBytes === 0 && expectedBytes > 0) {
    return 'the weights are missing: scales, permutations and shapes of a converted graph are among them';
  }
  if (foundBytes !== expectedBytes) return `the weights have ${foundBytes} bytes, their shapes ask for ${expectedBytes}`;
  const bare = node.find(({op, name}) => op === 'Const' && !constants.has(name));
  return bare && `the constant '${bare.name}' has no weight`;
}

function mustBeWhole(caller: string, {problems, left, found}: SwapReport): void {
  if (problems.length > 0) {
    refuse(
      `${caller} model`,
      problems.join('; '),
      'a graph model whose attention can be swapped',
      'Leave strict out to load it as it is.',
    );
  }
  if (left.length === 0) return;
  const reasons = left.map(({name, reason}) => `'${name}': ${reason}`).join('; ');
  const cure = 'Leave strict out to swap the others alone.';
  refuse(`${caller} model`, `${left.length} of ${found} attentions that cannot be swapped (${reasons})`, 'none', cure);
}
