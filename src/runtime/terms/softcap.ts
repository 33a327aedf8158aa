import * as tf from '@tensorflow/tfjs-core';
import {refuse, say} from '../../support/index.js';
import type {CallTerm} from './term.js';

export interface SoftcapOptions {
  /** Scaled products become softcap · tanh(product / softcap), before any bias. A positive number. */
  readonly softcap?: number | null | undefined;
}

function checkSoftcap(softcap: number | undefined): number | undefined {
  if (softcap === undefined) return undefined;
  if (typeof softcap !== 'number' || !(softcap >= 1e-30) || !(softcap <= 1e30)) {
    refuse('option softcap', say(softcap), 'a positive number, 1e-30 to 1e30', 'Leave it out for scores without a cap.');
  }
  return softcap;
}

export const softcapCall: CallTerm<SoftcapOptions> = {
  name: 'softcap',
  options: {softcap: true},
  roles: [],
  numbers: ['softcap'],
  check: ({softcap}) => (softcap === undefined ? {} : {numbers: {softcap: checkSoftcap(softcap)!}}),
  cached: {},
  isOn: ({softcap}) => softcap !== undefined,
  example: () => ({numbers: {softcap: 50}}),
  ops: {
    // Products count in multiples of it.
    moves(scores, {options: {softcap}, unit}) {
      const cap = tf.tanh(scores);
      return {scores: tf.mul(cap, softcap! / unit), slope: () => tf.sub(1, tf.square(cap))};
    },
  },
};
