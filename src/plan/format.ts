import {atOnce, ceilDiv, inSteps, type Sliced} from '../support/index.js';

/**
 * The packed schedule: one int32 buffer, read by kernels as `array<vec2i>` ("pairs"), so that it costs one of the eight storage buffers of
 * a stock device. Its sections follow each other in the order of SECTIONS; `Plan.offsets` gives where each begins, in pairs. The tables
 * below are the only place that knows which word stands where: readers, writers and the WGSL of kernels are made from them.
 *
 * Row x of an item is query `firstRow + rowStride·x`; key y of a span is key `firstKey + keyStride·y`. Where a pass has lists of rows or of
 * keys (see `Kinds`), the first of the two is the pair of the section `numbers` where the list begins, and the other 0. How a row attends to the keys `begin ≤ y < end` of a span is one of the kinds of `Kinds.mask`; keys `fullBegin ≤ y < fullEnd`
 * are attended by every row of the tile. Row-wise, an item has a span for each of its rows, or for every four of them. An item with slot −1 writes its rows to the output; others write partial rows to that slot, which
 * a merge joins.
 */

/** One record of a section: its words by name, and the pairs they form. */
export interface RecordFormat<Pair extends string = string, Word extends string = string> {
  /** Pairs and words of a record. */
  readonly pairs: number;
  readonly words: number;
  /** Of its words, in order. */
  readonly names: readonly Word[];
  /** Index of each word in a record. */
  readonly at: Readonly<Record<Word, number>>;
  /** Index of each pair in a record, and the names of its two words. */
  readonly pair: Readonly<Record<Pair, {readonly at: number; readonly words: readonly [Word, Word]}>>;
}

function record<const Pairs extends Readonly<Record<string, readonly [string, string]>>>(
  pairs: Pairs,
): RecordFormat<keyof Pairs & string, Pairs[keyof Pairs][number]> {
  type Word = Pairs[keyof Pairs][number];
  type Pair = keyof Pairs & string;
  const all = Object.entries(pairs) as [Pair, readonly [Word, Word]][];
  const words = all.flatMap(([, both]) => both);
  return Object.freeze({
    pairs: all.length,
    words: words.length,
    names: Object.freeze(words),
    at: Object.freeze(Object.fromEntries(words.map((word, index) => [word, index])) as Record<Word, number>),
    pair: Object.freeze(
      Object.fromEntries(all.map(([name, both], at) => [name, Object.freeze({at, words: both})])) as RecordFormat<
        Pair,
        Word
      >['pair'],
    ),
  });
}

/** Rows that one workgroup computes. `line`: the head, the sequence, or batch · heads + head: what is not on the grid of the dispatch (see `Kinds`). `number`: row-wise, the trips over keys of the longest row; else 0. */
export const ITEM = record({
  rowsOf: ['firstRow', 'rowStride'],
  owned: ['rows', 'slot'],
  spanRange: ['spanBegin', 'spanEnd'],
  place: ['number', 'line'],
});

/**
 * Keys that the rows of an item visit. `mask`: number of the interval of row 0, or the pair of the section `bits` where those of row 0 begin, `bitStride` pairs a row.
 */
export const SPAN = record({
  keysOf: ['firstKey', 'keyStride'],
  y: ['begin', 'end'],
  full: ['fullBegin', 'fullEnd'],
  mask: ['mask', 'bitStride'],
});

/** Keys `lo ≤ y < hi` of one row of a tile; spans of several residues may share theirs. */
export const INTERVAL = record({interval: ['lo', 'hi']});

/** Joins the parts of a tile of rows, those in the slots `slotBegin ≤ slot < slotEnd`. */
export const MERGE = record({
  rowsOf: ['firstRow', 'rowStride'],
  owned: ['rows', 'slotBegin'],
  slots: ['slotEnd', 'unused'],
  place: ['none', 'line'],
});

