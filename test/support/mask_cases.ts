// Calls by the masks of mask_zoo.ts.
import type {OptionCase} from './option_cases.js';

/** Every option that a call may bring, and heads after rows. */
export const MANY: Partial<OptionCase> = {
  ...{lengths: true, segments: true, alibi: true, relative: 'heads', sinks: true, softcap: 1.2, dropout: 0.3},
  ...{layout: 'blhd', bias: [true, true, true, true]},
};

/** The numbers from 0 on, in an order of their own. */
export function shuffled(length: number, random: () => number): number[] {
  const order = Array.from({length}, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
