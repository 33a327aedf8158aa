import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';

/** Last argument of what `tf.customGrad` takes: keeps tensors for the way back. */
type Save = (tensors: Tensor[]) => void;

/** An op with a gradient of its own, which is given what comes back, the operands and the output. Nothing inside is on the tape. */
export const withGradient = <T extends Tensor>(
  operands: readonly Tensor[],
  forward: (operands: readonly Tensor[]) => T,
  backward: (dOutput: T, operands: readonly Tensor[], output: T) => Tensor[],
): T =>
  tf.customGrad<T>((...given) => {
    const save = given.at(-1) as Save;
    const own = given.slice(0, -1) as Tensor[];
    const value = tf.tidy(() => forward(own));
    save([...own, value]);
    return {value, gradFunc: (dOutput: T, saved: Tensor[]) => backward(dOutput, saved.slice(0, -1), saved.at(-1) as T)};
  })(...operands);
