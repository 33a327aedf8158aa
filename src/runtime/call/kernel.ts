import * as tf from '@tensorflow/tfjs-core';
import type {KernelBackend, Tensor, TensorInfo} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import {isWide, type Lines, type Compiled, type Layout, type Within} from '../../pure.js';
import {Host} from '../host/backend.js';
import type {DenseInputs, TermNumbers} from '../terms/part.js';
import {CALL_TERMS} from '../terms/terms.js';
import {denseAttention} from '../tf_ops/dense.js';
import {denseGradients, type DenseOutcome} from '../tf_ops/dense_gradients.js';
import {emptyAttention, emptyGradients} from './empty.js';
import {firstOrder, registerFirstOrder} from './first_order.js';
import {launch, type CallTensors} from '../launch/launch.js';
import {launchGradients, type GradientInputs} from '../launch/launch_gradients.js';
import {composeOnWebGPU, type Composed} from './wide.js';

export const KERNEL_NAME = 'SparseAttention';

/** What an input tensor is. The kernel takes them in an array, for TensorFlow.js saves optional inputs for a gradient in no other way. */
export type InputRole = keyof CallTensors;

/**
 * What travels beside the tensors, by reference: attrs are never serialised, and a plan that is in use must outlive its cache entry.
 * Outputs are the attention, and where `aux` asks for them (maximum, sum) of each row on WebGPU, and the log-sum-exp.
 */
export interface SparseAttentionAttrs extends TermNumbers {
  readonly roles: readonly InputRole[];
  readonly scale: number;
  readonly layout: Layout;
  /** Of kernels of ours: where they find query, key and value in tensors that hold more. */
  readonly within?: Within;
  readonly queryOffset: number;
  readonly aux?: 'rowSums' | 'logSumExp';
  /** There is nothing to compute, and neither plan nor rows. */
  readonly empty?: boolean;
  /** On WebGPU: what to run. */
  readonly compiled?: Compiled;
  /** On other backends: the rows of the pattern; without it the mask is a tensor. */
  readonly lines?: Lines;
}

/** One kernel for all backends; which way it goes depends on what the backend can do, so that custom backend names work. */
export function sparseAttentionKernel(params: {
  inputs: tf.NamedTensorInfoMap;
  backend: unknown;
  attrs?: tf.NamedAttrMap;
}): TensorInfo | TensorInfo[] {
  const attrs = (params.attrs ?? {}) as unknown as SparseAttentionAttrs;
  const host = Host.of(params.backend as KernelBackend);
  if (attrs.roles === undefined || (host !== null && attrs.compiled === undefined && !attrs.empty)) {
    refuse(
      `kernel ${KERNEL_NAME}`,
      'attributes without a plan',
      'those that sparseAttention() makes',
      'Call sparseAttention(query, key, value, pattern).',
    );
  }
  const inputs = byRole(Object.values(params.inputs), attrs);
  if (host !== null && hasKernels(attrs)) return launch(host, attrs.compiled!, inputs as unknown as CallTensors, attrs);
  const {output, logSumExp} = composedForward(host, inputs as unknown as DenseInputs, attrs);
  if (attrs.aux === 'logSumExp') return [output, logSumExp];
  logSumExp.dispose();
  return output;
}

/** Whether kernels of ours run the call on WebGPU. */
const hasKernels = ({empty, compiled}: SparseAttentionAttrs): boolean => !empty && !isWide(compiled!.plan.problem);

function composedForward(host: Host | null, inputs: DenseInputs, attrs: SparseAttentionAttrs): {output: Tensor; logSumExp: Tensor} {
  if (attrs.empty) return emptyAttention(inputs, attrs);
  const output = [...inputs.query.shape.slice(0, -1), inputs.value.shape.at(-1)!];
  return composed(host, attrs, inputs, {output}, (given, lines, afterChunk) =>
    denseAttention(given, {...attrs, lines}, afterChunk),
  );
}

function composedGradients(
  host: Host | null,
  inputs: DenseInputs,
  attrs: SparseAttentionAttrs,
  outcome: DenseOutcome,
): Partial<Record<InputRole, Tensor>> {
  if (attrs.empty) return emptyGradients(inputs, attrs, outcome.dLogSumExp);
  const shapes = {dQuery: inputs.query.shape, dKey: inputs.key.shape, dValue: inputs.value.shape};
  return composed(host, attrs, inputs, shapes, (given, lines, afterChunk) =>
    denseGradients(given, {...attrs, lines}, outcome, afterChunk),
  );
}

