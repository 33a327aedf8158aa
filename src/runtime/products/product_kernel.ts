import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, TensorInfo} from '@tensorflow/tfjs-core';
import {keyOf, Lru} from '../../support/index.js';
import {
  generateProduct,
  makeProductPlan,
  type CallParams,
  type ProductLaunches,
  type ProductPlan,
  type ProductProblem,
} from '../../pure.js';
import {checkBackendPrecision} from '../call/attention.js';
import {Host} from '../host/backend.js';
import {identity} from '../host/identity.js';
import {checkBuffersFit} from '../launch/fits.js';
import {resident} from '../launch/resident.js';
import {run} from '../launch/run.js';
import {composedProduct} from './composed.js';
import {gradientOfA, gradientOfB, type GradientCall} from './gradient_calls.js';
import type {ProductCall} from './product_call.js';

/** The name of the kernel. */
export const BLOCK_SPARSE_MAT_MUL = 'SplatBlockSparseMatMul';

const CURE = 'Split the batch, or the rows of a, over several calls.';
const CALL: CallParams = {scale: 1};

/** A model has a product for each of its layers and their gradients. */
const MOST_PLANS = 256;
/** Lists of 16-blocks of 4,096 squared, a quarter of both, take 4 MB. */
const MOST_BYTES = 2 ** 26;

type Known = Pick<ProductPlan, 'choice'> & {readonly runnable: (ProductLaunches & {readonly cure: string}) | null};
const known = new Lru<string, Known>({
  entries: MOST_PLANS,
  weight: MOST_BYTES,
  weigh: ({runnable}) => runnable?.schedule.byteLength ?? 0,
});

/** Plans are found again by sizes and masks. */
function planned(host: Host, problem: ProductProblem): Known {
  const {maskA, maskB, maskC, matricesA, matricesB, ...sizes} = problem;
  const masks = [maskA, maskB, maskC].map((mask) => mask?.key ?? '').join(';');
  const key = `${identity(host.limits)} ${keyOf(sizes)} ${masks} ${matricesA.join()} ${matricesB.join()}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const plan = makeProductPlan(problem, host.limits);
  const {choice} = plan;
  return known.set(key, {choice, runnable: choice === 'blocks' ? {...generateProduct(plan), cure: CURE} : null});
}

function product(host: Host | null, a: TensorInfo, b: TensorInfo, call: ProductCall): TensorInfo {
  const {problem, lead} = call;
  if (host === null) checkBackendPrecision(problem.precision);
  const shape = [...lead, problem.m, problem.n];
  if (problem.k === 0 || shape.includes(0)) return tf.zeros(shape);
  const composed = (): TensorInfo => tf.tidy(() => composedProduct(a as Tensor, b as Tensor, call));
  if (host === null) return composed();
  const tensors = {a, b};
  const shapes = {output: shape};
  checkBuffersFit(host, {launches: [], workBytes: {}, tail: {pairs: 0}, cure: CURE}, tensors, shapes);
  const {runnable} = planned(host, problem);
  return runnable === null ? composed() : run(host, resident(runnable), {tensors, shapes, call: CALL})[0]!;
}

/** The op with what it was given. `call` goes through the attributes of the kernel. */
export function runProduct(a: Tensor, b: Tensor, call: ProductCall): Tensor {
  registerFor(tf.getBackend());
  const attrs: object = call;
  return tf.engine().runKernel(BLOCK_SPARSE_MAT_MUL, {a, b}, attrs as tf.NamedAttrMap);
}

const kernelFunc: tf.KernelFunc = ({inputs, backend, attrs}) => {
  const {a, b} = inputs as {readonly a: TensorInfo; readonly b: TensorInfo};
  const call: object = attrs!;
  return product(Host.of(backend as tf.KernelBackend), a, b, call as ProductCall);
};

/** By the same op, so that it has gradients itself. */
const gradFunc: tf.GradFunc = (dOutput, saved, attrs) => {
  const [a, b] = saved as [Tensor, Tensor];
  const call: object = attrs;
  const given = {a, b, dOutput: dOutput as Tensor};
  const gradient = ({left, right, call: own}: GradientCall, {shape}: Tensor): Tensor =>
    reduced(runProduct(given[left], given[right], own), shape);
  return {
    a: () => gradient(gradientOfA(call as ProductCall), a),
    b: () => gradient(gradientOfB(call as ProductCall), b),
  };
};

/** Sums over axes along which an operand was repeated. */
function reduced(gradient: Tensor, shape: readonly number[]): Tensor {
  const more = gradient.rank - shape.length;
  const axes = gradient.shape.flatMap((size, axis) => (axis < more || (shape[axis - more] === 1 && size !== 1) ? [axis] : []));
  return tf.reshape(axes.length === 0 ? gradient : tf.sum(gradient, axes), [...shape]);
}

/** When the op is first called on a backend: what nobody calls, bundlers drop. */
function registerFor(backendName: string): void {
  if (tf.getKernel(BLOCK_SPARSE_MAT_MUL, backendName) == null)
    tf.registerKernel({kernelName: BLOCK_SPARSE_MAT_MUL, backendName, kernelFunc});
  if (tf.getGradient(BLOCK_SPARSE_MAT_MUL) == null)
    tf.registerGradient({kernelName: BLOCK_SPARSE_MAT_MUL, inputsToSave: ['a', 'b'], gradFunc});
}
