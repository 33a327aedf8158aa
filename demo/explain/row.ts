import type {Acsr, Plan} from '../../src/pure.js';
import {forEachSpan, keyOfSpan, rowOfItem} from '../../src/plan/index.js';
import {whole} from '../shell/format.js';

/** One run of a row: its numbers, and the keys in words. */
export interface RunLine {
  readonly start: number;
  readonly stride: number;
  readonly count: number;
  readonly keys: string;
}

/** The runs of a row; null where it is kept as bits. */
export function runsOf({rowRuns, start, stride, count, irregularRows}: Acsr, query: number): RunLine[] | null {
  if (irregularRows.includes(query)) return null;
  const lines: RunLine[] = [];
  for (let run = rowRuns[query]!; run < rowRuns[query + 1]!; run++) {
    const numbers = {start: start[run]!, stride: stride[run]!, count: count[run]!};
    lines.push({...numbers, keys: progression(numbers.start, numbers.stride, numbers.count)});
  }
  return lines;
}

/** `5`, `5 … 9`, `5, 13 … 93` */
export function progression(first: number, stride: number, count: number): string {
  if (count <= 0) return 'none';
  const last = first + stride * (count - 1);
  if (count <= 3) return Array.from({length: count}, (_, i) => whole(first + stride * i)).join(', ');
  return stride === 1 ? `${whole(first)} … ${whole(last)}` : `${whole(first)}, ${whole(first + stride)} … ${whole(last)}`;
}

/** A tile that owns the row, and one range of keys that it visits. */
export interface SpanLine {
  readonly rows: string;
  readonly keys: string;
  /** Of the keys, those every row of the tile attends to. */
  readonly full: number;
}

/** `3, 50, 51 … 299 (12 of them)` */
const some = (numbers: readonly number[]): string =>
  numbers.length <= 4
    ? numbers.map(whole).join(', ')
    : `${numbers.slice(0, 3).map(whole).join(', ')} … ${whole(numbers.at(-1)!)} (${numbers.length} of them)`;

export function spansOf(plan: Plan, query: number): SpanLine[] {
  if (plan.implementation === 'dense') return [];
  const lines: SpanLine[] = [];
  forEachSpan(plan, (item, span, {kinds}, from, to) => {
    const {begin, end, fullBegin, fullEnd} = span;
    const rows = Array.from({length: to - from}, (_, x) => rowOfItem(plan, kinds, item, from + x));
    if (!rows.includes(query)) return;
    lines.push({
      rows: kinds.rows === 'list' ? some(rows) : progression(rows[0]!, item.rowStride, rows.length),
      keys:
        kinds.keys === 'list'
          ? some(Array.from({length: end - begin}, (_, i) => keyOfSpan(plan, kinds, span, begin + i)))
          : progression(span.firstKey + span.keyStride * begin, span.keyStride, end - begin),
      full: Math.max(0, Math.min(end, fullEnd) - Math.max(begin, fullBegin)),
    });
  });
  return lines;
}
