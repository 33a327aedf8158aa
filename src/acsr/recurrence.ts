import type {PlainNode, ResolvedShape} from '../pattern/index.js';
import type {Acsr, Recurrence} from './acsr.js';
import {Runs} from './collect.js';
import {rowsOf} from './expression.js';
import {productOf, periodOf} from './period.js';
import type {Rows} from './rows.js';
import {MAX_STRIDE, RunList} from './runs.js';

/** A pattern of which one period is worked out, or null: where it has no period, or less than two, or rows that take too many runs. */
export function recurringRows(node: PlainNode, shape: ResolvedShape): Acsr | null {
  const factors = productOf(node);
  if (factors === null) return null;
  const {queryLength, keyLength} = shape;
  const period = periodOf(factors.recurring);
  if (2 * period > queryLength) return null;
  const rows = onePeriod(rowsOf(factors.recurring, shape), period);
  if (rows === null) return null;
  const clip = factors.interval === null ? null : clipOf(rowsOf(factors.interval, shape), queryLength);
  const {recurrence, nnz} = present({period, ...rows, clip, most: new Int32Array(rows.start.length)}, queryLength);
  let written: Written | undefined;
  const all = (): Written => (written ??= writeOut(recurrence, queryLength));
  return Object.freeze({
    queryLength,
    keyLength,
    nnz,
    get rowRuns() {
      return all().rowRuns;
    },
    get start() {
      return all().start;
    },
    get stride() {
      return all().stride;
    },
    get count() {
      return all().count;
    },
    irregularRows: new Int32Array(0),
    bits: new Uint32Array(0),
    recurrence,
  });
}

type Written = Pick<Acsr, 'rowRuns' | 'start' | 'stride' | 'count'>;

function onePeriod(rows: Rows, period: number): Written | null {
  const rowRuns = new Int32Array(period + 1);
  const runs = new Runs();
  for (let query = 0; query < period; query++) {
    const row = rows.runs(query);
    // What bits turn out to be depends on the place of the query.
    if (row.overflow) return null;
    runs.add(row);
    rowRuns[query + 1] = runs.length;
  }
  return {rowRuns, ...runs.finish()};
}

function clipOf(rows: Rows, queryLength: number): Recurrence['clip'] {
  const low = new Int32Array(queryLength);
  const high = new Int32Array(queryLength);
  for (let query = 0; query < queryLength; query++) {
    const {length, start, count} = rows.runs(query);
    low[query] = length === 0 ? 0 : start[0]!;
    high[query] = length === 0 ? -1 : start[0]! + count[0]! - 1;
  }
  return {low, high};
}

/** Counts the keys of all rows and of each run, and drops runs that no row has. */
function present(all: Recurrence, queryLength: number): {recurrence: Recurrence; nnz: number} {
  const {period, rowRuns, start, stride, count, most, clip} = all;
  const tally = new Tally();
  let absent = 0;
  for (let row = 0; row < period; row++) {
    const lines = linesOf(clip, row, period, queryLength);
    for (let run = rowRuns[row]!; run < rowRuns[row + 1]!; run++) {
      tally.largest = 0;
      for (let i = 0; i < lines.length; i++) tally.add(start[run]!, stride[run]!, count[run]!, lines[i]!);
      most[run] = tally.largest;
      if (most[run] === 0) absent++;
    }
  }
  return {recurrence: Object.freeze(absent === 0 ? all : withoutAbsent(all)), nnz: tally.keys};
}

/** Rows row + period·k, first ≤ k < first + rows, whose clips move in a line. */
interface ClipLine {
  readonly rows: number;
  readonly low: number;
  readonly high: number;
  readonly lowStep: number;
  readonly highStep: number;
}

/** The clips of one row in all periods: a line for causal, two or three for a window. */
function linesOf(clip: Recurrence['clip'], row: number, period: number, queryLength: number): ClipLine[] {
  const rows = Math.floor((queryLength - 1 - row) / period) + 1;
  if (clip === null) return [{rows, low: 0, high: MAX_STRIDE, lowStep: 0, highStep: 0}];
  const {low, high} = clip;
  const lines: ClipLine[] = [];
  for (let first = row; first < queryLength;) {
    const next = first + period;
    const [lowStep, highStep] = next < queryLength ? [low[next]! - low[first]!, high[next]! - high[first]!] : [0, 0];
    let end = next;
    while (end < queryLength && low[end]! - low[end - period]! === lowStep && high[end]! - high[end - period]! === highStep)
      end += period;
    lines.push({rows: (end - first) / period, low: low[first]!, high: high[first]!, lowStep, highStep});
    first = end;
  }
  return lines;
}

/** Counts the keys that runs have in the rows of lines. */
class Tally {
  /** Of all runs. */
  keys = 0;
  /** Of the row that has most, since this was set. */
  largest = 0;
  private count = 0;
  // Keys of the run up to the end of row k: `up + upStep·k`, at least none and at most all; before its begin likewise.
  private up = 0;
  private upStep = 0;
  private below = 0;
  private belowStep = 0;

