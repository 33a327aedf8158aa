import {FAR_UNIT, type Features} from '../text/features.js';
import {hasFarScores} from './terms.js';

/** The power of two that a difference of scores is. */
export const power = (difference: string, features: Features): string =>
  hasFarScores(features) ? `(${difference}) * LOG2_UNIT` : difference;

/** What `power` needs. */
export const unitText = (features: Features): string =>
  hasFarScores(features) ? `const LOG2_UNIT = ${FAR_UNIT * Math.LOG2E}; // of a score\n` : '';
