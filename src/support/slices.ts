/** Work that may be done in slices: wherever it yields, one may end. What is yielded says nothing. */
export type Sliced<T> = Generator<undefined, T, undefined>;

/** What the work comes to, done at once. */
export function atOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const {done, value} = work.next();
    if (done) return value;
  }
}
