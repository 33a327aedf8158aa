import {intersect, subtract} from './progression.js';
import {RunList} from './runs.js';

/*
 * Set algebra on the rows of two patterns. Each writes a finished list into `out`, which is neither operand; `overflow` passes through.
 * Rows of plain intervals, by far the most, are merged in one sweep; the others run by run.
 */

/** The keys in both rows. */
export function intersectRows(a: RunList, b: RunList, out: RunList): void {
  if (!begin(a, b, out)) return;
  if (a.unit && b.unit) return intersectIntervals(a, b, out);
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < b.length; j++) intersect(a, i, b, j, out);
  }
  out.tidy();
}

/** The keys in either row. Where two runs share keys, the one of smaller stride keeps them. */
export function uniteRows(a: RunList, b: RunList, out: RunList): void {
  if (!begin(a, b, out)) return;
  uniteIntervals(a, b, out);
  if (a.unit && b.unit) return;
  const intervals = out.length;
  if (a.unit || b.unit) {
    // The strided runs of one row are disjoint, so only the intervals take keys from them.
    const strided = a.unit ? b : a;
    for (let i = 0; i < strided.length; i++) if (strided.stride[i] !== 1) addOutside(strided, i, out, intervals, out);
    out.sort();
    if (out.hasSingle()) out.join();
    return;
  }
  // Of two runs of equal stride in different rows, that of `a` keeps shared keys.
  for (let i = 0; i < a.length; i++) if (a.stride[i] !== 1) addRest(a, i, out, intervals, b, a.stride[i]! - 1, out);
  for (let j = 0; j < b.length; j++) if (b.stride[j] !== 1) addRest(b, j, out, intervals, a, b.stride[j]!, out);
  out.tidy();
}

/** The keys of `a` that are not in `b`. */
export function subtractRows(a: RunList, b: RunList, out: RunList): void {
  if (!begin(a, b, out)) return;
  if (a.unit && b.unit) return subtractIntervals(a, b, out);
  for (let i = 0; i < a.length; i++) addRest(a, i, b, b.length, b, Infinity, out);
  out.tidy();
}

function begin(a: RunList, b: RunList, out: RunList): boolean {
  out.clear();
  out.overflow = a.overflow || b.overflow;
  return !out.overflow;
}

// Scratch of `addRest`; nothing outlives a call.
const pieces = new RunList();
const otherPieces = new RunList();

/**
 * Appends to `out` what is left of run `i` of `list` without the first `intervals` runs of `taken` that have stride 1, and without the
 * runs of `other` that have strides from 2 to `maxStride`.
 */
function addRest(
  list: RunList,
  i: number,
  taken: RunList,
  intervals: number,
  other: RunList,
  maxStride: number,
  out: RunList,
): void {
  const first = list.start[i]!;
  const last = list.last(i);
  let rest: RunList | undefined; // made when a run of `other` reaches this one
  for (let j = 0; j < other.length; j++) {
    if (other.stride[j] === 1 || other.stride[j]! > maxStride || other.start[j]! > last || other.last(j) < first) continue;
    if (rest === undefined) addOutside(list, i, taken, intervals, (rest = pieces.clear()));
    const next: RunList = (rest === pieces ? otherPieces : pieces).clear();
    for (let piece = 0; piece < rest.length; piece++) subtract(rest, piece, other, j, next);
    next.overflow ||= rest.overflow;
    rest = next;
  }
  if (rest === undefined) return addOutside(list, i, taken, intervals, out);
  for (let piece = 0; piece < rest.length; piece++) out.add(rest.start[piece]!, rest.stride[piece]!, rest.count[piece]!);
  out.overflow ||= rest.overflow;
}

/** Appends the keys of run `i` of `list` that lie outside the first `intervals` runs of `taken`, of which only those of stride 1 count. */
function addOutside(list: RunList, i: number, taken: RunList, intervals: number, out: RunList): void {
  const {start: starts, stride: strides, count: counts} = taken;
  const stride = list.stride[i]!;
  const last = list.last(i);
  let first = list.start[i]!; // of the keys that no interval has taken yet
  let key = first; // the next key to look at; first … key − stride is a piece
  for (let j = 0; j < intervals && key <= last; j++) {
    if (strides[j] !== 1) continue;
    const from = starts[j]!;
    const to = from + counts[j]! - 1;
    if (to < key) continue;
    if (key < from) {
      key += Math.ceil((from - key) / stride) * stride;
      if (key > to || key > last) continue;
    }
    if (key > first) out.add(first, stride, (key - first) / stride);
    key += (Math.floor((to - key) / stride) + 1) * stride;
    first = key;
  }
  if (first <= last) out.add(first, stride, (last - first) / stride + 1);
}

function intersectIntervals(a: RunList, b: RunList, out: RunList): void {
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const aLast = a.start[i]! + a.count[i]! - 1;
    const bLast = b.start[j]! + b.count[j]! - 1;
    out.addKeys(Math.max(a.start[i]!, b.start[j]!), Math.min(aLast, bLast));
    if (aLast < bLast) i++;
    else j++;
  }
}

/** Unites the runs of stride 1 and skips the others. */
function uniteIntervals(a: RunList, b: RunList, out: RunList): void {
  let i = nextInterval(a, 0);
  let j = nextInterval(b, 0);
  let first = 0;
  let end = -1; // of the interval being grown, exclusive; −1 before the first
  while (i < a.length || j < b.length) {
    let start: number;
    let stop: number;
    if (j === b.length || (i < a.length && a.start[i]! <= b.start[j]!)) {
      start = a.start[i]!;
      stop = start + a.count[i]!;
      i = nextInterval(a, i + 1);
    } else {
      start = b.start[j]!;
      stop = start + b.count[j]!;
      j = nextInterval(b, j + 1);
    }
    if (start > end) {
      if (end >= 0) out.add(first, 1, end - first);
      first = start;
      end = stop;
    } else if (stop > end) {
      end = stop;
    }
  }
  if (end >= 0) out.add(first, 1, end - first);
}

/** The first run of stride 1 from `i` on. */
function nextInterval(list: RunList, i: number): number {
  if (!list.unit) while (i < list.length && list.stride[i] !== 1) i++;
  return i;
}

function subtractIntervals(a: RunList, b: RunList, out: RunList): void {
  for (let i = 0, j = 0; i < a.length; i++) {
    let first = a.start[i]!;
    const last = first + a.count[i]! - 1;
    while (j < b.length && b.start[j]! + b.count[j]! <= first) j++;
    // An interval of b that passes the end of this one may reach the next, so j stays on it.
    for (; j < b.length && b.start[j]! <= last; j++) {
      out.addKeys(first, b.start[j]! - 1);
      first = b.start[j]! + b.count[j]!;
      if (first > last) break;
    }
    out.addKeys(first, last);
  }
}