  add(start: number, stride: number, count: number, {rows, low, high, lowStep, highStep}: ClipLine): void {
    this.count = count;
    this.upStep = highStep / stride;
    this.belowStep = lowStep / stride;
    if (!Number.isInteger(this.upStep) || !Number.isInteger(this.belowStep)) {
      // Blocks and documents move as they like.
      for (let k = 0; k < rows; k++)
        this.add(start, stride, count, {rows: 1, low: low + lowStep * k, high: high + highStep * k, lowStep: 0, highStep: 0});
      return;
    }
    this.up = Math.floor((high - start + 0.5) / stride) + 1;
    this.below = Math.floor((low - start - 0.5) / stride) + 1;
    this.keys += sumClamped(this.up, this.upStep, count, rows) - sumClamped(this.below, this.belowStep, count, rows);
    this.see(0, rows);
    if (rows === 1) return;
    this.see(rows - 1, rows);
    // The keys of a row rise and fall in lines, whose ends are where one of the two meets none or all.
    if (this.belowStep === 0 && this.upStep >= 0) return;
    this.seeEnds(this.up, this.upStep, rows);
    this.seeEnds(this.below, this.belowStep, rows);
  }

  private seeEnds(first: number, step: number, rows: number): void {
    if (step === 0) return;
    const none = Math.floor(-first / step);
    const all = Math.floor((this.count - first) / step);
    this.see(none, rows);
    this.see(none + 1, rows);
    this.see(all, rows);
    this.see(all + 1, rows);
  }

  private see(k: number, rows: number): void {
    if (k < 0 || k >= rows) return;
    const keys = clamped(this.up + this.upStep * k, this.count) - clamped(this.below + this.belowStep * k, this.count);
    if (keys > this.largest) this.largest = keys;
  }
}

const clamped = (value: number, most: number): number => (value < 0 ? 0 : value > most ? most : value);

/** Σ clamped(first + step·k, most), 0 ≤ k < rows. */
function sumClamped(first: number, step: number, most: number, rows: number): number {
  if (step === 0) return rows * clamped(first, most);
  if (step < 0) return sumClamped(first + step * (rows - 1), -step, most, rows);
  const above = Math.min(rows, Math.max(0, Math.floor(-first / step) + 1));
  const full = Math.max(above, Math.min(rows, Math.ceil((most - first) / step)));
  return (full - above) * first + (step * (full * (full - 1) - above * (above - 1))) / 2 + (rows - full) * most;
}

function withoutAbsent(all: Recurrence): Recurrence {
  const {period, most} = all;
  const rowRuns = new Int32Array(period + 1);
  const kept = new Int32Array(most.length);
  let length = 0;
  for (let row = 0; row < period; row++) {
    for (let run = all.rowRuns[row]!; run < all.rowRuns[row + 1]!; run++) if (most[run]! > 0) kept[length++] = run;
    rowRuns[row + 1] = length;
  }
  const take = (list: Int32Array): Int32Array => {
    const taken = new Int32Array(length);
    for (let i = 0; i < length; i++) taken[i] = list[kept[i]!]!;
    return taken;
  };
  return {...all, rowRuns, start: take(all.start), stride: take(all.stride), count: take(all.count), most: take(most)};
}

/**
 * How many of the numbers 0, stride, 2·stride … lie up to a distance, or below it. A product is several times as fast as a division;
 * half a step more keeps it exact: the product is off by less than 2⁻⁵² of itself, a whole number of steps is 1 / (2·stride) away.
 */
export class Steps {
  private readonly share: number;

  constructor(private readonly stride: number) {
    this.share = 1 / stride;
  }

  upTo(distance: number): number {
    return distance < 0 ? 0 : (((distance + 0.5) * this.share) | 0) + 1;
  }

  below(distance: number): number {
    return distance <= 0 ? 0 : ((distance + this.stride - 0.5) * this.share) | 0;
  }
}

/** All rows one by one, and the runs of each in order. */
function writeOut({period, rowRuns, start, stride, count, clip}: Recurrence, queryLength: number): Written {
  const runs = new Runs();
  const ends = new Int32Array(queryLength + 1);
  const list = new RunList();
  for (let query = 0; query < queryLength; query++) {
    const row = query % period;
    list.clear();
    for (let run = rowRuns[row]!; run < rowRuns[row + 1]!; run++) {
      let first = 0;
      let end = count[run]!;
      if (clip !== null) {
        const steps = new Steps(stride[run]!);
        first = steps.below(clip.low[query]! - start[run]!);
        end = Math.min(end, steps.upTo(clip.high[query]! - start[run]!));
      }
      if (first < end) list.add(start[run]! + first * stride[run]!, stride[run]!, end - first);
    }
    // A lower end moves the starts of runs that interleave.
    list.sort();
    runs.add(list);
    ends[query + 1] = runs.length;
  }
  return {rowRuns: ends, ...runs.finish()};
}
