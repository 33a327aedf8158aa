/** Rows whose runs of one stride have the same residues. */
export interface Bucket {
  readonly residues: readonly number[];
  readonly rows: number[];
}

/** Buckets by their residues, in the order in which these were met. */
export class Buckets {
  readonly list: Bucket[] = [];
  // Nearly all rows have one residue; those buckets are found by index, which is twice as fast as a map.
  private readonly single: (Bucket | undefined)[] = [];
  private readonly several = new Map<number, Bucket[]>();

  /** The bucket of the first `length` numbers of `found`, which ascend. */
  of(found: Int32Array, length: number): Bucket {
    return (length === 1 ? this.single[found[0]!] : this.find(found, length)) ?? this.add(found, length);
  }

  private find(found: Int32Array, length: number): Bucket | undefined {
    const candidates = this.several.get(hashOf(found, length));
    return candidates?.find(({residues}) => residues.length === length && residues.every((value, i) => value === found[i]));
  }

  private add(found: Int32Array, length: number): Bucket {
    const bucket = {residues: Array.from(found.subarray(0, length)), rows: []};
    this.list.push(bucket);
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
