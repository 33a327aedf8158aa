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
  if (a.unit || b.unit) {
    // The strided runs of one side are disjoint already: only the intervals take keys from them.
    addRuns(a.unit ? b : a, out);
    out.sort();
    if (out.hasSingle()) out.join();
  } else {
    for (let stride = nextStride(a, b, 1); stride < Infinity; stride = nextStride(a, b, stride)) {
      for (let i = 0; i < a.length; i++) if (a.stride[i] === stride) addRest(a, i, out, out);
      for (let j = 0; j < b.length; j++) if (b.stride[j] === stride) addRest(b, j, out, out);
    }
    out.tidy();
  }
}

/** The keys of `a` that are not in `b`. */
export function subtractRows(a: RunList, b: RunList, out: RunList): void {
  if (!begin(a, b, out)) return;
  if (a.unit && b.unit) return subtractIntervals(a, b, out);
  for (let i = 0; i < a.length; i++) addRest(a, i, b, out);
  out.tidy();
}

function begin(a: RunList, b: RunList, out: RunList): boolean {
  out.clear();
  out.overflow = a.overflow || b.overflow;
  return !out.overflow;
}

/** The smallest stride above `above` in either list. */
function nextStride(a: RunList, b: RunList, above: number): number {
  let next = Infinity;
  for (let i = 0; i < a.length; i++) if (a.stride[i]! > above && a.stride[i]! < next) next = a.stride[i]!;
  for (let j = 0; j < b.length; j++) if (b.stride[j]! > above && b.stride[j]! < next) next = b.stride[j]!;
  return next;
}

// Scratch of the functions below; nothing outlives a call.
let rest = new RunList();
let nextRest = new RunList();

/** Appends to `out` what all runs of `taken` leave of run `i` of `list`. `taken` may be `out` itself. */
function addRest(list: RunList, i: number, taken: RunList, out: RunList): void {
  const first = list.start[i]!;
  const last = list.last(i);
  rest.clear().add(first, list.stride[i]!, list.count[i]!);
  for (let j = 0; j < taken.length; j++) {
    if (taken.start[j]! > last || taken.last(j) < first) continue;
    nextRest.clear();
    for (let piece = 0; piece < rest.length; piece++) subtract(rest, piece, taken, j, nextRest);
    if (nextRest.overflow) {
      out.overflow = true;
      return;
    }
    [rest, nextRest] = [nextRest, rest];
  }
  for (let piece = 0; piece < rest.length; piece++) out.add(rest.start[piece]!, rest.stride[piece]!, rest.count[piece]!);
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

/** Appends the strided runs of `list` without the keys of the intervals in `out`. */
function addRuns(list: RunList, out: RunList): void {
  const {start, count} = out;
  const intervals = out.length;
  for (let i = 0; i < list.length; i++) {
    const stride = list.stride[i]!;
    if (stride === 1) continue;
    const last = list.last(i);
    let first = list.start[i]!; // of the keys that no interval has taken yet
    let key = first; // the next key to look at; first … key − stride is a piece
    for (let j = 0; j < intervals && key <= last; j++) {
      const from = start[j]!;
      const to = from + count[j]! - 1;
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
