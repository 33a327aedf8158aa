import type {layers} from '@tensorflow/tfjs-layers';
import {checkLists, listsOf, parsePattern, Pattern, perHead, refusePattern} from '../pattern/index.js';
import {currentDevice} from '../runtime/index.js';
import {readOptions, refuse, type Given, type NamesOf} from '../support/index.js';

/** A pattern or its text, or a list of them, one for each query head: what `perHead` takes. */
export type PatternArgument = Pattern | string | readonly (Pattern | string)[];

/** Those of TensorFlow.js, which may be null or undefined like ours. */
type LayerArgs = {[name in keyof StockArgs]: StockArgs[name] | null | undefined};
export type StockArgs = NonNullable<ConstructorParameters<typeof layers.Layer>[0]>;
type DenseArgs = Parameters<typeof layers.dense>[0];

/** What both attention layers take, under Keras's names in camelCase; null means the default, as in Keras. */
export interface AttentionLayerArgs extends WeightArgs {
  /** Who attends to whom, beside Keras's masks: a pattern or its text, or a list of them, one for each query head. Default `full()`. */
  pattern?: PatternArgument | null | undefined;
  /** The share of probabilities that training drops, 0 ≤ dropout < 1. Default 0. */
  dropout?: number | null | undefined;
  /** Decides what is dropped, call by call; a whole number from 0 to 2³² − 1. Default: anew in every call. */
  seed?: number | null | undefined;
  /** Query i sees the keys j with |i − j| < slidingWindow, both counted from 0. Default null, all. */
  slidingWindow?: number | null | undefined;
}

/** How the weights of a layer begin, and what training holds them to; null means the default, as in Keras. */
export interface WeightArgs extends LayerArgs {
  /** Whether products with kernels have biases. Default true. */
  useBias?: boolean | null | undefined;
  /** Default 'glorotUniform'. */
  kernelInitializer?: DenseArgs['kernelInitializer'] | null | undefined;
  /** Default 'zeros'. */
  biasInitializer?: DenseArgs['biasInitializer'] | null | undefined;
  kernelRegularizer?: DenseArgs['kernelRegularizer'] | null | undefined;
  biasRegularizer?: DenseArgs['biasRegularizer'] | null | undefined;
  kernelConstraint?: DenseArgs['kernelConstraint'] | null | undefined;
  biasConstraint?: DenseArgs['biasConstraint'] | null | undefined;
  /** Not supported by TensorFlow.js: null. */
  activityRegularizer?: null | undefined;
}

/** Of every layer of TensorFlow.js; the last is what its loader adds. */
export const LAYER_NAMES: NamesOf<StockArgs> = {
  name: true,
  trainable: true,
  dtype: true,
  inputDType: true,
  inputShape: true,
  batchInputShape: true,
  batchSize: true,
  weights: true,
};
/** Of both attention layers; activityRegularizer is below. */
export const SHARED_NAMES: NamesOf<Omit<AttentionLayerArgs, keyof StockArgs | 'activityRegularizer'>> = {
  pattern: true,
  dropout: true,
  seed: true,
  useBias: true,
  slidingWindow: true,
  kernelInitializer: true,
  biasInitializer: true,
  kernelRegularizer: true,
  biasRegularizer: true,
  kernelConstraint: true,
  biasConstraint: true,
};
/** In Keras's configs, and without meaning here: shapes come with the first call, and our softmax is robust to masks. */
const IGNORED_NAMES = ['customObjects', 'queryShape', 'keyShape', 'valueShape', 'softmaxRobustMasking'];
/** Of Keras, for layers that we cannot build when they say anything but this. */
const UNSUPPORTED: Readonly<Record<string, {readonly is: unknown; readonly cure: string}>> = {
  activityRegularizer: {is: undefined, cure: 'TensorFlow.js has none; regularise kernels, or add a loss to the model.'},
  useGate: {is: false, cure: 'Multiply the output by a gate in the model.'},
};

