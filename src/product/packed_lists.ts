import {ceilDiv} from '../support/index.js';

/** Compressed sparse rows of a table: numbers `offsets[row] ≤ i < offsets[row + 1]` are of a row, and stand at `columns[i]`. */
export interface PackedRows {
  readonly offsets: Int32Array;
  /** Null for spans alone, which are all that a softmax reads. */
  readonly columns: Int32Array | null;
}

/** The pairs of each column of such a table: their rows, which ascend, and the places of their numbers. */
export interface PackedColumns {
  readonly offsets: Int32Array;
  readonly rows: Int32Array;
  readonly places: Int32Array;
}

/**
 * What kernels of packed numbers read, as pairs of words. First come `PACKED_HEADER` pairs, of all lines or of each: (first span, first
 * column), (items, numbers of the line), (first item, first merge). A span is (begin, end) of a row among the numbers of its line. Columns lie
 * two to a pair; where the table is transposed a pair is (row, place). Items, of tables whose long rows are cut, are (row, slot + 1 or 0),
 * (begin, end); merges are (row, first slot), (parts, 0), and where lines differ some of 0 parts fill them up.
 */
export interface PackedLists {
  readonly words: Int32Array;
  /** One table is that of all lines. */
  readonly shared: boolean;
  readonly transposed: boolean;
  /** Of a line, the most of any. */
  readonly nnz: number;
  readonly rows: number;
  readonly longest: number;
  /** Numbers of a row of the table that has most. */
  readonly mean: number;
  /** Of a line, the most of any: items are rows where none is cut. */
  readonly items: number;
  readonly merges: number;
  readonly slots: number;
}

export const PACKED_HEADER = 3;

/** Rows are cut from so many times the limit on: one part too short costs as much as a whole one. */
const SLACK = 1.3;

/** The rows of each column. */
export function columnsOf(offsets: Int32Array, columns: Int32Array, columnCount: number): PackedColumns {
  const own = new Int32Array(columnCount + 1);
  for (const column of columns) own[column + 1]!++;
  for (let column = 0; column < columnCount; column++) own[column + 1]! += own[column]!;
  const next = own.slice(0, columnCount);
  const [rows, places] = [new Int32Array(columns.length), new Int32Array(columns.length)];
  for (let row = 0; row + 1 < offsets.length; row++)
    for (let place = offsets[row]!; place < offsets[row + 1]!; place++) {
      const at = next[columns[place]!]!++;
      rows[at] = row;
      places[at] = place;
    }
  return {offsets: own, rows, places};
}

/** Whether a row of so many numbers is cut, and into how many parts. */
const partsOf = (length: number, limit: number): number => (length > SLACK * limit ? ceilDiv(length, limit) : 1);

/**
 * Packs the tables of lines; `of` says which each has, a single entry that all have one. Rows of more than `limit` numbers are cut into parts.
 */
export function packLists(tables: readonly (PackedRows | PackedColumns)[], of: readonly number[], limit = Infinity): PackedLists {
  const rows = tables[0]!.offsets.length - 1;
  const transposed = 'places' in tables[0]!;
  const spansAlone = 'columns' in tables[0]! && tables[0].columns === null;
  const sizes = tables.map(({offsets}) => sizesOf(offsets, limit));
  const [nnz, longest, slots, merges] = (['nnz', 'longest', 'slots', 'merges'] as const).map((name) =>
    Math.max(...sizes.map((size) => size[name])),
  ) as [number, number, number, number];
  const isCut = slots > 0;
  const items = Math.max(...sizes.map((size) => size.items));
  let pairs = PACKED_HEADER * of.length;
  const placed = sizes.map((size) => {
    const spans = pairs;
    const columns = spans + rows;
    const first = columns + (spansAlone ? 0 : transposed ? size.nnz : ceilDiv(size.nnz, 2));
    const mergesAt = first + (isCut ? 2 * size.items : 0);
    pairs = mergesAt + 2 * merges;
    return {spans, columns, first, mergesAt};
  });
  const words = new Int32Array(2 * pairs);
  of.forEach((table, line) => {
    const {spans, columns, first, mergesAt} = placed[table]!;
    const {items: own, nnz: numbers} = sizes[table]!;
    words.set([spans, columns, own, numbers, first, mergesAt], 2 * PACKED_HEADER * line);
  });
  tables.forEach((table, index) => {
    const {spans, columns, first, mergesAt} = placed[index]!;
    const {offsets} = table;
    for (let row = 0; row < rows; row++) {
      words[2 * (spans + row)] = offsets[row]!;
      words[2 * (spans + row) + 1] = offsets[row + 1]!;
    }
    if ('places' in table)
      table.places.forEach((place, i) => {
        words[2 * (columns + i)] = table.rows[i]!;
        words[2 * (columns + i) + 1] = place;
      });
    else if (table.columns !== null) words.set(table.columns, 2 * columns);
    if (isCut) writeItems(words, offsets, limit, 2 * first, 2 * mergesAt);
  });
  return Object.freeze({words, shared: of.length === 1, transposed, nnz, rows, longest, mean: nnz / rows, items, merges, slots});
}

interface Sizes {
  readonly nnz: number;
  readonly longest: number;
  readonly items: number;
  readonly merges: number;
  readonly slots: number;
}

function sizesOf(offsets: Int32Array, limit: number): Sizes {
  let [longest, items, merges, slots] = [0, 0, 0, 0];
  const rows = offsets.length - 1;
  for (let row = 0; row < rows; row++) {
    const length = offsets[row + 1]! - offsets[row]!;
    const parts = partsOf(length, limit);
    longest = Math.max(longest, length);
    items += parts;
    if (parts === 1) continue;
    merges++;
    slots += parts;
  }
  return {nnz: offsets[rows]!, longest, items, merges, slots};
}

/** Parts of cut rows first, for they are longest; then whole rows. */
function writeItems(words: Int32Array, offsets: Int32Array, limit: number, firstItem: number, firstMerge: number): void {
  let [at, mergeAt, slot] = [firstItem, firstMerge, 0];
  const each = (wanted: boolean): void => {
    for (let row = 0; row + 1 < offsets.length; row++) {
      const [begin, end] = [offsets[row]!, offsets[row + 1]!];
      const parts = partsOf(end - begin, limit);
      if (parts > 1 !== wanted) continue;
      if (wanted) {
        words.set([row, slot, parts, 0], mergeAt);
        mergeAt += 4;
      }
      for (let part = 0; part < parts; part++) {
        const [from, to] = [part, part + 1].map((i) => begin + Math.floor(((end - begin) * i) / parts)) as [number, number];
        words.set([row, wanted ? ++slot : 0, from, to], at);
        at += 4;
      }
    }
  };
  each(true);
  each(false);
}

/** Rows of more numbers than this wait for themselves: a lone row takes .11 µs a number (lab, H200, 2026-11-29). */
const LEAST_PART = 64;
/** Even rows that are cut for nothing take 30 % more: only those far above the mean are. */
const MOST_UNEVEN = 4;
/** So many items at least keep a large GPU busy, where rows are long enough. Not measured. */
const ENOUGH_ITEMS = 8192;

/** The limit above which rows are cut, given the numbers of all lines together. */
export const partLimit = ({offsets}: Pick<PackedRows, 'offsets'>, lines: number): number => {
  const nnz = offsets.at(-1)!;
  const mean = nnz / Math.max(1, offsets.length - 1);
  return Math.ceil(Math.max(LEAST_PART, Math.min(MOST_UNEVEN * mean, (nnz * lines) / ENOUGH_ITEMS)));
};