/**
 * The same seen from the keys: a tile of keys that a workgroup computes gradients of. `number`: of its first key among those of the spans
 * that it meets, where the mask counts from.
 */
export const KEY_ITEM = record({
  keysOf: ['firstKey', 'keyStride'],
  owned: ['keys', 'slot'],
  visitRange: ['visitBegin', 'visitEnd'],
  place: ['number', 'line'],
});

/** Rows that meet a tile of keys. `mask`: the interval of row 0, or the pair of bits that row 0 has for these keys. */
export const VISIT = record({
  rowsOf: ['firstRow', 'rowStride'],
  y: ['begin', 'end'],
  full: ['full', 'none'],
  mask: ['mask', 'bitStride'],
});

/** Joins the parts of a tile of keys. */
export const KEY_MERGE = record({
  keysOf: ['firstKey', 'keyStride'],
  owned: ['keys', 'slotBegin'],
  slots: ['slotEnd', 'unused'],
  place: ['none', 'line'],
});

/** The sections of a schedule, in order. */
export const SECTIONS = ['items', 'spans', 'intervals', 'merges', 'numbers', 'bits'] as const;
export type Section = (typeof SECTIONS)[number];
/** Where each begins, in pairs. */
export type Offsets = Readonly<Record<Section, number>>;

/** A packed schedule. */
export interface Packed {
  readonly schedule: Int32Array;
  readonly offsets: Offsets;
}

/**
 * Packs sections one after another; what is left out is empty. They follow `before`, another schedule. `intervals`: the list of that section where
 * nobody needs it any more, for then the others are put around it where it lies.
 */
export const pack = (...given: Parameters<typeof packing>): Packed => atOnce(packing(...given));

/** The same, in slices. */
export function* packing(
  sections: Partial<Record<Section, Int32Array>>,
  before: Int32Array = NONE,
  intervals: IntList | null = null,
): Sliced<Packed> {
  let length = before.length;
  const offsets = {} as Record<Section, number>;
  for (const name of SECTIONS) {
    offsets[name] = length / 2;
    length += sections[name]?.length ?? 0;
  }
  const around = intervals?.around(2 * offsets.intervals, length) ?? null;
  const schedule = around ?? new Int32Array(length);
  yield* copying(before, schedule, 0);
  for (const name of SECTIONS)
    if (name !== 'intervals' || around === null) yield* copying(sections[name] ?? NONE, schedule, 2 * offsets[name]);
  return {schedule, offsets: Object.freeze(offsets)};
}

/** A quarter of what it takes to work a word out. */
const copying = (words: Int32Array, to: Int32Array, at: number): Sliced<void> =>
  inSteps(words.length, 1 / 4, (from, end) => to.set(words.subarray(from, end), at + from));

const NONE = new Int32Array(0);

/** The words of record number `index` of a section by name. For checks, drawings and tests: planners read single words. */
export function read<Word extends string>(
  {schedule, offsets}: Packed,
  section: Section,
  format: RecordFormat<string, Word>,
  index: number,
): Readonly<Record<Word, number>> {
  const from = 2 * offsets[section] + format.words * index;
  return Object.fromEntries(Object.entries<number>(format.at).map(([word, at]) => [word, schedule[from + at]!])) as Record<
    Word,
    number
  >;
}

/** [lo, hi) of row `x` in a span. */
export function readInterval({schedule, offsets}: Packed, span: Pick<Span, 'mask'>, x: number): readonly [number, number] {
  const at = 2 * offsets.intervals + INTERVAL.words * (span.mask + x);
  return [schedule[at + INTERVAL.at.lo]!, schedule[at + INTERVAL.at.hi]!];
}

/** Number `index` of the list that begins at pair `list` of the section `numbers`. */
export const readNumber = ({schedule, offsets}: Packed, list: number, index: number): number =>
  readNumberOf(schedule, offsets.numbers + list, index);

/** The same of a list in `words`. */
export const readNumberOf = (words: Int32Array, list: number, index: number): number => words[2 * list + index]!;