/** The arguments without null ones, which stand for a default; refuses names that nobody knows and things that nobody can. */
export function checkNames<Args extends AttentionLayerArgs>(
  className: string,
  given: Args,
  own: NamesOf<Omit<Args, keyof AttentionLayerArgs>>,
): Partial<Given<Args>> {
  const read: Record<string, unknown> = readOptions(
    given as Record<string, unknown>,
    {...own, ...SHARED_NAMES, ...LAYER_NAMES},
    {
      all: `${className} arguments`,
      expected: `an object {${Object.keys(own).join(', ')}, …}`,
      cure: 'Name each of them.',
      one: (name) => `${className} argument '${name}'`,
      also: [...IGNORED_NAMES, ...Object.keys(UNSUPPORTED)],
    },
  );
  for (const [name, {is, cure}] of Object.entries(UNSUPPORTED)) {
    if (read[name] !== undefined && read[name] !== is)
      refuse(`${className}.${name}`, sayArgument(read[name]), String(is ?? null), cure);
  }
  return read as Partial<Given<Args>>;
}

export function checkCount(thing: string, count: unknown): number {
  if (Number.isInteger(count) && (count as number) > 0) return count as number;
  return refuse(thing, sayArgument(count), 'a positive whole number', 'Pass the number that the trained model has.');
}

/** TensorFlow.js counts the elements of a tensor in int32, on whatever backend. */
const MOST_ELEMENTS = 2 ** 31 - 1;

/** Refuses a weight that the device has no room for in one tensor, before anything is made of it. */
export function checkWeight(layer: string, name: string, shape: readonly number[]): void {
  const elements = shape.reduce((a, b) => a * b, 1);
  const most = Math.min(MOST_ELEMENTS, Math.floor((currentDevice()?.maxBindingBytes ?? Infinity) / 4));
  if (elements <= most) return;
  const cure = 'Give the layer a smaller keyDim, valueDim or headDim, or fewer heads.';
  refuse(
    `weight ${name} of ${layer}`,
    `${elements} numbers of shape ${sayArgument([...shape])}`,
    `at most ${most}, in one tensor`,
    cure,
  );
}

export function checkDropout(thing: string, rate: unknown = 0): number {
  if (typeof rate === 'number' && rate >= 0 && rate < 1) return rate;
  return refuse(
    thing,
    sayArgument(rate),
    'a number with 0 ≤ dropout < 1',
    'It is the share that is dropped, not the share that is kept.',
  );
}

export function checkSeed(thing: string, seed: unknown): number | null {
  if (seed === undefined || seed === null) return null;
  if (Number.isInteger(seed) && (seed as number) >= 0 && (seed as number) < 2 ** 32) return seed as number;
  return refuse(
    thing,
    sayArgument(seed),
    'a whole number from 0 to 2³² − 1',
    'Leave it out for dropout that differs in every run.',
  );
}

export function checkFlag(thing: string, flag: unknown, fallback: boolean): boolean {
  if (flag === undefined || flag === null) return fallback;
  return typeof flag === 'boolean' ? flag : refuse(thing, sayArgument(flag), 'true or false', `Leave it out for ${fallback}.`);
}

/** The pattern of a layer of so many heads. */
export function checkPattern(thing: string, given: unknown, {heads, keyHeads}: Heads = ONE_HEAD): Pattern {
  const pattern = Array.isArray(given)
    ? perHead((given as unknown[]).map((each, head) => onePattern(`${thing}[${head}]`, each)))
    : onePattern(thing, given);
  // The sequences of a batch come with each call.
  checkLists(pattern.node, {heads, keyHeads, batch: listsOf(pattern.node).perBatch ?? 1});
  return pattern;
}

export interface Heads {
  readonly heads: number;
  readonly keyHeads: number;
}

const ONE_HEAD: Heads = {heads: 1, keyHeads: 1};

function onePattern(thing: string, pattern: unknown): Pattern {
  if (pattern instanceof Pattern) return pattern;
  return typeof pattern === 'string' ? parsePattern(pattern) : refusePattern(thing, pattern, 'a Pattern or its text');
}

/** A value as an error message shows it. */
export function sayArgument(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 60)}…` : value}'`;
  if (Array.isArray(value)) return `[${value.map(sayArgument).join(', ').slice(0, 60)}]`;
  if (value === undefined) return 'nothing';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
