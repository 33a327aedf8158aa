import {refuse, say} from '../../support/index.js';
import type {Problem} from '../../pure.js';
import type {CallNumbers} from '../launch/launch.js';
import type {Brought} from '../terms/term.js';
import {checkTerms} from '../terms/terms.js';

/** All that turns products of query and key into probabilities, beside the pattern. */
export interface CallScoring extends Required<Brought> {
  readonly scale: number;
}

/** What a call brings that names no option. */
export const defaultNumbers = (problem: Problem): CallNumbers => ({
  scale: 1 / Math.sqrt(problem.headDim),
  layout: 'bhld',
  ...checkTerms({}, {rank: 4, problem}).numbers,
});

export function checkScale(scale: number | undefined, headDim: number): number {
  if (scale === undefined) return 1 / Math.sqrt(headDim);
  // The kernels multiply with a float32, in units of log2.
  if (typeof scale !== 'number' || !Number.isFinite(Math.fround(scale * Math.LOG2E))) {
    refuse('option scale', say(scale), 'a finite number that float32 holds', 'Leave it out for 1/√headDim.');
  }
  return scale;
}
