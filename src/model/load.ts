import {loadGraphModel as loadStock, type GraphModel} from '@tensorflow/tfjs-converter';
import type {io} from '@tensorflow/tfjs-core';
import {handlerOf, type SparseIOHandler} from './io_handler.js';
import {checkOptions, type SwapOptions} from './write/options.js';
import type {SwapReport} from './write/report.js';
import {swapAttention} from './swap.js';

/** A graph model that says what was swapped in it. */
export type SwappedGraphModel = GraphModel & {readonly report: SwapReport};

/**
 * As `tf.loadGraphModel`, with the attention swapped; `model.report` says what was. See `sparseIOHandler` for what is.
 *
 * @param source A URL, or a handler such as `tf.io.http(url, options)` or `'indexeddb://name'`.
 * @throws SplatError as `sparseIOHandler` does, and whatever `tf.loadGraphModel` throws.
 *
 * @example
 * const model = await loadGraphModel('bert/model.json', {pattern: slidingWindow({left: 64, right: 64})});
 * model.report.replaced.length; // 12
 * model.execute(inputs);
 */
export async function loadGraphModel(source: string | io.IOHandler, options: SwapOptions): Promise<SwappedGraphModel> {
  const handler = handlerOf('loadGraphModel', source, options) as SparseIOHandler;
  const model = await loadStock(handler);
  return Object.assign(model, {report: handler.report!});
}

/** What `rewriteGraphModel` returns. */
export interface RewrittenGraphModel {
  /** For `tf.loadGraphModelSync`, `tf.io.fromMemory` or a save handler; the given ones where nothing could be done. */
  readonly artifacts: io.ModelArtifacts;
  readonly report: SwapReport;
}

/**
 * Swaps the attention of a graph model that is in memory, and changes nothing given. See `sparseIOHandler` for what is swapped.
 *
 * @param model Loaded artifacts, or the parsed model.json with its weights in one buffer, as `tf.loadGraphModelSync` takes them. A
 *   model.json alone stays as it is: the constants of a graph (scales, permutations, shapes) are in the weight files.
 * @throws SplatError when the pattern is missing or an option is unknown, and with `strict` when something cannot be swapped.
 *
 * @example
 * const {artifacts, report} = rewriteGraphModel([modelJson, weights], {pattern: causal()});
 * const model = tf.loadGraphModelSync(artifacts);
 */
export function rewriteGraphModel(
  model: io.ModelArtifacts | io.ModelJSON | readonly [io.ModelJSON, ArrayBuffer],
  options: SwapOptions,
): RewrittenGraphModel {
  return swapAttention('rewriteGraphModel', artifactsOf(model), checkOptions('rewriteGraphModel', options));
}

function artifactsOf(model: io.ModelArtifacts | io.ModelJSON | readonly [io.ModelJSON, ArrayBuffer]): io.ModelArtifacts {
  const [json, weightData] = Array.isArray(model) ? (model as [io.ModelJSON, ArrayBuffer]) : [model, undefined];
  if (typeof json !== 'object' || json === null || !('weightsManifest' in json) || !Array.isArray(json.weightsManifest)) {
    // Not a model.json: artifacts, or something that the report names.
    return (json ?? {}) as io.ModelArtifacts;
  }
  const {weightsManifest, ...others} = json;
  return {...others, weightSpecs: weightsManifest.flatMap(({weights}) => weights), ...(weightData && {weightData})};
}
