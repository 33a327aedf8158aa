import {Tensor} from '@tensorflow/tfjs-core';
import {layers, SymbolicTensor} from '@tensorflow/tfjs-layers';
import {readOptions, refuse, type NamesOf} from '../support/index.js';
import {sayArgument} from './arguments.js';

/** What `apply` takes beside its inputs, as in Keras. */
export interface AttentionCallArgs {
  /**
   * [batch, queryLength, keyLength], with heads after the batch or without the batch; not 0 where a query attends to a key. In a
   * functional model a symbolic tensor.
   */
  readonly attentionMask?: Tensor | SymbolicTensor | null | undefined;
  /** Query i sees no key after key i, both counted from 0. Default false. */
  readonly useCausalMask?: boolean | null | undefined;
  /** Whether to drop probabilities. Models say it themselves. Default false. */
  readonly training?: boolean | null | undefined;
  /** Not true: probabilities are never there as a whole. */
  readonly returnAttentionScores?: false | null | undefined;
}

export const CALL_NAMES: NamesOf<AttentionCallArgs> = {
  attentionMask: true,
  useCausalMask: true,
  training: true,
  returnAttentionScores: true,
};

/** Call arguments that are there, checked but for the shape of the mask. */
export interface CallArgs {
  readonly attentionMask?: unknown;
  readonly useCausalMask?: boolean;
  readonly training?: boolean;
}

const CALLS = 'apply(query), apply([query, value]) or apply([query, value, key])';

/** The arguments of `apply` besides its inputs; refuses calls that Keras would take in Python, or that nobody would. */
export function checkLayerCall(layer: string, inputs: unknown, args: unknown): Readonly<Record<string, unknown>> {
  const list = Array.isArray(inputs) ? (inputs as unknown[]) : [inputs];
  const wrong = Array.from(list).find((input) => !(input instanceof Tensor || input instanceof SymbolicTensor));
  if (wrong !== undefined || list.includes(undefined)) {
    const named = typeof wrong === 'object' && wrong !== null && ['query', 'value', 'key'].some((role) => role in wrong);
    const numbers = Array.isArray(wrong) || typeof wrong === 'number' || ArrayBuffer.isView(wrong);
    const cure = named
      ? 'TensorFlow.js has no named inputs: put them into one array, in this order.'
      : numbers
        ? 'Make a tensor first: tf.tensor3d(values).'
        : 'Await what is a promise, and leave out what is not there.';
    refuse(`inputs of ${layer}`, named ? `an object {${Object.keys(wrong).join(', ')}}` : sayArgument(wrong), CALLS, cure);
  }
  const symbolic = list.filter((input) => input instanceof SymbolicTensor).length;
  if (symbolic > 0 && symbolic < list.length) {
    const cure = 'Make the tensor an input of the model: tf.input({shape: [length, features]}).';
    refuse(`inputs of ${layer}`, 'tensors beside symbolic ones', 'all of one kind', cure);
  }
  if (args === undefined || args === null) return {};
  if (typeof args !== 'object' || Array.isArray(args) || args instanceof Tensor || args instanceof SymbolicTensor) {
    const found = args instanceof Tensor || args instanceof SymbolicTensor ? 'a tensor' : sayArgument(args);
    const cure = `Value and key go with the query into one array: ${CALLS}.`;
    refuse(`second argument of ${layer}.apply`, found, `{${Object.keys(CALL_NAMES).join(', ')}}`, cure);
  }
  return args as Readonly<Record<string, unknown>>;
}

