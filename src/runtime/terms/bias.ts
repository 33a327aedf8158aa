import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor4D} from '@tensorflow/tfjs-core';
import {alignToScores, floats} from '../given/arguments.js';
import type {NumberArray} from '../given/number_array.js';
import {inUnits, sliceScores} from './part.js';
import type {CallTerm} from './term.js';

export interface BiasOptions {
  /** float32, broadcastable to [batch, heads, queryLength, keyLength]; added to the scaled scores. −Infinity excludes a key. */
  readonly bias?: Tensor | NumberArray | null | undefined;
}

export const biasCall: CallTerm<BiasOptions> = {
  name: 'bias',
  options: {bias: true},
  roles: ['bias'],
  check: ({bias}, {rank, problem}) =>
    bias === undefined ? {} : {tensors: {bias: alignToScores('bias', floats('bias', bias), rank, problem)}},
  params: ({bias}) => ({biasStrides: broadcastStrides(bias!.shape)}),
  example: ({keyLength}) => ({tensors: {bias: tf.zeros([1, 1, 1, keyLength])}}),
  ops: {
    adds: (part) => inUnits(sliceScores(part.inputs.bias!, part.chunk), part),
    hides: true,
    gradients({inputs, chunk, dScores}) {
      if (dScores === null) return {};
      const {shape} = inputs.bias!;
      const axes = shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
      const sums = axes.length === 0 ? dScores : tf.sum(dScores, axes, true);
      if (shape[2] === 1 || shape[3] === 1) return {bias: sums as Tensor4D};
      const beside: [number, number][] = [
        [0, 0],
        [0, 0],
        [0, 0],
        [chunk.keyBegin, shape[3] - chunk.keyEnd],
      ];
      return {bias: tf.pad(sums, beside) as Tensor4D};
    },
    interval({bias}, {rowBegin, rowEnd, keyBegin, keyEnd}) {
      const [, , rows, keys] = bias!.shape;
      if (rows > 1) return {axis: 2, begin: rowBegin, end: rowEnd};
      return keys > 1 ? {axis: 3, begin: keyBegin, end: keyEnd} : {axis: 3, begin: 0, end: 1};
    },
  },
  gradients: {bias: (call, {shape}) => call.scores(shape)},
};

/** Strides in elements over (batch, head, query, key); 0 where the dimension is broadcast. */
export function broadcastStrides(shape: readonly number[]): [number, number, number, number] {
  const [, heads, queries, keys] = shape as [number, number, number, number];
  const strides = [heads * queries * keys, queries * keys, keys, 1];
  return strides.map((stride, i) => (shape[i] === 1 ? 0 : stride)) as [number, number, number, number];
}
