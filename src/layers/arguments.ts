import type {layers} from '@tensorflow/tfjs-layers';
import {parsePattern, Pattern} from '../pattern/index.js';
import {nearestName, refuse} from '../support/index.js';

type LayerArgs = NonNullable<ConstructorParameters<typeof layers.Layer>[0]>;
type DenseArgs = Parameters<typeof layers.dense>[0];

/** What both attention layers take, under Keras's names in camelCase; null means the default, as in Keras. */
export interface AttentionLayerArgs extends LayerArgs {
  /** Who attends to whom, beside Keras's masks: a pattern or its text. Default `full()`. */
  pattern?: Pattern | string | null;
  /** The share of probabilities that training drops, 0 ≤ dropout < 1. Default 0. */
  dropout?: number | null;
  /** Decides what is dropped, call by call; a whole number from 0 to 2³² − 1. Default: anew in every call. */
  seed?: number | null;
  /** Whether the four projections have biases. Default true. */
  useBias?: boolean | null;
  /** Query i sees the keys j with |i − j| < slidingWindow, both counted from 0. Default null, all. */
  slidingWindow?: number | null;
  /** Default 'glorotUniform'. */
  kernelInitializer?: DenseArgs['kernelInitializer'] | null;
  /** Default 'zeros'. */
  biasInitializer?: DenseArgs['biasInitializer'] | null;
  kernelRegularizer?: DenseArgs['kernelRegularizer'] | null;
  biasRegularizer?: DenseArgs['biasRegularizer'] | null;
  kernelConstraint?: DenseArgs['kernelConstraint'] | null;
  biasConstraint?: DenseArgs['biasConstraint'] | null;
  /** Not supported by TensorFlow.js: null. */
  activityRegularizer?: null;
}

/** Of every layer of TensorFlow.js; the last is what its loader adds. */
const LAYER_NAMES = ['name', 'trainable', 'dtype', 'inputDType', 'inputShape', 'batchInputShape', 'batchSize', 'weights'];
const SHARED_NAMES = [
  ...['pattern', 'dropout', 'seed', 'useBias', 'slidingWindow'],
  ...['kernelInitializer', 'biasInitializer', 'kernelRegularizer', 'biasRegularizer', 'kernelConstraint', 'biasConstraint'],
];
/** In Keras's configs, and without meaning here: shapes come with the first call, and our softmax is robust to masks. */
const IGNORED_NAMES = ['customObjects', 'queryShape', 'keyShape', 'valueShape', 'softmaxRobustMasking'];
/** Of Keras, for layers that we cannot build when they say anything but this. */
const UNSUPPORTED: Readonly<Record<string, {readonly is: unknown; readonly cure: string}>> = {
  activityRegularizer: {is: undefined, cure: 'TensorFlow.js has none; regularise kernels, or add a loss to the model.'},
  useGate: {is: false, cure: 'Multiply the output by a gate in the model.'},
};

/** The arguments without null ones, which stand for a default; refuses names that nobody knows and things that nobody can. */
export function checkNames<Args extends object>(className: string, given: Args, own: readonly string[]): Partial<Args> {
  if (typeof given !== 'object' || given === null) {
    refuse(`${className} arguments`, say(given), `an object {${own.join(', ')}, …}`, 'Name each of them.');
  }
  const known = [...own, ...SHARED_NAMES, ...LAYER_NAMES];
  const entries = Object.entries(given).filter(([, value]) => value !== undefined && value !== null);
  for (const [name, value] of entries) {
    const unsupported = UNSUPPORTED[name];
    if (unsupported !== undefined && value !== unsupported.is) {
      refuse(`${className}.${name}`, say(value), String(unsupported.is ?? null), unsupported.cure);
    }
    if (unsupported !== undefined || known.includes(name) || IGNORED_NAMES.includes(name)) continue;
    const near = nearestName(name, known);
    refuse(`${className} argument`, `'${name}'`, known.join(', '), near ? `Did you mean '${near}'?` : 'Leave it out.');
  }
  return Object.fromEntries(entries) as Partial<Args>;
}

export function checkCount(thing: string, count: unknown): number {
  if (Number.isInteger(count) && (count as number) > 0) return count as number;
  return refuse(thing, say(count), 'a positive whole number', 'Pass the number that the trained model has.');
}

export function checkDropout(thing: string, rate: unknown = 0): number {
  if (typeof rate === 'number' && rate >= 0 && rate < 1) return rate;
  return refuse(thing, say(rate), 'a number with 0 ≤ dropout < 1', 'It is the share that is dropped, not the share that is kept.');
}

export function checkSeed(thing: string, seed: unknown): number | null {
  if (seed === undefined || seed === null) return null;
  if (Number.isInteger(seed) && (seed as number) >= 0 && (seed as number) < 2 ** 32) return seed as number;
  return refuse(thing, say(seed), 'a whole number from 0 to 2³² − 1', 'Leave it out for dropout that differs in every run.');
}

export function checkFlag(thing: string, flag: unknown, fallback: boolean): boolean {
  if (flag === undefined || flag === null) return fallback;
  return typeof flag === 'boolean' ? flag : refuse(thing, say(flag), 'true or false', `Leave it out for ${fallback}.`);
}

export function checkPattern(thing: string, pattern: unknown): Pattern {
  if (pattern instanceof Pattern) return pattern;
  if (typeof pattern === 'string') return parsePattern(pattern);
  return refuse(
    thing,
    say(pattern),
    'a Pattern or its text',
    "Make one with a builder such as slidingWindow({left: 64}), or write 'slidingWindow(left: 64)'.",
  );
}

/** A value as an error message shows it. */
export function say(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 60)}…` : value}'`;
  if (Array.isArray(value)) return `[${value.map(say).join(', ').slice(0, 60)}]`;
  if (value === undefined) return 'nothing';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
