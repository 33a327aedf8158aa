/**
 * The packed schedule: one int32 buffer, read by kernels as `array<vec2i>` ("pairs"), so that it costs one of the eight storage
 * buffers of a stock device. Sections follow each other; `Plan.offsets` gives where each begins, in pairs.
 *
 *     item      4 pairs  (firstRow, rowStride) (rows, slot | −1) (spanBegin, spanEnd) (rowMap | −1, scheduleIndex)
 *     span      4 pairs  (firstKey, keyStride) (yBegin, yEnd) (fullBegin, fullEnd) (intervals, bitmap | −1)
 *     interval  1 pair   (lo, hi) of one row of the tile, tile.rows of them per span; spans of several residues may share them
 *     merge     4 pairs  (firstRow, rowStride) (rows, slotBegin) (slotEnd, 0) (0, 0)
 *
 * Row x of an item is query `firstRow + rowStride·x`; key y of a span is key `firstKey + keyStride·y`, and row x attends to it where
 * `lo ≤ y < hi`. Keys `fullBegin ≤ y < fullEnd` are attended by every row of the tile. An item with slot −1 writes its rows to the
 * output; others write partial rows to that slot, which a merge joins. `rowMap` (permuted rows), `scheduleIndex` (a schedule per head)
 * and `bitmap` (irregular tiles) are reserved: the planner writes the values shown, kernels do not read them yet.
 */
export const ITEM_PAIRS = 4;
export const SPAN_PAIRS = 4;
export const MERGE_PAIRS = 4;

export interface Item {
  readonly firstRow: number;
  readonly rowStride: number;
  readonly rows: number;
  readonly slot: number;
  readonly spanBegin: number;
  readonly spanEnd: number;
}

export interface Span {
  readonly firstKey: number;
  readonly keyStride: number;
  readonly yBegin: number;
  readonly yEnd: number;
  readonly fullBegin: number;
  readonly fullEnd: number;
  /** Index of the interval of row 0. */
  readonly intervals: number;
}

export interface Merge {
  readonly firstRow: number;
  readonly rowStride: number;
  readonly rows: number;
  readonly slotBegin: number;
  readonly slotEnd: number;
}

interface Sections {
  readonly schedule: Int32Array;
  readonly offsets: {readonly items: number; readonly spans: number; readonly intervals: number; readonly merges: number};
}

export function readItem({schedule, offsets}: Sections, index: number): Item {
  const at = 2 * (offsets.items + ITEM_PAIRS * index);
  const [firstRow, rowStride, rows, slot, spanBegin, spanEnd] = schedule.subarray(at, at + 6) as unknown as number[];
  return {firstRow: firstRow!, rowStride: rowStride!, rows: rows!, slot: slot!, spanBegin: spanBegin!, spanEnd: spanEnd!};
}

export function readSpan({schedule, offsets}: Sections, index: number): Span {
  const at = 2 * (offsets.spans + SPAN_PAIRS * index);
  const [firstKey, keyStride, yBegin, yEnd, fullBegin, fullEnd, intervals] = schedule.subarray(at, at + 7) as unknown as number[];
  return {
    firstKey: firstKey!,
    keyStride: keyStride!,
    yBegin: yBegin!,
    yEnd: yEnd!,
    fullBegin: fullBegin!,
    fullEnd: fullEnd!,
    intervals: intervals!,
  };
}

/** [lo, hi) of row `x` in a span. */
export function readInterval({schedule, offsets}: Sections, span: Span, x: number): readonly [number, number] {
  const at = 2 * (offsets.intervals + span.intervals + x);
  return [schedule[at]!, schedule[at + 1]!];
}

export function readMerge({schedule, offsets}: Sections, index: number): Merge {
  const at = 2 * (offsets.merges + MERGE_PAIRS * index);
  const [firstRow, rowStride, rows, slotBegin, slotEnd] = schedule.subarray(at, at + 5) as unknown as number[];
  return {firstRow: firstRow!, rowStride: rowStride!, rows: rows!, slotBegin: slotBegin!, slotEnd: slotEnd!};
}

/** A growing list of int32, for records whose number is not known in advance. */
export class IntList {
  data: Int32Array;
  length = 0;

  constructor(capacity = 1024) {
    this.data = new Int32Array(Math.max(16, capacity));
  }

  /** Makes room for `count` more and returns the index of the first; the caller writes `data` there. */
  grow(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.data.length) {
      const larger = new Int32Array(Math.max(this.length, 2 * this.data.length));
      larger.set(this.data);
      this.data = larger;
    }
    return at;
  }

  push(...values: number[]): void {
    const at = this.grow(values.length);
    for (let i = 0; i < values.length; i++) this.data[at + i] = values[i]!;
  }

  append(values: Int32Array): void {
    const at = this.grow(values.length);
    this.data.set(values, at);
  }

  view(): Int32Array {
    return this.data.subarray(0, this.length);
  }
}

/** Indices by descending weight, equal ones in their order: long items first leave no long one to finish alone. */
export function longestFirst(weights: readonly number[]): number[] {
  return weights.map((_, index) => index).sort((a, b) => weights[b]! - weights[a]! || a - b);
}

/** Sections one after another, and where each begins, in pairs. */
export function packSections(sections: readonly Int32Array[]): {schedule: Int32Array; at: number[]} {
  const schedule = new Int32Array(sections.reduce((sum, {length}) => sum + length, 0));
  let offset = 0;
  const at = sections.map((section) => {
    schedule.set(section, offset);
    offset += section.length;
    return (offset - section.length) / 2;
  });
  return {schedule, at};
}
