import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {keyOf, Lru} from '../../support/index.js';
import type {BindingRole, CallParams, PackedLaunches, PackedLists} from '../../pure.js';
import {Host} from '../host/backend.js';
import {resident} from '../launch/resident.js';
import {run} from '../launch/run.js';
import type {Runnable} from '../launch/fits.js';

/** The kernels of packed numbers. */
export type PackedKernel = 'SplatSddmm' | 'SplatSparseSoftmax' | 'SplatAttentionWeights' | 'SplatSpmm';

/** What runs of one. */
export interface PackedRun {
  readonly lists: PackedLists;
  /** What the launches depend on beside the lists. */
  readonly key: object;
  readonly generate: () => PackedLaunches;
  readonly tensors: Readonly<Partial<Record<BindingRole, Tensor>>>;
  readonly shapes: Readonly<Partial<Record<BindingRole, readonly number[]>>>;
  readonly call?: CallParams;
}

const CURE = 'Split the batch or the heads over several calls.';
const CALL: CallParams = {scale: 1};

/** A model calls a table with a few sizes of features, forward and back. */
const MOST_RUNS = 32;
const known = new WeakMap<PackedLists, Lru<string, Runnable>>();

function runnableOf(kernel: PackedKernel, {lists, key, generate}: PackedRun): Runnable {
  let runs = known.get(lists);
  if (runs === undefined) known.set(lists, (runs = new Lru({entries: MOST_RUNS})));
  const name = `${kernel} ${keyOf(key)}`;
  return runs.get(name) ?? runs.set(name, {...generate(), cure: CURE});
}

interface Attrs {
  readonly kernel: PackedKernel;
  readonly of: PackedRun;
}

/** Runs a kernel of packed numbers as one of TensorFlow.js, so that its profile and memory know it. Returns what it makes, in the order of `shapes`. */
export function runPacked(kernel: PackedKernel, of: PackedRun): Tensor[] {
  registerFor(kernel, tf.getBackend());
  const attrs: object = {kernel, of} satisfies Attrs;
  return tf.engine().runKernel(kernel, of.tensors as tf.NamedTensorMap, attrs as tf.NamedAttrMap) as Tensor[];
}

const kernelFunc: tf.KernelFunc = ({inputs, backend, attrs}) => {
  const given: object = attrs!;
  const {kernel, of} = given as Attrs;
  const shapes: Partial<Record<BindingRole, number[]>> = {};
  for (const role of Object.keys(of.shapes) as BindingRole[]) shapes[role] = [...of.shapes[role]!];
  const host = Host.of(backend as tf.KernelBackend)!;
  return run(host, resident(runnableOf(kernel, of)), {tensors: inputs, shapes, call: of.call ?? CALL});
};

/** When it is first called on a backend: what nobody calls, bundlers drop. */
function registerFor(kernelName: PackedKernel, backendName: string): void {
  if (tf.getKernel(kernelName, backendName) == null) tf.registerKernel({kernelName, backendName, kernelFunc});
}
