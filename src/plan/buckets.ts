/** Rows whose runs of one stride have the same residues. */
export interface Bucket {
  readonly residues: readonly number[];
  /** Ascending. */
  readonly rows: Int32Array;
}

/** Buckets by their residues, in the order in which these were met. */
export class Buckets {
  private readonly residues: (readonly number[])[] = [];
  private readonly counts: number[] = [];
  // Nearly all rows have one residue; those buckets are found by index, which is twice as fast as a map.
  private readonly single: (number | undefined)[] = [];
  private readonly several = new Map<number, number[]>();
  /** Of each row its bucket, and one more; 0 for none. Lists that grow took three times as much memory for a million rows. */
  private readonly bucketOf: Int32Array;

  constructor(rows: number) {
    this.bucketOf = new Int32Array(rows);
  }

  /** The number of the bucket of the first `length` numbers of `found`, which ascend. */
  numberOf(found: Int32Array, length: number): number {
    return (length === 1 ? this.single[found[0]!] : this.find(found, length)) ?? this.add(found, length);
  }

  put(row: number, bucket: number): void {
    this.bucketOf[row] = bucket + 1;
    this.counts[bucket]!++;
  }

  list(): Bucket[] {
    const {residues, counts, bucketOf} = this;
    const all = new Int32Array(counts.reduce((sum, count) => sum + count, 0));
    const next = new Int32Array(counts.length + 1);
    let end = 0;
    const buckets = residues.map((own, bucket) => {
      next[bucket + 1] = end;
      return {residues: own, rows: all.subarray(end, (end += counts[bucket]!))};
    });
    for (let row = 0; row < bucketOf.length; row++) if (bucketOf[row] !== 0) all[next[bucketOf[row]!]!++] = row;
    return buckets;
  }

  private find(found: Int32Array, length: number): number | undefined {
    return this.several.get(hashOf(found, length))?.find((bucket) => {
      const own = this.residues[bucket]!;
      return own.length === length && own.every((value, i) => value === found[i]);
    });
  }

  private add(found: Int32Array, length: number): number {
    const bucket = this.residues.push(Array.from(found.subarray(0, length))) - 1;
    this.counts.push(0);
    if (length === 1) {
      this.single[found[0]!] = bucket;
    } else {
      const hash = hashOf(found, length);
      const alike = this.several.get(hash);
      if (alike === undefined) this.several.set(hash, [bucket]);
      else alike.push(bucket);
    }
    return bucket;
  }
}

/** Sorts the first numbers of a list and drops repeated ones; returns how many are left. */
export function sortedSet(list: Int32Array, length: number): number {
  list.subarray(0, length).sort();
  let end = 1;
  for (let i = 1; i < length; i++) if (list[i] !== list[end - 1]) list[end++] = list[i]!;
  return end;
}

/** FNV-1a, by 32 bits at a time. */
function hashOf(list: Int32Array, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ list[i]!, 0x01000193);
  return hash;
}