/** Bit `y` of row `x`, where bits of row 0 begin at pair `mask` of the section `bits`. */
export const readBit = (
  {schedule, offsets}: Packed,
  {mask, bitStride}: Pick<Span, 'mask' | 'bitStride'>,
  x: number,
  y: number,
): number => bitOf(schedule, offsets.bits + mask + x * bitStride, y);

/** Bit number `bit` of those that begin at a pair. */
export const bitOf = (words: Int32Array | Uint32Array, pair: number, bit: number): number =>
  (words[2 * pair + (bit >>> 5)]! >>> (bit & 31)) & 1;

export type Item = Readonly<Record<keyof typeof ITEM.at, number>>;
export type Span = Readonly<Record<keyof typeof SPAN.at, number>>;
export type Merge = Readonly<Record<keyof typeof MERGE.at, number>>;

export const readItem = (packed: Packed, index: number): Item => read(packed, 'items', ITEM, index);
export const readSpan = (packed: Packed, index: number): Span => read(packed, 'spans', SPAN, index);
export const readMerge = (packed: Packed, index: number): Merge => read(packed, 'merges', MERGE, index);

/** Appends a record, word by word. */
export function write<Word extends string>(
  list: IntList,
  format: RecordFormat<string, Word>,
  words: Readonly<Record<Word, number>>,
): void {
  const from = list.grow(format.words);
  const {data} = list;
  const {names} = format;
  for (let at = 0; at < names.length; at++) data[from + at] = words[names[at]!];
}

/** Words of a list that is too long to be copied: 1 MiB. */
const LONG = 2 ** 18;

/** A growing list of int32, for records whose number is not known in advance. */
export class IntList {
  data: Int32Array;
  length = 0;
  /** Words before `data` that are free. */
  private ahead = 0;
  /** `data` is somebody else's, and is read only. */
  private isLent = false;

  constructor(capacity = 1024) {
    this.data = new Int32Array(Math.max(16, capacity));
  }

  /** Has room for `count` more without growing; of many, also for an eighth before and behind them (see `around`). */
  reserve(count: number): void {
    if (this.length === 0 && count >= LONG) {
      this.ahead = 2 * ceilDiv(count, 16);
      this.data = new Int32Array(count + 2 * this.ahead).subarray(this.ahead);
      this.isLent = false;
      return;
    }
    this.grow(count);
    this.length -= count;
  }

  /**
   * So many words of which these lie from number `at` on, or null where they lie otherwise, or in twice the memory: at a million tokens the intervals
   * of a window and a prefix are 16 MiB, which were there twice while they were packed.
   */
  around(at: number, length: number): Int32Array | null {
    const {buffer, byteOffset} = this.data;
    const from = byteOffset / 4 - at;
    const isThere = !this.isLent && this.length >= LONG && at <= this.ahead && from + length <= buffer.byteLength / 4;
    return isThere && buffer.byteLength <= 8 * length ? new Int32Array(buffer, 4 * from, length) : null;
  }

  /** Makes room for `count` more and returns the index of the first; the caller writes `data` there. */
  grow(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.data.length || this.isLent) {
      const larger = new Int32Array(Math.max(this.length, this.isLent ? 1024 : 2 * this.data.length));
      larger.set(this.data.subarray(0, at));
      this.data = larger;
      this.ahead = 0;
      this.isLent = false;
    }
    return at;
  }

  push(...values: number[]): void {
    const at = this.grow(values.length);
    for (let i = 0; i < values.length; i++) this.data[at + i] = values[i]!;
  }

  /** Adds numbers that nobody changes while this list is there: where there is nothing else and no room, it holds them where they lie. */
  append(values: Int32Array): void {
    if (this.length === 0 && values.length > Math.max(LONG, this.data.length)) {
      this.data = values;
      this.length = values.length;
      this.ahead = 0;
      this.isLent = true;
      return;
    }
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
