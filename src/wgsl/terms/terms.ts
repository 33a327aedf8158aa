import {FAR_UNIT, type Features} from '../text/features.js';
import {alibi} from './alibi.js';
import {bias} from './bias.js';
import {dropout} from './dropout.js';
import {lengths} from './lengths.js';
import {relative} from './relative.js';
import {segments} from './segments.js';
import {sinks} from './sinks.js';
import {softcap} from './softcap.js';
import type {Apart, Beside, ScoreTerm} from './term.js';

/** All terms, in the order in which they make a score of a product. */
export const SCORE_TERMS: ScoreTerm[] = [softcap, alibi, bias, relative, segments, lengths, sinks, dropout];

/** Nothing is added. */
export const PLAIN: Features = Object.freeze({
  ...(Object.fromEntries(SCORE_TERMS.map(({name}) => [name, false])) as Omit<Features, 'farScale' | 'ring'>),
  farScale: false,
  ring: false,
});

const isOn = (features: Features, {name}: ScoreTerm): boolean => features[name as keyof Features] === true;

/** The terms of a call. */
export const termsOf = (features: Features): ScoreTerm[] => SCORE_TERMS.filter((term) => isOn(features, term));

/**
 * Whether scores count in units of 16, for what is added to them may be as large as float32 goes: models hide keys by −3.4e38. A sum of four
 * numbers of float32 is then above EMPTY, 4 · 3.4e38 / 16 = 8.5e37. Others count in units of log2, which saves a multiplication of each pair,
 * and lie within ±3.2e38 of them, 2.2e38 as softmax counts.
 */
export const hasFarScores = (features: Features): boolean =>
  termsOf(features).some(({far = false, adds}) => far || adds !== undefined);

/** Scores as softmax counts in a unit of the kernels. */
export const scoreUnit = (features: Features): number => (hasFarScores(features) ? FAR_UNIT : Math.LN2);

/** Whether the kernel of tensor cores knows all of them; plans of calls with more go without it. */
export const suitsMatrices = (features: Features): boolean =>
  !features.ring && !features.farScale && termsOf(features).every(({matrices = false}) => matrices);

/** What the terms of a call know of each other. */
export function besideOf(features: Features): Beside {
  const terms = termsOf(features);
  const counts = terms.find(({keyCount}) => keyCount !== undefined);
  const beside: Beside = {
    features,
    ring: features.ring,
    keyCount: (batch) => counts?.keyCount!(batch) ?? 'i32(params.keyLength)',
    clips: counts !== undefined,
    apart: (query, token, batch): Apart | null => {
      for (const term of terms) {
        const found = term.apart?.(query, token, batch, beside) ?? null;
        if (found !== null) return found;
      }
      return null;
    },
  };
  return beside;
}
