import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D} from '@tensorflow/tfjs-core';
import type {CallParams, Layout, Lines, TermRole, TermRoles} from '../../pure.js';

/** By rank. */
interface TensorOf {
  1: Tensor1D;
  2: Tensor2D;
  4: Tensor4D;
}

/** The tensors of the terms of a call, by the names under which kernels know them. */
export type TermTensors = {readonly [role in TermRole]?: TensorOf[TermRoles[role]]};

/** The numbers of the terms of a call. */
export type TermNumbers = Omit<CallParams, 'scale' | 'layout'>;

/** The tensors of one call, float32 unless another type is said. */
export interface DenseInputs extends TermTensors {
  /** Rank 3, one head, or rank 4 in the layout of the options; key and value may have fewer heads, a divisor of those of query. */
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  /** bool, every dimension of [batch, heads, queryLength, keyLength] full size or 1. */
  readonly mask?: Tensor4D;
}

export interface DenseOptions extends TermNumbers {
  /** Null when every query may attend to every key, or a mask tensor says which. */
  readonly lines: Lines | null;
  readonly scale: number;
  readonly queryOffset: number;
  readonly layout: Layout;
}

/** The tensors with heads before rows. */
export type HeadedInputs = Omit<DenseInputs, 'query' | 'key' | 'value'> & Readonly<Record<'query' | 'key' | 'value', Tensor4D>>;

/** Queries `rowBegin ≤ q < rowEnd`, whose keys all lie in `keyBegin ≤ k < keyEnd`. */
export interface Chunk {
  readonly rowBegin: number;
  readonly rowEnd: number;
  readonly keyBegin: number;
  readonly keyEnd: number;
}

/** Rows of one sequence of a cache, from the position of the first, and the position of each column. */
export interface CacheRows {
  readonly first: number;
  readonly tokens: number;
  readonly positions: ArrayLike<number>;
}

/** What is computed at a time by TensorFlow.js ops: pairs [batch, heads, rows, keys]. */
export interface Part {
  readonly inputs: HeadedInputs;
  readonly options: DenseOptions;
  readonly chunk: Chunk;
  /** What scores count in. */
  readonly unit: number;
}

/** A tensor of words of calls in the unit of scores. */
export const inUnits = <T extends Tensor>(tensor: T, {unit}: Pick<Part, 'unit'>): T =>
  unit === 1 ? tensor : (tf.div(tensor, unit) as T);

/** `begin ≤ i < end` along `axis`; a broadcast dimension stays. */
export function slice<T extends Tensor>(tensor: T, axis: number, begin: number, end: number): T {
  const length = tensor.shape[axis]!;
  if (length === 1 || (begin === 0 && end === length)) return tensor;
  const start = tensor.shape.map((_, i) => (i === axis ? begin : 0));
  const size = tensor.shape.map((full, i) => (i === axis ? end - begin : full));
  return tf.slice(tensor, start, size);
}

/** Of a tensor that broadcasts to the scores. */
export const sliceScores = (tensor: Tensor4D, {rowBegin, rowEnd, keyBegin, keyEnd}: Chunk): Tensor4D =>
  slice(slice(tensor, 2, rowBegin, rowEnd), 3, keyBegin, keyEnd);

/** [heads] against [batch, heads, rows, keys] */
export const byHead = (tensor: Tensor1D): Tensor3D => tf.reshape(tensor, [-1, 1, 1]);

/**
 * The tensor where `condition` holds, elsewhere a number. `fill` makes the number a tensor: of a scalar, WebGPU spreads all copies on the
 * CPU (decisions.md has the seconds), and tfjs in debug mode refuses to upload −∞.
 */
export const select = <T extends Tensor>(condition: Tensor, tensor: T, otherwise: number): T =>
  tf.where(condition, tensor, tf.fill(tensor.shape, otherwise)) as T;
