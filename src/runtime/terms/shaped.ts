import * as tf from '@tensorflow/tfjs-core';
import type {DataType, Tensor, Tensor1D} from '@tensorflow/tfjs-core';
import {awaitOr, isList, readNumbers, refuse, say} from '../../support/index.js';
import {checkAlive, shapeOf} from '../given/arguments.js';
import type {NumberArray} from '../given/number_array.js';

/** The tensor of an option, of that shape. */
export function shaped<T extends Tensor>(
  name: string,
  tensor: Tensor,
  shape: readonly number[],
  says: string,
  cure = 'Check its size.',
): T {
  if (tensor.rank !== shape.length || !shape.every((size, i) => size === tensor.shape[i])) {
    refuse(name, `shape ${shapeOf(tensor)}`, `${says} = [${shape.join(', ')}]`, cure);
  }
  return tensor as T;
}

/**
 * An integer argument by its shape, and the tensor of it once that is found right. Host data is checked against a range; a tensor
 * cannot be read without waiting for its device, so what it holds is left to the kernels.
 */
export function whole(
  name: string,
  given: Tensor | NumberArray,
): {shape: readonly number[]; dtype: DataType | null; tensor(least?: number, most?: number, cure?: string): Tensor} {
  if (given instanceof tf.Tensor) {
    const {shape, dtype} = checkAlive(name, given);
    const tensor = (): Tensor =>
      dtype === 'int32' ? given : refuse(name, `dtype ${dtype}`, 'dtype int32', "Cast it: tf.cast(x, 'int32').");
    return {shape, dtype, tensor};
  }
  if (!isList(given)) return refuse(name, say(given), 'an int32 tensor or an array', awaitOr(given, 'Pass whole numbers.'));
  const {values, shape} = readNumbers(name, given, 'int32');
  const tensor = (least = -Infinity, most = Infinity, cure = ''): Tensor => {
    const wrong = values.find((value) => value < least || value > most);
    if (wrong !== undefined) refuse(name, say(wrong), `whole numbers from ${least} to keyLength, ${most}`, cure);
    return tf.tensor(values, shape, 'int32');
  };
  return {shape, dtype: null, tensor};
}

/** One number for each head of query. */
export const shapedPerHead = (name: string, tensor: Tensor, heads: number): Tensor1D =>
  shaped(name, tensor, [heads], '[heads]', 'Give one number for each head of query.');
