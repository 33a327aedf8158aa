/** Work that may be done in slices: wherever it yields, one may end. What is yielded says nothing. */
export type Sliced<T> = Generator<undefined, T, undefined>;

/** What the work comes to, done at once. */
export function atOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const {done, value} = work.next();
    if (done) return value;
  }
}

/** Words that are read and written between two yields: a quarter of a millisecond to two of them. */
const STEP_WORDS = 2 ** 18;

/** How many of what takes so many words each are done between two yields. */
export const stepOf = (words: number): number => Math.max(1, Math.floor(STEP_WORDS / words));

/**
 * Does `some` of 0 … count − 1 at a time, each of which takes about so many words, and yields in between. Loops stand in functions of
 * their own, which engines compile better than those of generators.
 */
export function* inSteps(count: number, words: number, some: (from: number, end: number) => void): Sliced<void> {
  const step = stepOf(words);
  for (let from = 0; from < count; from += step) {
    if (from > 0) yield;
    some(from, Math.min(count, from + step));
  }
}
