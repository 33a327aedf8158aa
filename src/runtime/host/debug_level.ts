import * as tf from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';

const FLAG = 'SPLAT_DEBUG';
const MOST = 5;

/** Makes the flag known to `tf.env()`. Doing it again changes nothing that was set. */
export function registerDebugFlag(): void {
  tf.env().registerFlag(
    FLAG,
    () => 0,
    (level) => {
      if (Number.isInteger(level) && Number(level) >= 0 && Number(level) <= MOST) return;
      refuse(
        `flag ${FLAG}`,
        String(level),
        `a whole number from 0 to ${MOST}`,
        '1 prints the pattern of each call, 2 its rows, 3 its plan, 4 its WGSL, 5 its time, each with those before it; 0 is silence.',
      );
    },
  );
}

/** How much each call is to tell: nothing at 0, else what `debug.ts` prints at that level. */
export const debugLevel = (): number => tf.env().getNumber(FLAG);
