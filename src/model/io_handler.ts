import {io} from '@tensorflow/tfjs-core';
import {Pattern} from '../pattern/index.js';
import {nearestName, refuse} from '../support/index.js';
import {Constants} from './constants.js';
import type {GraphDef, Signature} from './graph.js';
import {registerGraphOp} from './op.js';
import {rewriteGraph, type NodeOptions, type SwapReport} from './rewrite.js';

export interface SparseIOOptions {
  /** Who attends to whom, in every attention of the model that is swapped. */
  readonly pattern: Pattern;
  /** As in `sparseAttention`. Default 'auto'. */
  readonly implementation?: 'auto' | 'fused' | 'dense';
  /** Called once per load, before the model is built. */
  readonly onReport?: (report: SwapReport) => void;
}

/** What `tf.loadGraphModel` takes. */
export interface SparseIOHandler extends io.IOHandler {
  load(): Promise<io.ModelArtifacts>;
  /** What the last load replaced and what it left; undefined before the first. */
  readonly report?: SwapReport;
}

/** What `tf.loadGraphModelSync` takes. */
export interface SparseIOHandlerSync {
  load(): io.ModelArtifacts;
  readonly report?: SwapReport;
}

/**
 * Loads a graph model with its attention swapped: a handler for `tf.loadGraphModel` that replaces each plain attention (product of
 * query and key, constant scale, additive masks, softmax, product with the value) by one `SparseAttention` node.
 *
 * Weights, signature and the names of the remaining nodes stay, so the model is used as before; only the nodes inside an attention
 * can no longer be asked for by name. A mask of the model becomes the `bias` of the node, so a query attends where the pattern
 * *and* the mask allow it. With `full()` the model computes what it did.
 *
 * The same pattern goes to every attention that is swapped. Queries align with the last keys when there are fewer of them, as in
 * `sparseAttention`. A pattern made for fixed lengths (`documents`, `fromMask`) suits a model that is only run at that length.
 *
 * An attention that is spelled in another way is left as it is: `handler.report` says which and why. Softmaxes that are no
 * attention, such as class heads, are not in it, nor is one written out in Exp and Sum.
 *
 * @param source A URL as `tf.loadGraphModel` takes it, or a handler: `tf.io.http(url, options)` where requests need options. A sync
 *   handler or loaded `ModelArtifacts` give a handler for `tf.loadGraphModelSync`. Streamed weights are buffered, because a scale
 *   is a weight.
 * @throws SplatError when the pattern is missing, an option is unknown, or what is loaded is no graph model.
 *
 * @example
 * const handler = sparseIOHandler('bert/model.json', {pattern: slidingWindow({left: 64, right: 64})});
 * const model = await tf.loadGraphModel(handler);
 * handler.report; // {found: 12, replaced: [{name: '…/attention/self/MatMul_1', scale: 0.125, …}, …], left: []}
 */
export function sparseIOHandler(source: string | io.IOHandler, options: SparseIOOptions): SparseIOHandler;
export function sparseIOHandler(source: io.IOHandlerSync | io.ModelArtifacts, options: SparseIOOptions): SparseIOHandlerSync;
export function sparseIOHandler(source: Source, options: SparseIOOptions): SparseIOHandler | SparseIOHandlerSync {
  const {pattern, implementation = 'auto', onReport} = checkOptions(options);
  const nodeOptions = {pattern: pattern.toString(), implementation};
  const load = loaderOf(source);
  // Importing did this already, unless a bundler was told that imports have no effects.
  registerGraphOp();
  let report: SwapReport | undefined;
  const swap = (artifacts: io.ModelArtifacts): io.ModelArtifacts => {
    const swapped = swapAttention(artifacts, nodeOptions);
    report = swapped.report;
    onReport?.(report);
    return swapped.artifacts;
  };
  const handler = {
    get report(): SwapReport | undefined {
      return report;
    },
    load: (): io.ModelArtifacts | Promise<io.ModelArtifacts> => {
      const loaded = load();
      return 'then' in loaded ? loaded.then(bufferWeights).then(swap) : swap(loaded);
    },
  };
  return handler as SparseIOHandler | SparseIOHandlerSync;
}