/** `mask` is what a model passes around; see `watchMasks` for why it is not read. */
export function readCallArgs(layer: string, given: Readonly<Record<string, unknown>>): CallArgs {
  const thing = (name: string): string => `call argument '${name}' of ${layer}`;
  for (const name of ['key', 'value']) {
    const cure = 'Call apply([query, value, key]); a model.json from Keras loads by tf.loadLayersModel(kerasIOHandler(url)).';
    if (given[name] != null) refuse(thing(name), sayArgument(given[name]), 'it among the inputs', cure);
  }
  const {mask: _, ...named} = Object.fromEntries(Object.entries(given).filter(([, value]) => value != null));
  const args: Record<string, unknown> = readOptions(named, CALL_NAMES, {
    all: `call arguments of ${layer}`,
    expected: 'an object such as {useCausalMask: true}',
    cure: 'Name each of them.',
    one: thing,
  });
  for (const [name, value] of Object.entries(args)) {
    if (name !== 'attentionMask' && typeof value !== 'boolean')
      refuse(thing(name), sayArgument(value), 'true or false', 'Leave it out for false.');
  }
  if (args['returnAttentionScores'] === true) {
    const cure = 'Leave it out; the probabilities of a short input are softmax(scale · query · keyᵀ) of the projections.';
    refuse(`call argument 'returnAttentionScores' of ${layer}`, 'true', 'false: the kernel never holds them as a whole', cure);
  }
  return args as CallArgs;
}

/** Inputs in the order of Keras's signature. */
export interface Inputs<T> {
  readonly query: T;
  readonly value: T;
  readonly key: T;
  readonly attentionMask?: T;
}

export function readInputs<T>(layer: string, inputs: T | readonly T[]): Inputs<T> {
  const list = [inputs].flat() as T[];
  const [query, value = query, key = value, attentionMask] = list;
  if (query === undefined || list.length > 4) {
    const expected = 'query, [query, value], [query, value, key] or [query, value, key, attentionMask]';
    refuse(`inputs of ${layer}`, `${list.length} tensors`, expected, 'Other things go into the second argument of apply.');
  }
  return {query: query!, value: value!, key: key!, ...(attentionMask !== undefined && {attentionMask})};
}

/** The inputs and arguments with which a symbolic call is recorded. */
export interface SymbolicCall {
  readonly inputs: readonly SymbolicTensor[];
  readonly useCausalMask: boolean;
}

/**
 * A symbolic call in the one form in which TensorFlow.js keeps it whole (4.22): it forgets tensors among the arguments, so the mask
 * becomes the fourth input; and it disposes of a tensor that enters a node twice before the next node reads it, so only the first time
 * it enters as itself.
 */
export function readSymbolicCall(layer: string, given: SymbolicTensor | readonly SymbolicTensor[], args: CallArgs): SymbolicCall {
  const {query, value, key, attentionMask: fourth} = readInputs(layer, given);
  if (args.training !== undefined) {
    const cure = 'Leave it out: fit() trains and predict() does not; for no dropout at all give the layer dropout: 0.';
    refuse(`call argument 'training' of ${layer}`, sayArgument(args.training), 'none in a model', cure);
  }
  const attentionMask = args.attentionMask ?? fourth;
  if (attentionMask !== undefined && !(attentionMask instanceof SymbolicTensor)) {
    const cure = 'Give the layer the pattern fromMask(values, {queryLength, keyLength}), or make the mask an input of the model.';
    refuse(`call argument 'attentionMask' of ${layer}`, sayArgument(attentionMask), 'a symbolic tensor in a model', cure);
  }
  if (args.attentionMask !== undefined && fourth !== undefined) {
    refuse(`call argument 'attentionMask' of ${layer}`, 'two masks', 'one', 'Leave out the fourth input.');
  }
  let inputs: SymbolicTensor[] = [query, value, key];
  if (attentionMask !== undefined) inputs.push(attentionMask as SymbolicTensor);
  else if (key === value) inputs = value === query ? [query] : [query, value];
  return {
    inputs: inputs.map((input, i) => (inputs.indexOf(input) < i ? copyOf(input) : input)),
    useCausalMask: args.useCausalMask ?? false,
  };
}

const copyOf = (input: SymbolicTensor): SymbolicTensor => layers.activation({activation: 'linear'}).apply(input) as SymbolicTensor;

export const isSymbolic = (inputs: unknown): inputs is SymbolicTensor | SymbolicTensor[] =>
  [inputs].flat().some((input) => input instanceof SymbolicTensor);

/** Refuses an attention mask of a direct call that is no tensor. */
export function checkMaskTensor(layer: string, mask: unknown): Tensor | undefined {
  if (mask === undefined || mask instanceof Tensor) return mask;
  return refuse(`call argument 'attentionMask' of ${layer}`, sayArgument(mask), 'a tensor', 'Make one: tf.tensor(mask).');
}
