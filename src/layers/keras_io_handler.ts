import {io} from '@tensorflow/tfjs-core';
import {refuse} from '../support/index.js';
import {sayArgument} from './arguments.js';
import {convertTopology} from './keras_topology.js';

/**
 * Loads a model.json that Keras wrote, Keras 2 or 3, with attention in it: a handler for `tf.loadLayersModel`.
 *
 * TensorFlow.js reads configs of Keras 2 in which a layer takes its tensors from one list. Keras gives attention its value, key and mask
 * by name, and Keras 3 writes calls, shapes and dtypes in a form of its own. The handler rewrites both; weights pass through, by the
 * names that Keras gives them in HDF5 files (`model.save('model.h5')`, then `tensorflowjs_converter --input_format=keras`).
 * What TensorFlow.js saved itself needs no handler, and passes through unchanged.
 *
 * @param source A URL as `tf.loadLayersModel` takes it, or a handler: `tf.io.http(url, options)` where requests need options.
 * @throws SplatError (as a rejection) when what is loaded is no layers model, or calls a layer in a way that TensorFlow.js cannot.
 *
 * @example
 * const model = await tf.loadLayersModel(kerasIOHandler('model/model.json'));
 */
export function kerasIOHandler(source: string | io.IOHandler): io.IOHandler {
  const handler = handlerOf(source);
  return {
    load: async () => {
      const artifacts = await handler.load!();
      return {...artifacts, modelTopology: convertTopology(artifacts.modelTopology)};
    },
  };
}

function handlerOf(source: unknown): io.IOHandler {
  // What `tf.loadLayersModel` itself would take for a URL: a registered handler, else plain http, which knows relative URLs.
  if (typeof source === 'string') return io.getLoadHandlers(source)[0] ?? io.http(source);
  if (typeof (source as io.IOHandler | null | undefined)?.load === 'function') return source as io.IOHandler;
  return refuse('kerasIOHandler source', sayArgument(source), 'a URL or a handler with load()', 'Pass the URL of a model.json.');
}
