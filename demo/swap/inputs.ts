import * as tf from '@tensorflow/tfjs-core';

/** What a graph model says of one of its inputs. */
export interface InputInfo {
  readonly name: string;
  readonly dtype: tf.DataType;
  /** −1 where any size goes. */
  readonly shape?: readonly (number | null)[];
}

/** How the elements of an input are made. */
export type Filling = 'normal' | 'ids' | 'ones' | 'zeros';

export interface InputPlan {
  readonly name: string;
  readonly dtype: 'float32' | 'int32' | 'bool';
  readonly shape: readonly number[];
  readonly filling: Filling;
}

/**
 * Inputs that a model accepts, as far as its signature tells: a batch of one, `length` wherever any size goes, masks of ones, token
 * types of zeros, small whole numbers for tokens, noise for the rest.
 */
export function planInputs(inputs: readonly InputInfo[], length: number): InputPlan[] {
  return inputs.map(({name, dtype, shape}) => {
    if (shape === undefined) throw new Error(`The model does not say what shape its input '${name}' has.`);
    const sizes = shape.map((size, axis) => (size !== null && size >= 0 ? size : axis === 0 ? 1 : length));
    return {name, dtype: dtypeOf(name, dtype), shape: sizes, filling: fillingOf(name, dtype)};
  });
}

function dtypeOf(name: string, dtype: tf.DataType): InputPlan['dtype'] {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new Error(`The input '${name}' is ${dtype}; this page makes float32, int32 and bool.`);
}

function fillingOf(name: string, dtype: tf.DataType): Filling {
  if (/mask|valid/i.test(name) || dtype === 'bool') return 'ones';
  if (/type|segment/i.test(name)) return 'zeros';
  return dtype === 'int32' ? 'ids' : 'normal';
}

/** Whatever the vocabulary is, it has these. */
const IDS = 100;

/** The same numbers each time. */
export function makeInputs(plans: readonly InputPlan[]): tf.NamedTensorMap {
  return Object.fromEntries(
    plans.map(({name, dtype, shape, filling}, index) => {
      const sizes = [...shape];
      switch (filling) {
        case 'ones':
          return [name, tf.ones(sizes, dtype)];
        case 'zeros':
          return [name, tf.zeros(sizes, dtype)];
        case 'ids':
          return [name, tf.cast(tf.randomUniform(sizes, 0, IDS, 'float32', 1 + index), 'int32')];
        case 'normal':
          return [name, tf.randomNormal(sizes, 0, 1, 'float32', 1 + index)];
      }
    }),
  );
}
