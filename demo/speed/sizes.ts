/** Lengths from `first`, doubling, up to `longest`. */
export function lengthsUpTo(first: number, longest: number): number[] {
  const lengths: number[] = [];
  for (let n = first; n <= longest; n *= 2) lengths.push(n);
  return lengths;
}

/** What a system took at a length, and the pairs that it computed there. */
export interface Known {
  readonly ms: number;
  readonly pairs: number;
}

/** Whether a call over `pairs` is expected to stay below `mostMs`, from what the last length took: time follows the pairs. */
export const isAffordable = (last: Known | undefined, pairs: number, mostMs: number): boolean =>
  last === undefined || last.ms * (pairs / Math.max(1, last.pairs)) <= mostMs;

/** Calls of one round, so that it lasts about `roundMs` and what is paid once for waiting does not show. */
export const callsOf = (ms: number, roundMs: number): number =>
  Math.max(1, Math.min(100, Math.round(roundMs / Math.max(ms, 0.01))));

/** What fits a machine: the longest sequence to offer first, how long a call and a round may take. */
export interface Pace {
  readonly shortest: number;
  readonly longest: number;
  readonly mostMs: number;
  readonly roundMs: number;
  readonly rounds: number;
}

export function paceOf(slow: boolean, quick: boolean): Pace {
  // A page that computes on the processor stands still while it does.
  if (quick) return {shortest: 32, longest: 128, mostMs: 4000, roundMs: 0, rounds: 2};
  if (slow) return {shortest: 64, longest: 1024, mostMs: 3000, roundMs: 0, rounds: 3};
  return {shortest: 256, longest: 16384, mostMs: 1500, roundMs: 40, rounds: 7};
}
