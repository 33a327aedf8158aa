/**
 * What was found for the last few records. Records are compared entry by entry, which takes a tenth of the time of spelling out a key and
 * looking that up; so this stands before caches where one record comes again and again.
 */
export class Recent<R extends object, V extends object | string> {
  readonly #most: number;
  /** The newest first. */
  readonly #found: {readonly record: R; readonly value: V}[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#found.length;
  }

  get(record: R): V | undefined {
    for (const known of this.#found) if (isSame(known.record, record)) return known.value;
    return undefined;
  }

  /** Nobody may change the record from here on. */
  set(record: R, value: V): V {
    this.#found.unshift({record, value});
    if (this.#found.length > this.#most) this.#found.pop();
    return value;
  }
}

/** Whether two records share the text that `keyOf` makes of them: they hold the same, in whatever order. An entry that is undefined counts as missing. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const isArray = Array.isArray(a);
  if (isArray !== Array.isArray(b)) return false;
  // By number: the names of entries of a list are texts, which are made anew each time.
  if (isArray) return areSame(a, b as readonly unknown[]);
  if (a instanceof Int32Array && b instanceof Int32Array) return areSame(a, b);
  let more = 0;
  for (const name in a) {
    const entry = (a as Record<string, unknown>)[name];
    if (entry === undefined) continue;
    if (!isSame(entry, (b as Record<string, unknown>)[name])) return false;
    more++;
  }
  for (const name in b) if ((b as Record<string, unknown>)[name] !== undefined) more--;
  return more === 0;
}

function areSame(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!isSame(a[i], b[i])) return false;
  return true;
}
