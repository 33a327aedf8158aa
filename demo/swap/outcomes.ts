import {bytes, duration, factor, significant} from '../shell/format.js';
import type {Verdict} from '../shell/verdicts.js';

export const RUNS = ['as it is', 'swapped, full()', 'swapped, pattern'] as const;
export type RunName = (typeof RUNS)[number];

export interface Outcome {
  readonly name: RunName;
  /** Milliseconds until the outputs are on the processor, the median of the repetitions; null: it broke, `reason` says why. */
  readonly ms: number | null;
  /** The first run plans and compiles, too. */
  readonly firstMs: number;
  /** The most bytes of GPU buffers in use at one time, weights included. */
  readonly peak: number | null;
  /** Of all outputs, one after the other. */
  readonly values: Float32Array;
  readonly reason: string | null;
}

/**
 * Two ways to sum the same float32 numbers differ by rounding, and the layers of a model amplify it. 2⁻¹¹ of the largest output leaves
 * room for that and is below what one wrongly masked key does.
 */
const RELATIVE_TOLERANCE = 2 ** -11;

export interface Agreement {
  readonly difference: number;
  readonly tolerance: number;
  readonly agrees: boolean;
}

export function compare(one: Float32Array, other: Float32Array): Agreement {
  let difference = one.length === other.length ? 0 : Infinity;
  let largest = 0;
  for (let i = 0; i < Math.min(one.length, other.length); i++) {
    difference = Math.max(difference, Math.abs(one[i]! - other[i]!));
    largest = Math.max(largest, Math.abs(one[i]!));
  }
  const tolerance = RELATIVE_TOLERANCE * largest;
  return {difference, tolerance, agrees: difference <= tolerance};
}

/** What the runs show, in sentences. */
export function runVerdicts(outcomes: readonly Outcome[]): Verdict[] {
  const found: Verdict[] = outcomes.flatMap(({name, reason}) =>
    reason === null
      ? []
      : [{state: name === 'as it is' ? 'open' : 'bad', text: `The model ${name} does not run here: ${reason}`} as const],
  );
  const [asIs, whole, sparse] = outcomes.map((outcome) => (outcome.ms === null ? null : outcome));
  if (asIs && whole) {
    const {difference, tolerance, agrees} = compare(asIs.values, whole.values);
    found.push({
      state: agrees ? 'good' : 'bad',
      text: `With full() the swapped model ${agrees ? 'gives the same' : 'differs'}: by at most ${significant(difference)}, and rounding explains ${significant(tolerance)}.`,
    });
  }
  if (asIs && sparse) {
    const gains = [`${gain(asIs.ms!, sparse.ms!, 'faster', 'slower')}`];
    if (asIs.peak !== null && sparse.peak !== null) gains.push(gain(asIs.peak, sparse.peak, 'less memory', 'more memory'));
    found.push({
      state: 'open',
      text: `With the pattern: ${gains.join(', ')} (${duration(sparse.ms!)} instead of ${duration(asIs.ms!)}${
        sparse.peak === null ? '' : `, ${bytes(sparse.peak)} instead of ${bytes(asIs.peak!)}`
      }). What the pattern hides changes an output by up to ${significant(compare(asIs.values, sparse.values).difference)}.`,
    });
  }
  return found;
}

function gain(before: number, after: number, better: string, worse: string): string {
  if (Math.abs(before / after - 1) < 0.05) return `neither ${better} nor ${worse}`;
  return before >= after ? `${factor(before / after)} ${better}` : `${factor(after / before)} ${worse}`;
}
