import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, TensorInfo} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';

/** Gradients are computed in a kernel of this name. */
const GRADIENT_KERNEL = 'SparseAttentionGradient';

interface Attrs {
  /** The op whose gradients they are. */
  readonly of: string;
  readonly compute: () => Tensor[];
}

/**
 * What `compute` gives, as the outputs of one kernel over `operands`. So the tape of an outer derivative sees that they depend on these,
 * and none of the ops inside: where it comes back to them it is refused. Launches of ours alone would count as constants there, silently.
 */
export function firstOrder(of: string, operands: readonly Tensor[], compute: () => Tensor[]): Tensor[] {
  registerFirstOrder(tf.getBackend());
  const attrs: Attrs = {of, compute};
  const found = tf.engine().runKernel(GRADIENT_KERNEL, Object.fromEntries(operands.entries()), attrs as unknown as tf.NamedAttrMap);
  return found as Tensor[];
}

/** Registers the kernel for one backend, unless it is there already, and the gradient that refuses. */
export function registerFirstOrder(backendName: string): void {
  if (tf.getKernel(GRADIENT_KERNEL, backendName) == null) {
    const kernelFunc = ({attrs}: {attrs?: tf.NamedAttrMap}): TensorInfo[] => tf.tidy(attrsOf(attrs).compute);
    tf.registerKernel({kernelName: GRADIENT_KERNEL, backendName, kernelFunc});
  }
  if (tf.getGradient(GRADIENT_KERNEL) != null) return;
  tf.registerGradient({kernelName: GRADIENT_KERNEL, gradFunc: (_dys, _saved, attrs) => refuseSecond(attrsOf(attrs).of)});
}

const attrsOf = (attrs: tf.NamedAttrMap | undefined): Attrs => attrs as unknown as Attrs;

const refuseSecond = (of: string): never =>
  refuse(
    `second derivative of ${of}`,
    'a request for it, as of a gradient penalty',
    'first derivatives',
    'Compose the attention of such a loss of tf.matMul and tf.softmax, or take the penalty from differences of two calls.',
  );
