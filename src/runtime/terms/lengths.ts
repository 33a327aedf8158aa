import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor1D} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import type {Problem} from '../../pure.js';
import type {NumberArray} from '../given/number_array.js';
import {paddingCure} from '../given/padding.js';
import {shaped, whole} from './shaped.js';
import type {CallTerm} from './term.js';

export interface LengthOptions {
  /**
   * int32 [batch]: sequence b has keys 0 ≤ key < keyLengths[b]; those after are padding, which nobody attends to. In an array, numbers
   * below 0 or above keyLength are refused; a tensor is not read back, so there they count as 0 and as keyLength.
   */
  readonly keyLengths?: Tensor | NumberArray | null | undefined;
}

export const lengthsCall: CallTerm<LengthOptions> = {
  name: 'lengths',
  options: {keyLengths: true},
  roles: ['keyLengths'],
  integers: true,
  check: ({keyLengths}, {problem}) => (keyLengths === undefined ? {} : {tensors: {keyLengths: checkLengths(keyLengths, problem)}}),
  example: ({batch, keyLength}) => ({tensors: {keyLengths: tf.fill([batch], keyLength, 'int32')}}),
  ops: {
    shows: ({inputs: {keyLengths}, chunk: {keyBegin, keyEnd}}) =>
      tf.less(tf.range(keyBegin, keyEnd, 1, 'int32'), tf.reshape(keyLengths!, [-1, 1, 1, 1])),
  },
};

function checkLengths(given: Tensor | NumberArray, {batch, queryLength, keyLength}: Problem): Tensor1D {
  const name = 'option keyLengths';
  const {shape, dtype, tensor} = whole(name, given);
  if (isPaddingMask(shape, batch, keyLength)) {
    const found = `shape [${shape.join(', ')}], a mask of all keys`;
    refuse(name, found, `[batch] = [${batch}], how many keys each sequence has`, paddingCure(dtype, queryLength, keyLength));
  }
  return shaped(name, tensor(0, keyLength, 'They count the keys that are not padding.'), [batch], '[batch]');
}

/** One 0 or 1 for each key, where a count is wanted. The mask of a single sequence may come without its batch. */
const isPaddingMask = (shape: readonly number[], batch: number, keyLength: number): boolean =>
  shape.at(-1) === keyLength && (shape.length === 2 ? shape[0] === batch : shape.length === 1 && batch === 1 && keyLength > 1);
