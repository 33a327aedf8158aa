import {Steps, type Recurrence} from '../acsr/index.js';
import {Buckets, type Bucket} from './buckets.js';

/** How the clips of the rows of a tile move from row to row, in keys. */
export interface ClipLine {
  readonly low: number;
  readonly high: number;
  readonly lowStep: number;
  readonly highStep: number;
}

/** The runs of one stride class of rows that recur, as intervals of numbers y: key residue + stride·y. */
export class RecurringRows {
  readonly steps: Steps;

  private constructor(
    readonly stride: number,
    readonly period: number,
    /** [period + 1]; intervals of a row ascend by residue, then by y. */
    readonly ends: Int32Array,
    readonly residue: Int32Array,
    /** [from, to) */
    readonly from: Int32Array,
    readonly to: Int32Array,
    readonly clip: Recurrence['clip'],
  ) {
    this.steps = new Steps(stride);
  }

  /** The class of `index`; null where it holds runs of another stride, of which no row has more than one key. */
  static of(
    {period, rowRuns, start, stride, count, clip}: Recurrence,
    owner: Uint8Array,
    index: number,
    own: number,
  ): RecurringRows | null {
    const ends = new Int32Array(period + 1);
    let length = 0;
    for (let run = 0; run < owner.length; run++) if (owner[run] === index) length++;
    const [residue, from, to] = [new Int32Array(length), new Int32Array(length), new Int32Array(length)];
    let at = 0;
    for (let row = 0; row < period; row++) {
      const begin = at;
      for (let run = rowRuns[row]!; run < rowRuns[row + 1]!; run++) {
        if (owner[run] !== index) continue;
        if (stride[run] !== own && count[run]! > 1) return null;
        const key = start[run]!;
        const y = key < own ? 0 : (key / own) | 0;
        const left = key - own * y;
        // By insertion: the runs of a row ascend by their first key, so nearly all by their residue.
        let to0 = at++;
        for (; to0 > begin && residue[to0 - 1]! > left; to0--) {
          residue[to0] = residue[to0 - 1]!;
          from[to0] = from[to0 - 1]!;
          to[to0] = to[to0 - 1]!;
        }
        residue[to0] = left;
        from[to0] = y;
        to[to0] = y + count[run]!;
      }
      ends[row + 1] = at;
    }
    return new RecurringRows(own, period, ends, residue, from, to, clip);
  }

  /** The rows by the residues of their runs; `without`: those that have none. */
  byResidues(queryLength: number): {buckets: readonly Bucket[]; without: readonly number[]} {
    const {period, ends, clip} = this;
    const buckets = new Buckets(queryLength);
    const without: number[] = [];
    const whole: (Whole | undefined)[] = [];
    const found = new Int32Array(this.residue.length === 0 ? 0 : longest(ends));
    for (let query = 0, row = 0; query < queryLength; query++, row = row + 1 === period ? 0 : row + 1) {
      const all = (whole[row] ??= this.wholeRow(row, found));
      if (clip === null || hasAll(all, clip.low[query]!, clip.high[query]!, this.stride)) {
        const {residues} = all;
        if (residues.length === 0) without.push(query);
        else buckets.put(query, (all.bucket ??= buckets.numberOf(residues, residues.length)));
        continue;
      }
      const length = this.presentResidues(query, row, found);
      if (length === 0) without.push(query);
      else buckets.put(query, buckets.numberOf(found, length));
    }
    return {buckets: buckets.list(), without};
  }

  /** How the clips of the rows `firstRow + rowStride·x` move, if these rows recur; null where they do not, or do not move in a line. */
  lineOf(firstRow: number, rowStride: number, rows: number): ClipLine | null {
    if (rows > 1 && rowStride % this.period !== 0) return null;
    if (this.clip === null) return {low: 0, high: 0x7fffffff, lowStep: 0, highStep: 0};
    const {low, high} = this.clip;
    const line = {low: low[firstRow]!, high: high[firstRow]!, lowStep: 0, highStep: 0};
    if (rows === 1) return line;
    line.lowStep = low[firstRow + rowStride]! - line.low;
    line.highStep = high[firstRow + rowStride]! - line.high;
    for (let x = 1; x < rows; x++) {
      const row = firstRow + rowStride * x;
      if (low[row] !== line.low + line.lowStep * x || high[row] !== line.high + line.highStep * x) return null;
    }
    return line;
  }

  private wholeRow(row: number, found: Int32Array): Whole {
    const {ends, residue, from, to, stride} = this;
    let length = 0;
    let [firstStart, lastStart, firstEnd, alone] = [Infinity, -1, Infinity, true];
    for (let run = ends[row]!; run < ends[row + 1]!; run++) {
      if (length > 0 && found[length - 1] === residue[run]) {
        alone = false;
        continue;
      }
      found[length++] = residue[run]!;
      firstStart = Math.min(firstStart, residue[run]! + stride * from[run]!);
      lastStart = Math.max(lastStart, residue[run]! + stride * from[run]!);
      firstEnd = Math.min(firstEnd, residue[run]! + stride * (to[run]! - 1));
    }
    return {residues: found.slice(0, length), bucket: undefined, firstStart, lastStart, firstEnd, alone};
  }

  private presentResidues(query: number, row: number, found: Int32Array): number {
    const {ends, residue, from, to, clip, steps} = this;
    let length = 0;
    for (let run = ends[row]!; run < ends[row + 1]!; run++) {
      const left = residue[run]!;
      if (length > 0 && found[length - 1] === left) continue;
      const begin = Math.max(from[run]!, steps.below(clip!.low[query]! - left));
      const end = Math.min(to[run]!, steps.upTo(clip!.high[query]! - left));
      if (begin < end) found[length++] = left;
    }
    return length;
  }
}

/** What a row has where nothing is clipped: the bounds are of the first run of each residue. */
interface Whole {
  readonly residues: Int32Array;
  bucket: number | undefined;
  readonly firstStart: number;
  readonly lastStart: number;
  readonly firstEnd: number;
  /** No residue has a second run. */
  readonly alone: boolean;
}

/** Whether the keys low … high certainly hold one of each residue. */
const hasAll = ({firstStart, lastStart, firstEnd, alone}: Whole, low: number, high: number, stride: number): boolean =>
  high >= lastStart && (low <= firstStart || (alone && Math.min(high, firstEnd) >= low + stride - 1));

function longest(ends: Int32Array): number {
  let most = 0;
  for (let row = 1; row < ends.length; row++) most = Math.max(most, ends[row]! - ends[row - 1]!);
  return most;
}