const OPTIONS = ['pattern', 'implementation', 'onReport'];
const IMPLEMENTATIONS = ['auto', 'fused', 'dense'];

function checkOptions(options: SparseIOOptions | undefined): SparseIOOptions {
  const given = options ?? ({} as Partial<SparseIOOptions>);
  for (const name of Object.keys(given)) {
    if (OPTIONS.includes(name)) continue;
    const near = nearestName(name, OPTIONS);
    refuse('sparseIOHandler option', `'${name}'`, OPTIONS.join(', '), near ? `Did you mean '${near}'?` : 'Leave it out.');
  }
  const {pattern, implementation} = given;
  if (!(pattern instanceof Pattern)) {
    const cure = 'Give one, such as {pattern: slidingWindow({left: 64, right: 64})}; full() keeps the attention as it is.';
    refuse('sparseIOHandler pattern', pattern === undefined ? 'none' : typeof pattern, 'a Pattern', cure);
  }
  if (implementation !== undefined && !IMPLEMENTATIONS.includes(implementation)) {
    const near = nearestName(String(implementation), IMPLEMENTATIONS);
    const cure = near ? `Did you mean '${near}'?` : "Leave it out for 'auto'.";
    refuse('sparseIOHandler implementation', `'${String(implementation)}'`, IMPLEMENTATIONS.join(', '), cure);
  }
  return {...given, pattern};
}

type Source = string | io.IOHandler | io.IOHandlerSync | io.ModelArtifacts;

function loaderOf(source: Source): () => io.ModelArtifacts | Promise<io.ModelArtifacts> {
  if (typeof source === 'string') return () => handlerFor(source).load!();
  const given = source as (Partial<io.IOHandler> & io.ModelArtifacts) | null | undefined;
  if (typeof given?.load === 'function') return () => given.load!();
  if (given?.modelTopology !== undefined) return () => given;
  const found = given === null ? 'null' : typeof given;
  return refuse(
    'sparseIOHandler source',
    found,
    'a URL, a handler with load(), or model artifacts',
    'Pass the URL of a model.json.',
  );
}

/**
 * The handler that `tf.loadGraphModel` itself would take for a URL: a registered one, else plain http, which knows relative URLs.
 */
function handlerFor(url: string): io.IOHandler {
  const handlers = io.getLoadHandlers(url);
  if (handlers.length > 1) {
    const cure = 'Pass the handler itself, such as tf.io.http(url).';
    refuse('sparseIOHandler source', `'${url}', which ${handlers.length} handlers claim`, 'a URL of one handler', cure);
  }
  return handlers[0] ?? io.http(url);
}

/** Artifacts whose weights are in memory: the constants of the graph, its scales among them, are weights. */
async function bufferWeights(artifacts: io.ModelArtifacts): Promise<io.ModelArtifacts> {
  if (artifacts.weightData !== undefined || artifacts.getWeightStream === undefined) return artifacts;
  const weightData: ArrayBuffer[] = [];
  const reader = artifacts.getWeightStream().getReader();
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    // The type says ArrayBuffer; a fetched body streams Uint8Arrays.
    const bytes: ArrayBuffer | Uint8Array = chunk.value;
    weightData.push(bytes instanceof ArrayBuffer ? bytes : new Uint8Array(bytes).buffer);
  }
  return {...artifacts, weightData, getWeightStream: undefined};
}

function swapAttention(artifacts: io.ModelArtifacts, options: NodeOptions): {artifacts: io.ModelArtifacts; report: SwapReport} {
  const topology = artifacts.modelTopology as GraphDef | undefined;
  if (!Array.isArray(topology?.node)) {
    const cure = 'Convert the model with --output_format=tfjs_graph_model.';
    refuse('sparseIOHandler source', `a model of format '${artifacts.format ?? 'unknown'}'`, 'a graph model', cure);
  }
  // In this order TensorFlow.js reads them; files written before 2021 have the signature in the metadata.
  const signature = (artifacts.userDefinedMetadata?.['signature'] ?? artifacts.signature) as Signature | undefined;
  const constants = new Constants(artifacts.weightSpecs ?? [], artifacts.weightData);
  const {topology: modelTopology, report} = rewriteGraph(topology as GraphDef, constants, signature, options);
  return {artifacts: {...artifacts, modelTopology}, report};
}
