import * as tf from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';

/** A number that `tf.env()` holds for all calls. */
interface Flag {
  readonly name: string;
  readonly initial: number;
  isRight(value: number): boolean;
  readonly expected: string;
  readonly cure: string;
}

const MOST_DEBUG = 5;

const DEBUG: Flag = {
  name: 'SPLAT_DEBUG',
  initial: 0,
  isRight: (level) => Number.isInteger(level) && level >= 0 && level <= MOST_DEBUG,
  expected: `a whole number from 0 to ${MOST_DEBUG}`,
  cure: '1 prints the pattern of each call, 2 its rows, 3 its plan, 4 its WGSL, 5 its time, each with those before it; 0 is silence.',
};

/** Windows takes a GPU away from a program after 2 s, if nobody has set another time; browsers have watchdogs of their own. */
const DISPATCH: Flag = {
  name: 'SPLAT_DISPATCH_MS',
  initial: 250,
  isRight: (ms) => ms > 0,
  expected: 'milliseconds above 0',
  cure: 'Longer dispatches are cut into shorter ones, which let others use the GPU in between; Infinity cuts none.',
};

/** Makes the flags known to `tf.env()`. Doing it again changes nothing that was set. */
export function registerFlags(): void {
  for (const {name, initial, isRight, expected, cure} of [DEBUG, DISPATCH]) {
    tf.env().registerFlag(
      name,
      () => initial,
      (value) => {
        if (typeof value !== 'number' || !isRight(value)) refuse(`flag ${name}`, String(value), expected, cure);
      },
    );
  }
}

/** How much each call is to tell: nothing at 0, else what `debug.ts` prints at that level. */
export const debugLevel = (): number => tf.env().getNumber(DEBUG.name);

/** How long a dispatch may take, in milliseconds. */
export const dispatchMs = (): number => tf.env().getNumber(DISPATCH.name);
