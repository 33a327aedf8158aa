import type {layers} from '@tensorflow/tfjs-layers';
import type {Pattern} from '../pattern/index.js';
import type {Heads, PatternArgument} from './arguments.js';

/** A layer of this package: it attends by a pattern, which may be set at any time. */
export interface PatternedLayer extends layers.Layer {
  /** Missing where there is one head. */
  readonly sizes?: Heads;
  get pattern(): Pattern;
  set pattern(pattern: PatternArgument);
}

/** The layers of every copy of this package: a program may hold two, where one dependency requires it and another imports it. */
const PATTERNED = Symbol.for('tfjs-splat.PatternedLayer');

/** Says that the layers of a class have a pattern. */
export function markPatterned({prototype}: {readonly prototype: PatternedLayer}): void {
  Object.defineProperty(prototype, PATTERNED, {value: true});
}

export const isPatterned = (layer: layers.Layer): layer is PatternedLayer => PATTERNED in layer;
