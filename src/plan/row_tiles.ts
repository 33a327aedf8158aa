import type {Acsr} from '../acsr/index.js';

/** Rows `firstRow + rowStride·x, x < rows` whose runs of one stride have the same residues: to them the pattern is a dense band. */
export interface RowTile {
  readonly firstRow: number;
  readonly rowStride: number;
  readonly rows: number;
  /** First keys modulo the stride of the class; [0] when the stride is 1. Empty: rows that attend to nothing in this class. */
  readonly residues: readonly number[];
}

/** All runs of one stride, and the row tiles that own them. */
export interface StrideClass {
  readonly stride: number;
  readonly tiles: readonly RowTile[];
  /** Run r belongs here when `owner[r] === index`; null when every run does. */
  readonly owner: Uint8Array | null;
  readonly index: number;
}

/** More stride classes than this make a pattern irregular: each costs a pass over the output. */
const MAX_CLASSES = 4;

/**
 * Splits a pattern into stride classes and the rows of each into tiles of at most `tileRows` rows. The first class owns every row, also
 * those without keys. Returns null when the pattern has too many strides to pay.
 *
 * Grouping rows by residue is what keeps dilated and strided patterns dense: rows q, q + s, q + 2s … of a dilated window see the same
 * residue class of keys, so a tile of them computes no masked lane but at the window's ends (SPLAT calls it alignment).
 */
export function strideClasses(acsr: Acsr, tileRows: number): StrideClass[] | null {
  const classes = classify(acsr);
  if (classes === null) return null;
  const {strides, owner} = classes;
  const all = contiguousTiles(0, acsr.queryLength, tileRows, [0]);
  if (strides.length === 0) return [{stride: 1, tiles: contiguousTiles(0, acsr.queryLength, tileRows, []), owner: null, index: 0}];
  if (strides.length === 1 && strides[0] === 1) return [{stride: 1, tiles: all, owner: null, index: 0}];
  return strides.map((stride, index) => {
    if (stride === 1) return {stride, tiles: all, owner, index};
    const tiles = residueTiles(acsr, stride, owner, index, tileRows);
    if (index === 0) tiles.push(...unownedTiles(acsr, owner, tileRows));
    return {stride, tiles, owner, index};
  });
}

/**
 * The strides of the runs of two keys or more, ascending, and the class of each run. A one-key run joins the class of its stride; where
 * there is none it joins class 1, which then exists. Null above MAX_CLASSES.
 */
function classify({stride, count, rowRuns, period}: Acsr): {strides: number[]; owner: Uint8Array} | null {
  const seen: number[] = [];
  const several: boolean[] = [];
  const owner = new Uint8Array(stride.length);
  // The runs of further periods are the same.
  const runs = period === undefined ? stride.length : rowRuns[period]!;
  for (let run = 0; run < runs; run++) {
    const value = stride[run]!;
    let index = 0;
    while (index < seen.length && seen[index] !== value) index++;
    if (index === seen.length) {
      // One-key runs may have any stride, but no more of them than fit a byte: such a pattern is irregular anyway.
      if (seen.push(value) > 255) return null;
      several.push(false);
    }
    if (count[run] !== 1) several[index] = true;
    owner[run] = index;
  }
  const strides = seen.filter((_, index) => several[index]);
  if (strides.length < seen.length && !strides.includes(1)) strides.push(1);
  if (strides.length > MAX_CLASSES) return null;
  strides.sort((a, b) => a - b);
  const classOf = seen.map((value) => Math.max(0, strides.indexOf(strides.includes(value) ? value : 1)));
  if (classOf.some((index, own) => index !== own)) for (let run = 0; run < runs; run++) owner[run] = classOf[owner[run]!]!;
  for (let end = runs; end > 0 && end < owner.length; end *= 2) owner.copyWithin(end, 0, Math.min(end, owner.length - end));
  return {strides, owner};
}

function contiguousTiles(firstRow: number, rows: number, tileRows: number, residues: readonly number[]): RowTile[] {
  const tiles: RowTile[] = [];
  for (let row = 0; row < rows; row += tileRows) {
    tiles.push({firstRow: firstRow + row, rowStride: 1, rows: Math.min(tileRows, rows - row), residues});
  }
  return tiles;
}

