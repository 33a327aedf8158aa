/** What went wrong, in four parts that every message of this package states. */
export interface Refusal {
  /** The thing that is wrong, named as the caller named it: `slidingWindow.left`, `query`, `pattern text`. */
  readonly thing: string;
  /** What was found there. */
  readonly found: string;
  /** What was expected instead. */
  readonly expected: string;
  /** What the caller can do about it. */
  readonly cure: string;
}

/**
 * Every error this package throws on purpose.
 *
 * It is thrown before any GPU work and leaves nothing allocated, so a caller may mend the input and call again.
 */
export class SplatError extends Error implements Refusal {
  override readonly name = 'SplatError';
  readonly thing: string;
  readonly found: string;
  readonly expected: string;
  readonly cure: string;

  constructor(refusal: Refusal) {
    super(`${refusal.thing}: found ${refusal.found}, expected ${refusal.expected}. ${refusal.cure}`);
    this.thing = refusal.thing;
    this.found = refusal.found;
    this.expected = refusal.expected;
    this.cure = refusal.cure;
  }
}

/** Throws a `SplatError`; reads as a sentence at the call site. */
export function refuse(thing: string, found: string, expected: string, cure: string): never {
  throw new SplatError({thing, found, expected, cure});
}

/** The name in `known` nearest to `word` by edit distance, or undefined when none is near enough to be a typo of it. */
export function nearestName(word: string, known: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const name of known) {
    const distance = editDistance(word.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({length: b.length + 1}, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, substitute));
    }
    previous = current;
  }
  return previous[b.length]!;
}
