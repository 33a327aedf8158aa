import {bytes, duration, factor, significant} from '../shell/format.js';
import type {Verdict} from '../shell/verdicts.js';

/** How the model is run, in this order: `runs.ts` says how each is loaded and called. */
export const RUNS = ['as it is', 'swapped, full()', 'folded, full()', 'folded, pattern', 'captured, pattern'] as const;
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
  /** Of a replay. */
  readonly replay?: ReplayCost;
}

/** What a replay costs the processor, whatever the GPU does meanwhile. */
export interface ReplayCost {
  readonly dispatches: number;
  /** Microseconds for each, until all are submitted. */
  readonly dispatchUs: number;
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

/** A model may be too large for this machine as it is, or do what cannot be captured (the guide says what); neither is the swap's fault. */
const MAY_FAIL: ReadonlySet<RunName> = new Set(['as it is', 'captured, pattern']);

/** What the runs show, in sentences. */
export function runVerdicts(outcomes: readonly Outcome[]): Verdict[] {
  const found: Verdict[] = outcomes.flatMap(({name, reason}) =>
    reason === null
      ? []
      : [{state: MAY_FAIL.has(name) ? 'open' : 'bad', text: `The model ${name} does not run here: ${reason}`} as const],
  );
  const ran = new Map(outcomes.filter(({ms}) => ms !== null).map((outcome) => [outcome.name, outcome]));
  const asIs = ran.get('as it is');
  if (asIs === undefined) return found;
  for (const [name, words] of [
    ['swapped, full()', 'swapped with full()'],
    ['folded, full()', 'swapped with full() and folded'],
  ] as const) {
    const outcome = ran.get(name);
    if (outcome === undefined) continue;
    const {difference, tolerance, agrees} = compare(asIs.values, outcome.values);
    found.push({
      state: agrees ? 'good' : 'bad',
      text: `The model ${words} ${agrees ? 'gives the same' : 'differs'}: by at most ${significant(difference)}, and rounding explains ${significant(tolerance)}.`,
    });
  }
  const folded = ran.get('folded, full()');
  if (folded !== undefined) found.push({state: 'open', text: `The same numbers, swapped and folded: ${gains(asIs, folded)}.`});
  const sparse = ran.get('folded, pattern');
  if (sparse !== undefined) {
    found.push({
      state: 'open',
      text: `With the pattern: ${gains(asIs, sparse)}. What the pattern hides changes an output by up to ${significant(compare(asIs.values, sparse.values).difference)}.`,
    });
  }
  const captured = ran.get('captured, pattern');
  if (captured !== undefined && sparse !== undefined) {
    const isSame = compare(sparse.values, captured.values).difference === 0;
    found.push({
      state: isSame ? 'open' : 'bad',
      text: `Captured and replayed: ${isSame ? 'the same numbers' : 'other numbers'}, and ${gains(asIs, captured)}.${costOf(captured)}`,
    });
  }
  return found;
}

const costOf = ({replay}: Outcome): string =>
  replay === undefined ? '' : ` The processor issues ${replay.dispatches} dispatches, ${significant(replay.dispatchUs)} µs each.`;

/** `2.1× faster, 3.4× less memory (10 ms instead of 21 ms, 12 MiB instead of 41 MiB)` */
function gains(before: Outcome, after: Outcome): string {
  const words = [gain(before.ms!, after.ms!, 'faster', 'slower')];
  const numbers = [`${duration(after.ms!)} instead of ${duration(before.ms!)}`];
  if (before.peak !== null && after.peak !== null) {
    words.push(gain(before.peak, after.peak, 'less memory', 'more memory'));
    numbers.push(`${bytes(after.peak)} instead of ${bytes(before.peak)}`);
  }
  return `${words.join(', ')} (${numbers.join(', ')})`;
}

function gain(before: number, after: number, better: string, worse: string): string {
  if (Math.abs(before / after - 1) < 0.05) return `neither ${better} nor ${worse}`;
  return before >= after ? `${factor(before / after)} ${better}` : `${factor(after / before)} ${worse}`;
}
