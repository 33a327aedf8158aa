import {io} from '@tensorflow/tfjs-core';
import {refuse} from '../support/index.js';
import {checkOptions, type SwapOptions} from './write/options.js';
import type {SwapReport} from './write/report.js';
import {swapAttention} from './swap.js';

/** What `tf.loadGraphModel` takes. */
export interface SparseIOHandler extends io.IOHandler {
  /** Loads the model and swaps its attention. */
  load(): Promise<io.ModelArtifacts>;
  /** What the last load replaced and what it left; undefined before the first. */
  readonly report?: SwapReport | undefined;
}

/** What `tf.loadGraphModelSync` takes. */
export interface SparseIOHandlerSync {
  /** Swaps the attention of the given model. */
  load(): io.ModelArtifacts;
  /** As in `SparseIOHandler`. */
  readonly report?: SwapReport | undefined;
}

/**
 * Loads a graph model with its attention swapped: a handler for `tf.loadGraphModel` that replaces each attention, in whatever way the
 * converter spelled it, by one `SparseAttention` node.
 *
 * Signature and the names of the remaining nodes stay, so the model is used as before; only the nodes inside an attention
 * can no longer be asked for by name. What is around it is folded into fewer nodes, see `SwapOptions.fold`. Padding masks and biases of the model stay tensors of each run, so a query attends where the
 * pattern *and* the mask allow it. With `full()` the model computes what it did. A causal mask that the model makes of its lengths, or
 * has as a constant, becomes part of the pattern, and no tensor of all pairs is made any more. (A query whose keys up to itself are all
 * padding attends to those then; the original may look at later keys. Nobody reads such a row.)
 *
 * Where queries stand among keys of another number, `align` says: at the end, as in `sparseAttention`, unless told otherwise; where a
 * causal mask of the model says it, that holds. Rows that see nothing there are named in the notes of the report. A pattern made for fixed lengths (`documents`, `fromMask`) suits a model that is only run at that length.
 *
 * Einsum nodes elsewhere become matrix products, in a model without attention too: TensorFlow.js runs them by broadcasting. The report
 * says what was found, what was swapped, and why the rest was not. Softmaxes that are no attention, such as class heads, are not in it.
 *
 * @param source A URL as `tf.loadGraphModel` takes it, or a handler: `tf.io.http(url, options)` where requests need options. A sync
 *   handler or loaded `ModelArtifacts` give a handler for `tf.loadGraphModelSync`. Streamed weights are buffered, because a scale
 *   is a weight.
 * @throws SplatError when the pattern is missing or an option is unknown; with `strict`, while loading, when something cannot be swapped.
 *   Without it whatever loads without swapping loads.
 *
 * @example
 * const handler = sparseIOHandler('bert/model.json', {pattern: slidingWindow({left: 64, right: 64})});
 * const model = await tf.loadGraphModel(handler);
 * handler.report; // {found: 12, replaced: [{name: '…/attention/self/MatMul_1', scale: 0.125, …}, …], left: [], …}
 */
export function sparseIOHandler(source: string | io.IOHandler, options: SwapOptions): SparseIOHandler;
export function sparseIOHandler(source: io.IOHandlerSync | io.ModelArtifacts, options: SwapOptions): SparseIOHandlerSync;
export function sparseIOHandler(source: ModelSource, options: SwapOptions): SparseIOHandler | SparseIOHandlerSync {
  return handlerOf('sparseIOHandler', source, options);
}

/** What a handler loads from. */
export type ModelSource = string | io.IOHandler | io.IOHandlerSync | io.ModelArtifacts;

/** The handler of `sparseIOHandler`; `caller` is the function that was called, for messages. */
export function handlerOf(caller: string, source: ModelSource, options: SwapOptions): SparseIOHandler | SparseIOHandlerSync {
  const checked = checkOptions(caller, options);
  const load = loaderOf(caller, source);
  let report: SwapReport | undefined;
  const keepReport = (told: SwapReport): void => {
    report = told;
  };
  const swap = (artifacts: io.ModelArtifacts): io.ModelArtifacts => swapAttention(caller, artifacts, checked, keepReport).artifacts;
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

function loaderOf(caller: string, source: ModelSource): () => io.ModelArtifacts | Promise<io.ModelArtifacts> {
  if (typeof source === 'string') return () => handlerFor(caller, source).load!();
  const given = source as (Partial<io.IOHandler> & io.ModelArtifacts) | null | undefined;
  if (typeof given?.load === 'function') return () => given.load!();
  if (given?.modelTopology !== undefined) return () => given;
  const found = given === null ? 'null' : typeof given;
  return refuse(`${caller} source`, found, 'a URL, a handler with load(), or model artifacts', 'Pass the URL of a model.json.');
}

/**
 * The handler that `tf.loadGraphModel` itself would take for a URL: a registered one, else plain http, which knows relative URLs.
 */
function handlerFor(caller: string, url: string): io.IOHandler {
  const handlers = io.getLoadHandlers(url);
  if (handlers.length > 1) {
    const cure = 'Pass the handler itself, such as tf.io.http(url).';
    refuse(`${caller} source`, `'${url}', which ${handlers.length} handlers claim`, 'a URL of one handler', cure);
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
