import {MAX_RUNS} from './acsr.js';

/** Longer strides cannot reach a second key: keys are below 2³¹. */
export const MAX_STRIDE = 2 ** 31 - 1;

/**
 * The runs of one row while it is being worked out. Lists are made once and refilled for every row, so that a row costs no allocation.
 *
 * A finished list ascends by start, its runs are disjoint, and no two of them could be joined.
 */
export class RunList {
  length = 0;
  /** Every stride is 1: the finished list is plain intervals with a gap of at least one key between neighbours. */
  unit = true;
  /** The row took more than `MAX_RUNS` runs; the list is then useless. */
  overflow = false;
  readonly start = new Int32Array(MAX_RUNS);
  readonly stride = new Int32Array(MAX_RUNS);
  readonly count = new Int32Array(MAX_RUNS);

  clear(): this {
    this.length = 0;
    this.unit = true;
    this.overflow = false;
    return this;
  }

  /** Makes this the keys `first … last`, or nothing when last < first. */
  setKeys(first: number, last: number): this {
    return this.setProgression(first, 1, last);
  }

  /** Makes this the keys `first, first + stride …` up to `last`, or nothing when last < first. */
  setProgression(first: number, stride: number, last: number): this {
    this.overflow = false;
    this.unit = stride === 1;
    this.length = 0;
    if (first > last) return this;
    this.length = 1;
    this.start[0] = first;
    this.stride[0] = Math.min(stride, MAX_STRIDE);
    this.count[0] = stride === 1 ? last - first + 1 : Math.floor((last - first) / stride) + 1;
    return this;
  }

  /** Appends a run of at least one key. */
  add(start: number, stride: number, count: number): void {
    const i = this.length;
    if (i === MAX_RUNS) {
      this.overflow = true;
      return;
    }
    this.start[i] = start;
    this.stride[i] = stride;
    this.count[i] = count;
    this.length = i + 1;
    if (stride !== 1) this.unit = false;
  }

  /** Appends the keys `first … last`, or nothing when last < first. */
  addKeys(first: number, last: number): void {
    if (first <= last) this.add(first, 1, last - first + 1);
  }

  /** The greatest key of run `i`. */
  last(i: number): number {
    return this.start[i]! + this.stride[i]! * (this.count[i]! - 1);
  }

  /** Finishes a list whose runs are disjoint but in no order: sorts them by start and joins those that continue each other. */
  tidy(): void {
    if (this.length < 2 || this.overflow) return;
    this.sort();
    this.join();
  }

  /** By insertion: lists are short and nearly in order. */
  sort(): void {
    const {start, stride, count} = this;
    for (let i = 1; i < this.length; i++) {
      const s = start[i]!;
      if (start[i - 1]! < s) continue;
      const d = stride[i]!;
      const n = count[i]!;
      let j = i;
      for (; j > 0 && start[j - 1]! > s; j--) {
        start[j] = start[j - 1]!;
        stride[j] = stride[j - 1]!;
        count[j] = count[j - 1]!;
      }
      start[j] = s;
      stride[j] = d;
      count[j] = n;
    }
  }

  hasSingle(): boolean {
    for (let i = 0; i < this.length; i++) if (this.count[i] === 1) return true;
    return false;
  }

  /** Joins runs of one stride that follow each other, and one-key runs with the run that they continue at either end. */
  join(): void {
    while (this.joinOnce()); // a join may make room for another
    this.unit = true;
    for (let i = 0; i < this.length; i++) if (this.stride[i] !== 1) this.unit = false;
  }

  private joinOnce(): boolean {
    const {start, stride, count} = this;
    let joined = false;
    for (let j = 0; j < this.length - 1; j++) {
      const end = start[j]! + stride[j]! * count[j]!;
      for (let i = j + 1; i < this.length; i++) {
        // The list ascends: of what follows, nothing starts at the end of a run that is passed, or lies past all.
        if (count[j] !== 1 && (start[i]! > end || start[this.length - 1]! < end)) break;
        const appends = start[i] === end && (stride[i] === stride[j] || count[i] === 1);
        const prepends = count[j] === 1 && start[i]! - start[j]! === stride[i];
        if (!appends && !prepends) continue;
        if (!appends) stride[j] = stride[i]!;
        count[j]! += count[i]!;
        this.remove(i);
        joined = true;
        break;
      }
    }
    return joined;
  }

  private remove(i: number): void {
    const {start, stride, count} = this;
    this.length--;
    for (let j = i; j < this.length; j++) {
      start[j] = start[j + 1]!;
      stride[j] = stride[j + 1]!;
      count[j] = count[j + 1]!;
    }
  }
}
