import {refuse} from '../support/index.js';
import {convertNodes} from './keras_calls.js';
import {isObject, isTensorKey, type Json, type JsonObject} from './keras_json.js';

/** The topology of a model.json in the dialect that TensorFlow.js reads, that of Keras 2. */
export function convertTopology(topology: unknown): JsonObject {
  const json = topology as Json | undefined;
  const model = isObject(json) && isObject(json['model_config']) ? json['model_config'] : json;
  if (!isObject(json) || !isObject(model) || typeof model['class_name'] !== 'string') {
    const cure = 'Convert the model with tensorflowjs_converter --input_format=keras; graph models load with sparseIOHandler.';
    return refuse('kerasIOHandler source', 'no layers model', "a modelTopology with a 'class_name'", cure);
  }
  return convert(json) as JsonObject;
}

function convert(json: Json): Json {
  if (Array.isArray(json)) return json.map(convert);
  if (!isObject(json)) return json;
  const {class_name: className, config} = json;
  if (isObject(config)) {
    // A dtype policy says in many words what its name says.
    if (className === 'DTypePolicy' && typeof config['name'] === 'string') return config['name'];
    // Keras 2 of TensorFlow.js knows one class for both; its default for what is missing is 0.01.
    if (className === 'L1' || className === 'L2') return {...json, class_name: 'L1L2', config: {l1: 0, l2: 0, ...config}};
  }
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => {
      if (name === 'batch_shape') return ['batch_input_shape', value];
      if (name === 'inbound_nodes' && Array.isArray(value)) return [name, convertNodes(json, value)];
      if (name === 'input_layers' || name === 'output_layers') return [name, isTensorKey(value) ? [value] : value];
      return [name, convert(value)];
    }),
  );
}
