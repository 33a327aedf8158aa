import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, TensorInfo} from '@tensorflow/tfjs-core';
import {keyOf, Lru, Recent} from '../../support/index.js';
import type {BindingRole, CallParams, OpLaunches} from '../../pure.js';
import {isTapeOn} from '../call/tape.js';
import {Host} from '../host/backend.js';
import {resident} from '../launch/resident.js';
import {run} from '../launch/run.js';

/** The names of the kernels, and of the nodes of graph models that call them. */
export const LAYER_NORM = 'SplatLayerNorm';
export const RMS_NORM = 'SplatRmsNorm';
export const GELU = 'SplatGelu';
export const SILU = 'SplatSilu';

type Inputs<T> = Readonly<Partial<Record<BindingRole, T>>>;

/** What runs on WebGPU, and the shapes of what it makes. */
export interface OpRun {
  readonly key: object;
  readonly generate: () => OpLaunches;
  readonly shapes: Readonly<Partial<Record<BindingRole, readonly number[]>>>;
}

/**
 * An op and its gradient: by one way through kernels of ours, and by the same in TensorFlow.js ops for other backends, for sizes that our
 * kernels do not take, and for derivatives of gradients. Inputs come in an array, in the order of `roles`, for TensorFlow.js saves
 * optional inputs for a gradient in no other way.
 */
export interface OpKernel<Attrs> {
  readonly name: string;
  /** Those of inputs, then those of outputs. */
  roles(attrs: Attrs): {readonly inputs: readonly BindingRole[]; readonly outputs: readonly BindingRole[]};
  /** Null for sizes that our kernels do not take. */
  forward(inputs: Inputs<TensorInfo>, attrs: Attrs): OpRun | null;
  backward(inputs: Inputs<TensorInfo>, attrs: Attrs): OpRun | null;
  composed(inputs: Inputs<Tensor>, attrs: Attrs): Tensor[];
  /** Gradients of the inputs in the order of `gradients`, given inputs and `d…` of outputs. */
  composedGradients(inputs: Inputs<Tensor>, attrs: Attrs): Tensor[];
  /** The inputs whose gradients a backward pass makes, in their order; an input may stand for another that has the same. */
  gradients(attrs: Attrs): readonly BindingRole[];
  /** An input whose gradient is that of another. */
  readonly alike?: Readonly<Partial<Record<BindingRole, BindingRole>>>;
}

const gradientName = (name: string): string => `${name}Gradient`;
const gradientRole = (role: BindingRole): BindingRole => `d${role[0]!.toUpperCase()}${role.slice(1)}` as BindingRole;

/** A model has one norm, gradient and activation for each width and number of rows; making launches again is cheap. */
const MOST_LAUNCHES = 256;
const known = new Lru<string, OpLaunches>({entries: MOST_LAUNCHES});
/** A model alternates between a few. */
const MOST_KEYS = 8;
const keys = new Recent<{readonly name: string; readonly key: object}, string>(MOST_KEYS);
const CALL: CallParams = {scale: 1};

function launched(host: Host, name: string, {key, generate, shapes}: OpRun, inputs: Inputs<TensorInfo>): TensorInfo[] {
  const asked = {name, key};
  const text = keys.get(asked) ?? keys.set(asked, keyOf(asked));
  const launches = known.get(text) ?? known.set(text, generate());
  const made: Partial<Record<BindingRole, number[]>> = {};
  for (const role of Object.keys(shapes) as BindingRole[]) made[role] = [...shapes[role]!];
  return run(host, resident(launches), {tensors: inputs, shapes: made, call: CALL});
}

function named<T>(roles: readonly BindingRole[], tensors: readonly T[]): Inputs<T> {
  const found: Partial<Record<BindingRole, T>> = {};
  for (let i = 0; i < roles.length; i++) found[roles[i]!] = tensors[i]!;
  return found;
}

type Kernel = (params: {inputs: tf.NamedTensorInfoMap; backend: unknown; attrs?: tf.NamedAttrMap}) => TensorInfo[];

/** What TensorFlow.js is to register for an op. */
export interface Registration {
  readonly name: string;
  readonly kernel: Kernel;
  readonly gradientKernel: Kernel;
  readonly gradient: tf.GradFunc;
}

export function registrationOf<Attrs extends object>(op: OpKernel<Attrs>): Registration {
  const attrsOf = (attrs: tf.NamedAttrMap | undefined): Attrs => (attrs ?? {}) as Attrs;
  const backwardRoles = (attrs: Attrs): BindingRole[] => {
    const {inputs, outputs} = op.roles(attrs);
    return [...inputs, ...outputs.map(gradientRole)];
  };
  const either =
    (
      name: string,
      rolesOf: (attrs: Attrs) => readonly BindingRole[],
      runOf: OpKernel<Attrs>['forward'],
      composed: OpKernel<Attrs>['composed'],
    ): Kernel =>
    ({inputs, backend, attrs: given}) => {
      const attrs = attrsOf(given);
      const tensors = named(rolesOf(attrs), Object.values(inputs));
      const host = Host.of(backend as tf.KernelBackend);
      const onDevice = host === null ? null : runOf(tensors, attrs);
      if (host !== null && onDevice !== null) return launched(host, name, onDevice, tensors);
      return tf.tidy(() => composed(tensors as Inputs<Tensor>, attrs));
    };
  const registration: Registration = {
    name: op.name,
    kernel: either(op.name, (attrs) => op.roles(attrs).inputs, op.forward, op.composed),
    gradientKernel: either(gradientName(op.name), backwardRoles, op.backward, op.composedGradients),
    gradient: (given, saved, attributes) => {
      const attrs = attrsOf(attributes);
      const operands = [...saved, ...(Array.isArray(given) ? given : [given])];
      registerFor(registration, tf.getBackend());
      // Where an outer derivative listens, it must see every op.
      const found = isTapeOn()
        ? op.composedGradients(named(backwardRoles(attrs), operands), attrs)
        : (tf.engine().runKernel(gradientName(op.name), tensorMap(operands), attributes) as Tensor[]);
      const roles = op.gradients(attrs);
      const gradientOf = (role: BindingRole): Tensor => {
        const other = op.alike?.[role];
        return other === undefined ? found[roles.indexOf(role)]! : tf.clone(found[roles.indexOf(other)]!);
      };
      return Object.fromEntries(op.roles(attrs).inputs.map((role, i) => [i, () => gradientOf(role)]));
    },
  };
  return registration;
}

const tensorMap = (tensors: readonly Tensor[]): tf.NamedTensorMap => Object.fromEntries(tensors.entries());

/** Runs the kernel of an op, which is registered for the backend at hand first. So bundlers drop what nobody calls. */
export function runOp(registration: Registration, inputs: readonly Tensor[], attrs: object): Tensor[] {
  registerFor(registration, tf.getBackend());
  // All inputs are saved for a gradient only where they come as an array, whose type TensorFlow.js does not have.
  const array: object = [...inputs];
  return tf.engine().runKernel(registration.name, array as tf.NamedTensorMap, attrs as tf.NamedAttrMap) as Tensor[];
}

function registerFor({name, kernel, gradientKernel, gradient: gradFunc}: Registration, backendName: string): void {
  for (const [kernelName, kernelFunc] of [
    [name, kernel],
    [gradientName(name), gradientKernel],
  ] as const) {
    if (tf.getKernel(kernelName, backendName) == null) tf.registerKernel({kernelName, backendName, kernelFunc});
  }
  if (tf.getGradient(name) == null) tf.registerGradient({kernelName: name, saveAllInputs: true, gradFunc});
}
