import type {Acsr, Recurrence} from '../acsr/index.js';
import {inSteps, type Sliced} from '../support/index.js';
import {Buckets, sortedSet, type Bucket} from './buckets.js';
import {RecurringRows} from './recurring_rows.js';

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
  /** Of rows that recur: the runs of this class. */
  readonly recurring?: RecurringRows;
}

/** More stride classes than this do not pay: each costs a pass over the output. */
const MAX_CLASSES = 4;
/** Owner of the runs of no class. */
export const NO_CLASS = 255;

export interface StrideClasses {
  readonly classes: readonly StrideClass[];
  /** Of each run its class, or NO_CLASS: of strides beyond the four with the most keys. Null when all have one. */
  readonly owner: Uint8Array | null;
}

/**
 * Splits a pattern into stride classes and the rows of each into tiles of at most `tileRows` rows. The first class owns every row, also
 * those without keys. There is none where nothing but irregular rows has keys.
 *
 * Grouping rows by residue is what keeps dilated and strided patterns dense: rows q, q + s, q + 2s … of a dilated window see the same
 * residue class of keys, so a tile of them computes no masked lane but at the window's ends (SPLAT calls it alignment).
 */
export function* strideClasses(acsr: Acsr, tileRows: number): Sliced<StrideClasses> {
  const {recurrence} = acsr;
  const recurring = recurrence && (yield* recurringClasses(acsr.queryLength, recurrence, tileRows));
  return recurring ?? (yield* writtenClasses(acsr, tileRows));
}

function* writtenClasses(acsr: Acsr, tileRows: number): Sliced<StrideClasses> {
  const {strides, owner, left} = yield* classify(acsr);
  const all = contiguousTiles(0, acsr.queryLength, tileRows, [0]);
  const only = (tiles: RowTile[]): StrideClasses => ({classes: [{stride: 1, tiles, owner: null, index: 0}], owner: null});
  if (strides.length === 0 && !left)
    return acsr.nnz > 0 ? {classes: [], owner: null} : only(contiguousTiles(0, acsr.queryLength, tileRows, []));
  if (strides.length === 1 && strides[0] === 1 && !left) return only(all);
  const classes: StrideClass[] = [];
  for (const [index, stride] of strides.entries()) {
    const tiles = stride === 1 ? all : yield* residueTiles(acsr, stride, owner, index, tileRows);
    if (stride !== 1 && index === 0) tiles.push(...unownedTiles(acsr, owner, tileRows));
    classes.push({stride, tiles, owner, index});
  }
  return {classes, owner: left ? owner : null};
}

/**
 * The strides of the runs of two keys or more, ascending, and the class of each run. A one-key run joins the class of its stride; where
 * there is none it joins class 1, which then exists. `left`: some run has no class.
 */
function* classify({stride, count}: Pick<Acsr, 'stride' | 'count'>): Sliced<Classes> {
  const met = new Int32Array(NO_CLASS);
  const several = new Uint8Array(NO_CLASS);
  let known = 0;
  const runs = stride.length;
  const owner = new Uint8Array(runs);
  const number = (from: number, end: number): void => {
    let all = known;
    for (let run = from; run < end; run++) {
      const value = stride[run]!;
      let index = 0;
      while (index < all && met[index] !== value) index++;
      owner[run] = index;
      if (index === NO_CLASS) continue; // no byte numbers it
      if (index === all) met[all++] = value;
      if (count[run] !== 1) several[index] = 1;
    }
    known = all;
  };
  yield* inSteps(runs, 8, number);
  const seen = Array.from(met.subarray(0, known));
  let strides = seen.filter((_, index) => several[index] === 1);
  if (strides.length < seen.length && !strides.includes(1)) strides.push(1);
  if (strides.length > MAX_CLASSES) {
    const keys = new Map<number, number>();
    for (let run = 0; run < runs; run++) keys.set(stride[run]!, (keys.get(stride[run]!) ?? 0) + count[run]!);
    const keysOf = (value: number): number => (value === 1 ? Infinity : keys.get(value)!);
    strides = strides.sort((a, b) => keysOf(b) - keysOf(a) || a - b).slice(0, MAX_CLASSES);
  }
  strides.sort((a, b) => a - b);
  const classOf = seen.map((value, index) => {
    const own = strides.indexOf(value);
    if (own >= 0 || several[index] === 1) return own < 0 ? NO_CLASS : own;
    return Math.max(0, strides.indexOf(1));
  });
  if (classOf.some((index, own) => index !== own))
    for (let run = 0; run < runs; run++) if (owner[run] !== NO_CLASS) owner[run] = classOf[owner[run]!]!;
  return {strides, owner, left: seen.length === NO_CLASS ? owner.includes(NO_CLASS) : classOf.includes(NO_CLASS)};
}

