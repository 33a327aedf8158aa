/** JSON as Keras writes it. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

export const isObject = (json: Json | undefined): json is JsonObject =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

/** A tensor by where it comes from: the name of a layer, which call of it, which output. */
export type TensorKey = readonly [string, number, number];

export const isTensorKey = (json: Json | undefined): json is TensorKey =>
  Array.isArray(json) &&
  json.length >= 3 &&
  typeof json[0] === 'string' &&
  typeof json[1] === 'number' &&
  typeof json[2] === 'number';