interface Bucket {
  readonly residues: readonly number[];
  readonly rows: number[];
}

/** Buckets the rows by the residues of their runs, then cuts each bucket into progressions of rows. */
function residueTiles(
  {queryLength, rowRuns, start, period = queryLength}: Acsr,
  stride: number,
  owner: Uint8Array,
  index: number,
  tileRows: number,
): RowTile[] {
  // Nearly all rows have one residue; those buckets are found by index, which is twice as fast as a map.
  const buckets: Bucket[] = [];
  const single: Bucket[] = [];
  const several = new Map<number, Bucket[]>();
  const bucketOfRow: (Bucket | undefined)[] = [];
  let found = new Int32Array(64);
  for (let row = 0; row < queryLength; row++) {
    if (row >= period) {
      bucketOfRow[row % period]?.rows.push(row);
      continue;
    }
    let length = 0;
    let ascending = true;
    for (let run = rowRuns[row]!; run < rowRuns[row + 1]!; run++) {
      if (owner[run] !== index) continue;
      const key = start[run]!;
      const value = key < stride ? key : key % stride;
      if (length > 0 && value <= found[length - 1]!) {
        if (value === found[length - 1]) continue;
        ascending = false;
      }
      if (length === found.length) found = Int32Array.from({length: 2 * length}, (_, i) => found[i] ?? 0);
      found[length++] = value;
    }
    if (length === 0) {
      bucketOfRow.push(undefined);
      continue;
    }
    if (!ascending) length = sortedSet(found, length);
    let bucket = length === 1 ? single[found[0]!] : bucketOf(several, found, length);
    if (bucket === undefined) {
      buckets.push((bucket = {residues: Array.from(found.subarray(0, length)), rows: []}));
      if (length === 1) single[found[0]!] = bucket;
      else several.get(hashOf(found, length))!.push(bucket);
    }
    bucket.rows.push(row);
    bucketOfRow.push(bucket);
  }
  const tiles: RowTile[] = [];
  for (const {residues, rows} of buckets) {
    for (let first = 0; first < rows.length;) {
      const firstRow = rows[first]!;
      const rowStride = first + 1 < rows.length ? rows[first + 1]! - firstRow : 1;
      let end = first + 1;
      while (end < rows.length && rows[end] === firstRow + rowStride * (end - first)) end++;
      // The short tile comes first: rows of causal patterns grow, so the rest of a division costs least there (strided 128 at n = 16384:
      // three key tiles a residue class instead of four).
      let take = (end - first) % tileRows || tileRows;
      for (; first < end; first += take, take = tileRows) tiles.push({firstRow: rows[first]!, rowStride, rows: take, residues});
    }
  }
  return tiles;
}

/** Sorts the first numbers of a list and drops repeated ones; returns how many are left. */
function sortedSet(list: Int32Array, length: number): number {
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

/** The bucket of these residues; makes room for it where there is none. */
function bucketOf(buckets: Map<number, Bucket[]>, residues: Int32Array, length: number): Bucket | undefined {
  const hash = hashOf(residues, length);
  const candidates = buckets.get(hash);
  if (candidates === undefined) return void buckets.set(hash, []);
  return candidates.find(
    (bucket) => bucket.residues.length === length && bucket.residues.every((value, i) => value === residues[i]),
  );
}

/** Tiles without keys for the rows that no tile of the first class owns: the first pass writes every row. */
function unownedTiles({queryLength, rowRuns}: Acsr, owner: Uint8Array, tileRows: number): RowTile[] {
  const tiles: RowTile[] = [];
  let begin = -1;
  for (let row = 0; row <= queryLength; row++) {
    let owned = row === queryLength;
    for (let run = rowRuns[row]!; !owned && run < rowRuns[row + 1]!; run++) owned = owner[run] === 0;
    if (!owned && begin < 0) begin = row;
    if (owned && begin >= 0) {
      tiles.push(...contiguousTiles(begin, row - begin, tileRows, []));
      begin = -1;
    }
  }
  return tiles;
}
