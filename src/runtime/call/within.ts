import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D, Tensor4D} from '@tensorflow/tfjs-core';
import {isWide, type Pattern, type Within} from '../../pure.js';
import {Host} from '../host/backend.js';
import {attend, sparseAttention} from './attention.js';
import {checkCall} from './check.js';
import type {SparseAttentionOptions} from './options.js';
import {isTapeOn} from './tape.js';

/** Heads of headDim features each, side by side from one feature on, of a tensor [batch, length, features] that may hold others. */
export interface HeadsWithin {
  readonly whole: Tensor3D;
  readonly first: number;
  readonly heads: number;
}

export interface OperandsWithin {
  readonly query: HeadsWithin;
  readonly key: HeadsWithin;
  readonly value: HeadsWithin;
  /** Of values too. */
  readonly headDim: number;
}

/**
 * `sparseAttention` over heads that lie within larger tensors, such as a product gives whose weights are those of several projections.
 * WebGPU kernels read them where they are; elsewhere, under a gradient, and where their rows are not counted in heads, they are cut out first.
 *
 * @returns [batch, queryLength, heads, headDim].
 */
export function attentionWithin(
  operands: OperandsWithin,
  pattern: Pattern,
  options: Omit<SparseAttentionOptions, 'layout'>,
): Tensor4D {
  const {query, key, value, headDim} = operands;
  const own = {...options, layout: 'blhd' as const};
  const within = placesOf(operands);
  if (within === undefined || Host.of(tf.backend()) === null || isTapeOn()) {
    const [q, k, v] = [query, key, value].map((each) => cutOut(each, headDim)) as [Tensor4D, Tensor4D, Tensor4D];
    return sparseAttention(q, k, v, pattern, own) as Tensor4D;
  }
  const shapes = {query: shapeWithin(query, headDim), key: shapeWithin(key, headDim), value: shapeWithin(value, headDim)};
  return attend(checkCall(query.whole, key.whole, value.whole, pattern, own, {within, shapes}), false).output as Tensor4D;
}

/** [batch, length, heads, headDim]. */
export const shapeWithin = ({whole, heads}: HeadsWithin, headDim: number): [number, number, number, number] => [
  whole.shape[0],
  whole.shape[1],
  heads,
  headDim,
];

/** The heads as a tensor of their own. */
export function cutOut(heads: HeadsWithin, headDim: number): Tensor {
  const {whole, first} = heads;
  const shape = shapeWithin(heads, headDim);
  const features = heads.heads * headDim;
  const own = features === whole.shape[2] ? whole : tf.slice(whole, [0, 0, first], [-1, -1, features]);
  return tf.reshape(own, shape);
}

/** Where kernels find them; undefined: they cannot say it. */
function placesOf({query, key, value, headDim}: OperandsWithin): Within | undefined {
  const all = [query, key, value];
  const rows = all.map(({whole}) => whole.shape[2] / headDim);
  const firsts = all.map(({first}) => first / headDim);
  // Keys and values share their strides.
  if (![...rows, ...firsts].every(Number.isInteger) || rows[1] !== rows[2] || isWide({headDim, valueDim: headDim}))
    return undefined;
  // Of nothing a tensor is as good.
  if (all.some(({whole}) => whole.size === 0)) return undefined;
  const [queryRows, keyRows] = rows as [number, number];
  const [queryFirst, keyFirst, valueFirst] = firsts as [number, number, number];
  return {queryRows, queryFirst, keyRows, keyFirst, valueFirst};
}
