import {causal, slidingWindow, type Pattern} from '../pattern/index.js';

/**
 * Keras's masks of position: query i sees the keys i + from … i + to, both counted from 0. (Patterns align the last query with the last
 * key, unless told otherwise; with as many keys as queries that is the same.)
 */
export interface Band {
  readonly from: number;
  readonly to: number;
}

export function bandOf(useCausalMask: boolean, window: number | null): Band {
  const reach = window === null ? Infinity : window - 1;
  return {from: -reach, to: useCausalMask ? 0 : reach};
}

export const isFull = ({from, to}: Band): boolean => from === -Infinity && to === Infinity;

/** The band as a pattern for calls in which query i has the position i + offset. */
export function bandPattern({from, to}: Band, offset: number): Pattern {
  const [first, last] = [from - offset, to - offset];
  if (first === -Infinity && last === 0) return causal();
  const around = slidingWindow({left: Math.max(0, -first), right: Math.max(0, last)});
  // A band that does not reach the query's own position is a window less the part nearer than the band.
  if (last < 0) return around.and(slidingWindow({left: -last - 1, right: Infinity}).not());
  if (first > 0) return around.and(slidingWindow({left: Infinity, right: first - 1}).not());
  return around;
}
