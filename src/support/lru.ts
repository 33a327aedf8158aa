export interface LruLimits<V> {
  readonly entries: number;
  /** Sum of the weights of all entries; the newest entry stays even when it is heavier alone. Default: no limit. */
  readonly weight?: number;
  /** In bytes, say. Default 0. */
  readonly weigh?: (value: V) => number;
  /** Frees what an evicted value owns. */
  readonly evicted?: (value: V) => void;
}

/** A map that forgets the entry unused for longest when it grows past its limits. */
export class Lru<K, V> {
  readonly #limits: LruLimits<V>;
  /** Oldest first: a Map keeps insertion order, and `get` inserts again. */
  readonly #entries = new Map<K, V>();
  #weight = 0;
  /** The key of the last entry, which needs no moving: the same one is asked for again and again. */
  #newest: K | undefined;

  constructor(limits: LruLimits<V>) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Oldest first. */
  values(): IterableIterator<V> {
    return this.#entries.values();
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined || key === this.#newest) return value;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    this.#newest = key;
    return value;
  }

  set(key: K, value: V): V {
    this.delete(key);
    this.#entries.set(key, value);
    this.#newest = key;
    this.#weight += this.#weigh(value);
    for (const oldest of this.#entries.keys()) {
      if (oldest === key || (this.#entries.size <= this.#limits.entries && this.#weight <= (this.#limits.weight ?? Infinity)))
        break;
      this.delete(oldest);
    }
    return value;
  }

  delete(key: K): void {
    const value = this.#entries.get(key);
    if (value === undefined) return;
    this.#entries.delete(key);
    if (key === this.#newest) this.#newest = undefined;
    this.#weight -= this.#weigh(value);
    this.#limits.evicted?.(value);
  }

  #weigh(value: V): number {
    return this.#limits.weigh?.(value) ?? 0;
  }
}