interface Classes {
  readonly strides: readonly number[];
  readonly owner: Uint8Array;
  /** Some run has no class. */
  readonly left: boolean;
}

/** The same of rows that recur; undefined where a run of several keys is one key of another class in every row. */
function* recurringClasses(queryLength: number, recurrence: Recurrence, tileRows: number): Sliced<StrideClasses | undefined> {
  const {strides, owner, left} = yield* classify({stride: recurrence.stride, count: recurrence.most});
  if (left) return undefined;
  const classes: StrideClass[] = [];
  for (const [index, stride] of strides.entries()) {
    const recurring = RecurringRows.of(recurrence, owner, index, stride);
    if (recurring === null) return undefined;
    if (stride === 1) {
      classes.push({stride, tiles: contiguousTiles(0, queryLength, tileRows, [0]), owner, index, recurring});
      continue;
    }
    const {buckets, without} = recurring.byResidues(queryLength);
    const tiles = cutRows(buckets, tileRows);
    if (index === 0) tiles.push(...rangeTiles(without, tileRows));
    classes.push({stride, tiles, owner, index, recurring});
  }
  return classes.length > 0 ? {classes, owner: null} : undefined;
}

function contiguousTiles(firstRow: number, rows: number, tileRows: number, residues: readonly number[]): RowTile[] {
  const tiles: RowTile[] = [];
  for (let row = 0; row < rows; row += tileRows) {
    tiles.push({firstRow: firstRow + row, rowStride: 1, rows: Math.min(tileRows, rows - row), residues});
  }
  return tiles;
}

/** Buckets the rows by the residues of their runs, then cuts each bucket into progressions of rows. */
function* residueTiles(
  {queryLength, rowRuns, start}: Acsr,
  stride: number,
  owner: Uint8Array,
  index: number,
  tileRows: number,
): Sliced<RowTile[]> {
  const buckets = new Buckets(queryLength);
  let found = new Int32Array(64);
  const put = (from: number, to: number): void => {
    for (let row = from; row < to; row++) {
      let length = 0;
      let ascending = true;
      const end = rowRuns[row + 1]!;
      for (let run = rowRuns[row]!; run < end; run++) {
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
      if (length === 0) continue;
      if (!ascending) length = sortedSet(found, length);
      buckets.put(row, buckets.numberOf(found, length));
    }
  };
  yield* inSteps(queryLength, 16 + Math.ceil((4 * start.length) / queryLength), put);
  return cutRows(buckets.list(), tileRows);
}

function cutRows(buckets: readonly Bucket[], tileRows: number): RowTile[] {
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

/** Tiles without keys for the rows that no tile of the first class owns: the first pass writes every row. */
function unownedTiles({queryLength, rowRuns}: Acsr, owner: Uint8Array, tileRows: number): RowTile[] {
  const rows: number[] = [];
  for (let row = 0; row < queryLength; row++) {
    let owned = false;
    for (let run = rowRuns[row]!; !owned && run < rowRuns[row + 1]!; run++) owned = owner[run] === 0;
    if (!owned) rows.push(row);
  }
  return rangeTiles(rows, tileRows);
}

/** Ascending rows, as far as they follow each other. */
function rangeTiles(rows: readonly number[], tileRows: number): RowTile[] {
  const tiles: RowTile[] = [];
  for (let first = 0, end = 0; first < rows.length; first = end) {
    for (end = first + 1; end < rows.length && rows[end] === rows[end - 1]! + 1;) end++;
    tiles.push(...contiguousTiles(rows[first]!, end - first, tileRows, []));
  }
  return tiles;
}
