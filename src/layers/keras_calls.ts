import {refuse} from '../support/index.js';
import {isObject, isTensorKey, type Json, type JsonObject, type TensorKey} from './keras_json.js';

const ATTENTION = ['MultiHeadAttention', 'GroupQueryAttention'];
/** Keras's order of the inputs of an attention layer; ours, but for masks of one side. */
const ROLES = ['query', 'value', 'key', 'query_mask', 'value_mask', 'key_mask', 'attention_mask'];

interface LayerCall {
  /** By position; null where Keras was given None. */
  readonly tensors: readonly (TensorKey | null)[];
  readonly named: JsonObject;
}

/** The calls of a layer as TensorFlow.js reads them: a list of tensors each, [layer, call, output, named arguments]. */
export function convertNodes(layer: JsonObject, nodes: readonly Json[]): Json {
  return nodes.map((node) => {
    const call = readKeras3(layer, node) ?? readKeras2(layer, node);
    if (call === null) return node;
    const {tensors, named} = isAttention(layer) ? inOrder(layer, call) : call;
    return tensors.filter((key) => key !== null).map((key) => [...key, named]);
  });
}

/** {args: [tensor or list of them, …], kwargs: {name: tensor or value}} */
function readKeras3(layer: JsonObject, node: Json): LayerCall | null {
  if (!isObject(node) || !Array.isArray(node['args']) || !isObject(node['kwargs'])) return null;
  const args = (node['args'] as readonly Json[]).flat();
  const tensors = args.map((arg) => (arg === null ? null : (historyOf(arg) ?? refuseCall(layer, 'a constant'))));
  const kwargs = Object.entries(withoutNulls(node['kwargs'])).map(([name, value]) => [name, historyOf(value) ?? value] as const);
  if (!isAttention(layer) && kwargs.some(([, value]) => isTensorKey(value))) refuseCall(layer, 'a tensor by name');
  return {tensors, named: Object.fromEntries(kwargs)};
}

function historyOf(json: Json): TensorKey | null {
  const config = isObject(json) && json['class_name'] === '__keras_tensor__' ? json['config'] : undefined;
  const history = isObject(config) ? config['keras_history'] : undefined;
  return isTensorKey(history) ? history : null;
}

/** [[layer, call, output, {name: [layer, call, output] or value}]]: TensorFlow.js reads it too, unless a tensor has a name. */
function readKeras2(layer: JsonObject, node: Json): LayerCall | null {
  const first = Array.isArray(node) ? (node as readonly Json[])[0] : undefined;
  if (!isTensorKey(first) || !isAttention(layer)) return null;
  const named = (first as readonly Json[])[3];
  if (!isObject(named) || !Object.values(named).some(isTensorKey)) return null;
  return {tensors: (node as readonly TensorKey[]).map(([name, call, output]) => [name, call, output]), named: withoutNulls(named)};
}

/** The tensors that have names behind the others, in the order in which our layers take them. */
function inOrder(layer: JsonObject, {tensors, named}: LayerCall): LayerCall {
  const byRole: Partial<Record<string, TensorKey>> = Object.fromEntries(
    tensors.flatMap((tensor, i) => (tensor === null ? [] : [[ROLES[i] ?? `input ${i}`, tensor]])),
  );
  const rest: Record<string, Json> = {};
  for (const [name, value] of Object.entries(named)) {
    if (isTensorKey(value)) byRole[name] = [value[0], value[1], value[2]];
    else rest[name] = value;
  }
  const {query, value, key, attention_mask: mask, ...others} = byRole;
  const [stranger] = Object.keys(others);
  if (stranger !== undefined) refuseCall(layer, `a tensor as ${stranger}`);
  if (query === undefined || value === undefined) return refuseCall(layer, 'no query or no value');
  const behind = mask === undefined ? [key] : [key ?? value, mask];
  return {tensors: [query, value, ...behind.filter((tensor) => tensor !== undefined)], named: rest};
}

const isAttention = (layer: JsonObject): boolean => ATTENTION.includes(String(layer['class_name']));

const withoutNulls = (json: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(json).filter(([, value]) => value !== null));

function refuseCall(layer: JsonObject, found: string): never {
  const thing = `call of ${String(layer['name'] ?? layer['class_name'])} in the model.json`;
  return refuse(thing, found, 'tensors by position', 'Build the model in Keras with calls that TensorFlow.js can express.');
}
