import {tensor, type Tensor} from '@tensorflow/tfjs-core';
import {uniform} from './graph_builder.js';

// What the models of the zoo are fed.

export type Inputs = Record<string, Tensor>;

/** The sequence of one batch element: full for the first, then shorter, then nothing. A single one is full. */
export const ownLength = (row: number, batch: number, length: number): number =>
  Math.round((length * (batch - row - (batch > 1 ? 1 : 0))) / Math.max(1, batch - 1));

export const ids = (batch: number, length: number, seed = 3, type: 'int32' | 'float32' = 'int32'): Tensor => {
  const random = uniform(seed);
  return tensor(
    Array.from({length: batch * length}, () => Math.floor(40 * random())),
    [batch, length],
    type,
  );
};

/** Ones for tokens, zeros for padding behind them. */
export const padding = (batch: number, length: number, type: 'int32' | 'float32' | 'bool' = 'int32'): Tensor => {
  const ones = Array.from({length: batch * length}, (_, i) =>
    Number(i % length < ownLength(Math.floor(i / length), batch, length)),
  );
  return tensor(ones, [batch, length], type);
};

export const floats = (shape: number[], seed = 4): Tensor => {
  const random = uniform(seed);
  return tensor(
    Float32Array.from({length: shape.reduce((a, b) => a * b)}, () => 3 * random() - 1.5),
    shape,
  );
};

/** bool [batch, queries, keys]: a random half, the keys of row 1 all hidden. */
export const pairs = (batch: number, queries: number, keys: number): Tensor => {
  const random = uniform(6);
  const values = Array.from({length: batch * queries * keys}, (_, i) =>
    Number(random() < 0.5 && Math.floor(i / keys) % queries !== 1),
  );
  return tensor(values, [batch, queries, keys], 'bool');
};
