import * as tf from '@tensorflow/tfjs-core';
import {refuse, say, type Given} from '../../support/index.js';
import {keepFactors} from './keep_factors.js';
import type {CallTerm} from './term.js';

export interface DropoutOptions {
  /** The share of probabilities that is dropped, 0 ≤ dropout < 1; the others are scaled by 1/(1 − dropout). Default 0. */
  readonly dropout?: number | null | undefined;
  /** A whole number from 0 to 2³² − 1 that decides what is dropped. Default: a new one for every call. */
  readonly seed?: number | null | undefined;
}

export const dropoutCall: CallTerm<DropoutOptions> = {
  name: 'dropout',
  options: {dropout: true, seed: true},
  roles: [],
  numbers: ['dropout', 'seed'],
  check: (options) => ({numbers: checkDropout(options)}),
  isOn: ({dropout = 0}) => dropout > 0,
  example: () => ({numbers: {dropout: 0.1}}),
  ops: {
    keeps({inputs, options: {dropout, seed = 0}, chunk}) {
      const [batch, heads, queryLength] = inputs.query.shape;
      const shape: [number, number, number, number] = [batch, heads, chunk.rowEnd - chunk.rowBegin, chunk.keyEnd - chunk.keyBegin];
      return tf.tensor4d(keepFactors(dropout!, seed, {batch, heads, queryLength}, chunk), shape);
    },
  },
};

function checkDropout({dropout = 0, seed}: Given<DropoutOptions>): {dropout: number; seed: number} {
  if (typeof dropout !== 'number' || !(dropout >= 0) || !(dropout < 1)) {
    const cure = 'It is the share that is dropped, not the share that is kept; leave it out for none.';
    refuse('option dropout', say(dropout), 'a number with 0 ≤ dropout < 1', cure);
  }
  if (seed === undefined) return {dropout, seed: dropout > 0 ? Math.floor(Math.random() * 2 ** 32) : 0};
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    refuse('option seed', say(seed), 'a whole number from 0 to 2³² − 1', 'Leave it out for a new one in every call.');
  }
  return {dropout, seed};
}
