import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor2D, Tensor3D} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import type {Problem} from '../../pure.js';
import {floats, shapeOf} from '../given/arguments.js';
import type {NumberArray} from '../given/number_array.js';
import {diagonalSums, spreadDiagonals} from './diagonals.js';
import {inUnits, slice, type Chunk} from './part.js';
import type {CallTerm} from './term.js';

export interface RelativeOptions {
  /** float32 [heads or 1, queryLength + keyLength − 1]: entry key − query + queryLength − 1 is added. See `relativePositionBias` for T5. */
  readonly relativeBias?: Tensor | NumberArray | null | undefined;
}

export const relativeCall: CallTerm<RelativeOptions> = {
  name: 'relative',
  options: {relativeBias: true},
  roles: ['relativeBias'],
  check: ({relativeBias}, {problem}) =>
    relativeBias === undefined ? {} : {tensors: {relativeBias: checkRelative(relativeBias, problem)}},
  params: ({relativeBias}) => ({relativeHeads: relativeBias!.shape[0]!}),
  example: ({queryLength, keyLength}) => ({tensors: {relativeBias: tf.zeros([1, queryLength + keyLength - 1])}}),
  ops: {
    adds(part) {
      const {inputs, chunk} = part;
      const {rowBegin, rowEnd, keyBegin, keyEnd} = chunk;
      const queryLength = inputs.query.shape[2];
      const entries = slice(inputs.relativeBias!, 1, firstDiagonal(queryLength, chunk), keyEnd - rowBegin + queryLength - 1);
      return spreadDiagonals(inUnits(entries, part), rowEnd - rowBegin, keyEnd - keyBegin);
    },
    // It is spread over rows · (rows + keys) numbers on its way to rows · keys.
    mostRows: (pairs) => Math.max(1, Math.floor(Math.sqrt(pairs))),
    gradients({inputs, dScores}) {
      if (dScores === null) return {};
      const [batch, heads] = inputs.query.shape;
      const [count] = inputs.relativeBias!.shape;
      const rows = tf.reshape(dScores, [(batch * heads) / count, count, ...dScores.shape.slice(2)]);
      return {relativeBias: diagonalSums(tf.sum<Tensor3D>(rows, 0))};
    },
    interval({query}, chunk) {
      const queryLength = query.shape[2];
      const begin = firstDiagonal(queryLength, chunk);
      return {axis: 1, begin, end: Math.max(begin, chunk.keyEnd - chunk.rowBegin + queryLength - 1)};
    },
  },
  gradients: {relativeBias: (call, {shape}) => call.diagonals(shape[0]!)},
};

/** The entry of a relative bias that the last row of a chunk and its first key read. */
const firstDiagonal = (queryLength: number, {rowEnd, keyBegin}: Chunk): number => keyBegin - rowEnd + queryLength;

function checkRelative(given: Tensor | NumberArray, {heads, queryLength, keyLength}: Problem): Tensor2D {
  const tensor = floats('relativeBias', given);
  const entries = queryLength + keyLength - 1;
  if (tensor.rank !== 2 || tensor.shape[1] !== entries || (tensor.shape[0] !== heads && tensor.shape[0] !== 1)) {
    refuse(
      'option relativeBias',
      `shape ${shapeOf(tensor)}`,
      `[heads or 1, queryLength + keyLength − 1] = [${heads}, ${entries}]`,
      'Make it with relativePositionBias(table, {queryLength, keyLength}).',
    );
  }
  return tensor as Tensor2D;
}
