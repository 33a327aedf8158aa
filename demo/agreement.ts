import type {Measured, Outcome, RunName} from './runs.js';

export interface Agreement {
  readonly maxDifference: number;
  readonly tolerance: number;
  readonly agrees: boolean;
}

/**
 * Two ways to sum the same float32 numbers differ by rounding, and four layers amplify it. 2⁻¹⁴ of the largest logit leaves room for that
 * and is far below what one wrongly masked key does.
 */
const RELATIVE_TOLERANCE = 2 ** -14;

export function compare(one: Float32Array, other: Float32Array): Agreement {
  let maxDifference = 0;
  let largest = 0;
  for (let i = 0; i < one.length; i++) {
    maxDifference = Math.max(maxDifference, Math.abs(one[i]! - other[i]!));
    largest = Math.max(largest, Math.abs(one[i]!));
  }
  const tolerance = RELATIVE_TOLERANCE * largest;
  return {maxDifference, tolerance, agrees: one.length === other.length && maxDifference <= tolerance};
}

export interface Verdict {
  readonly state: 'good' | 'bad' | 'open';
  readonly text: string;
}

export const measured = (outcomes: readonly Outcome[], name: RunName): Measured | null => {
  const outcome = outcomes.find(({spec}) => spec.name === name);
  return outcome?.kind === 'measured' ? outcome : null;
};

/** What the runs show, in sentences. Any `bad` one means that something is wrong with the library or the machine. */
export function verdicts(outcomes: readonly Outcome[]): Verdict[] {
  const [asIs, whole, dense, fused] = (['asIs', 'full', 'dense', 'fused'] as const).map((name) => measured(outcomes, name));
  const found: Verdict[] = [];
  for (const outcome of outcomes) {
    if (outcome.kind === 'failed') found.push({state: 'bad', text: `${outcome.spec.title} failed. ${outcome.reason}`});
    if (outcome.kind === 'refused') found.push({state: 'open', text: outcome.reason});
  }
  if (asIs && whole) found.push(agreement('Swapped with full() and the model as it is', compare(asIs.logits, whole.logits)));
  if (dense && fused)
    found.push(agreement('The pattern computed densely and the pattern computed fused', compare(dense.logits, fused.logits)));
  const everything = asIs ?? whole;
  const hidden = fused ?? dense;
  if (everything && hidden) {
    const {maxDifference} = compare(everything.logits, hidden.logits);
    found.push({
      state: 'open',
      text: `For scale: what the pattern hides changes the logits by up to ${significant(maxDifference)}.`,
    });
  }
  return found;
}

function agreement(what: string, {maxDifference, tolerance, agrees}: Agreement): Verdict {
  const verb = agrees ? 'agree' : 'do not agree';
  return {
    state: agrees ? 'good' : 'bad',
    text: `${what} ${verb}: the largest difference of a logit is ${significant(maxDifference)}, the tolerance ${significant(tolerance)}.`,
  };
}

/** 0.36, 5.1e-6 */
const significant = (value: number) =>
  value === 0 || value >= 1e-3 ? String(Number(value.toPrecision(2))) : value.toExponential(1);