/** By TensorFlow.js ops: on other backends, and on WebGPU for features that our kernels do not take. */
function composed<T extends object>(
  host: Host | null,
  {compiled, lines}: SparseAttentionAttrs,
  inputs: DenseInputs,
  outputs: Readonly<Record<string, readonly number[]>>,
  compute: Composed<T>,
): T {
  return host === null ? compute(inputs, lines ?? null) : composeOnWebGPU(host, compiled!, inputs, outputs, compute);
}

/**
 * The gradient of the kernel. Those of query, key and value come together, also where some of them are frozen: TensorFlow.js does not say
 * which it wants.
 */
export function sparseAttentionGradient(
  given: Tensor | Tensor[],
  saved: Tensor[],
  attributes: tf.NamedAttrMap,
): Record<string, () => Tensor> {
  const attrs = attributes as unknown as SparseAttentionAttrs;
  const dys = Array.isArray(given) ? given : [given];
  const inputs = byRole(saved, attrs);
  const [output, ...aux] = saved.slice(attrs.roles.length);
  const host = Host.of(tf.backend());
  const [dOutput, dLogSumExp] = [dys[0]!, attrs.aux === 'logSumExp' ? dys.at(-1) : undefined];
  const operands = [...saved, ...dys];
  const launched = host !== null && hasKernels(attrs);
  // Of kernels of ours, those for biases and sinks take passes of their own, so they wait until they are asked for.
  const eager = (role: InputRole): boolean => !launched || FEATURES.includes(role);
  let gradients: Partial<Record<InputRole, () => Tensor>> = {};
  let roles: InputRole[] = [];
  const found = firstOrder('sparseAttention', operands, () => {
    gradients = launched
      ? launchGradients(
          host,
          attrs.compiled!,
          {...inputs, output, rowSums: aux[0], dOutput, dLogSumExp} as unknown as GradientInputs,
          attrs,
        )
      : lazily(composedGradients(host, inputs as unknown as DenseInputs, attrs, {output: output!, dOutput, dLogSumExp}));
    roles = (Object.keys(gradients) as InputRole[]).filter(eager);
    return roles.map((role) => gradients[role]!());
  });
  const gradientOf = (role: InputRole): Tensor => {
    if (roles.includes(role)) return found[roles.indexOf(role)]!;
    const later = gradients[role];
    return later === undefined ? refuseGradient(role) : firstOrder('sparseAttention', operands, () => [later()])[0]!;
  };
  return Object.fromEntries(attrs.roles.map((role, i) => [i, () => gradientOf(role)]));
}

const FEATURES: readonly InputRole[] = ['query', 'key', 'value'];

const lazily = (gradients: object): Partial<Record<InputRole, () => Tensor>> =>
  Object.fromEntries(Object.entries(gradients as Record<string, Tensor>).map(([role, tensor]) => [role, () => tensor]));

function byRole<T>(tensors: readonly T[], {roles}: SparseAttentionAttrs): Partial<Record<InputRole, T>> {
  const found: Partial<Record<InputRole, T>> = {};
  for (let i = 0; i < roles.length; i++) found[roles[i]!] = tensors[i]!;
  return found;
}

function refuseGradient(role: InputRole): never {
  const differentiable = CALL_TERMS.flatMap(({gradients = {}}) => Object.keys(gradients));
  return refuse(
    `gradient of ${role}`,
    'a request for it',
    `gradients of query, key, value, ${differentiable.slice(0, -1).join(', ')} and ${differentiable.at(-1)}`,
    'Lengths, segments and masks are constants; trainable scores go into bias or relativeBias.',
  );
}

/** Registers the kernel and that of gradients for one backend, unless they are there already (registering twice would warn). */
export function registerKernelFor(backendName: string): void {
  if (tf.getKernel(KERNEL_NAME, backendName) != null) return;
  registerFirstOrder(backendName);
  tf.registerKernel({kernelName: KERNEL_NAME, backendName, kernelFunc: sparseAttentionKernel});
}
