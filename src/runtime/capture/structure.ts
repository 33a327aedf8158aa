import * as tf from '@tensorflow/tfjs-core';
import {isList, isPromise, refuse, say} from '../../support/index.js';

/** What goes into a captured function and what comes out: one tensor, a list of them, or tensors by name. */
export type Tensors = tf.Tensor | tf.Tensor[] | tf.NamedTensorMap;

/** Numbers as they lie in memory. */
export type Numbers = Float32Array | Int32Array | Uint8Array;

/** What a replay takes in the place of the examples. */
export type InputsLike<Inputs> = Inputs extends tf.Tensor ? tf.Tensor | Numbers : {[name in keyof Inputs]: tf.Tensor | Numbers};

/** The numbers of outputs, in the places of the tensors. */
export type ValuesOf<Outputs> = Outputs extends tf.Tensor ? Numbers : {[name in keyof Outputs]: Numbers};

/** Leaves by the names that they have, and the way back. `name` is null for a leaf alone. */
export interface Leaves<Leaf> {
  readonly names: readonly (string | number | null)[];
  readonly leaves: readonly Leaf[];
}

type Shape = 'one' | 'list' | 'names';

export function shapeOfStructure(given: unknown, isLeaf: (given: unknown) => boolean): Shape | null {
  if (isLeaf(given)) return 'one';
  if (Array.isArray(given)) return 'list';
  return typeof given === 'object' && given !== null && !isPromise(given) && !isList(given) ? 'names' : null;
}

export const isTensor = (given: unknown): given is tf.Tensor => given instanceof tf.Tensor;

/** The tensors of a structure; anything else in it is refused, under the name of `thing`. */
export function tensorsIn(thing: string, given: unknown): Leaves<tf.Tensor> & {readonly shape: Shape} {
  const shape = shapeOfStructure(given, isTensor);
  const cure = 'Give one tensor, an array of tensors, or an object of tensors by name.';
  if (shape === null) refuse(`${thing}s`, say(given), 'tensors', cure);
  const names = shape === 'one' ? [null] : shape === 'list' ? [...(given as unknown[]).keys()] : Object.keys(given as object);
  const leaves = names.map((name) => {
    const leaf: unknown = name === null ? given : (given as Record<string | number, unknown>)[name];
    return isTensor(leaf) ? leaf : refuse(called(thing, name), say(leaf), 'a tensor', cure);
  });
  return {shape, names, leaves};
}

/** Leaves put where the names say. */
export function put<Leaf>(
  shape: Shape,
  names: Leaves<Leaf>['names'],
  leaves: readonly Leaf[],
): Leaf | Leaf[] | Record<string, Leaf> {
  if (shape === 'one') return leaves[0]!;
  return shape === 'list' ? [...leaves] : Object.fromEntries(names.map((name, i) => [name, leaves[i]!]));
}

export const called = (thing: string, name: string | number | null): string =>
  name === null ? thing : typeof name === 'number' ? `${thing} ${name}` : `${thing} '${name}'`;
