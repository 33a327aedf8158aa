import {gcd, mod} from '../support/index.js';
import {MAX_STRIDE, RunList} from './runs.js';

/*
 * Set algebra on arithmetic progressions `start + stride·i, 0 ≤ i < count`. Keys are below 2³¹, so every number here is exact.
 */

/**
 * Appends the keys common to run `i` of `a` and run `j` of `b`, which are again one progression; returns how many there are.
 *
 * Its stride is the least common multiple of theirs, also when only one key is common.
 */
export function intersect(a: RunList, i: number, b: RunList, j: number, out: RunList): number {
  const aStart = a.start[i]!;
  const bStart = b.start[j]!;
  const low = aStart > bStart ? aStart : bStart;
  const aLast = a.last(i);
  const bLast = b.last(j);
  const high = aLast < bLast ? aLast : bLast;
  if (low > high) return 0;

  const aStride = a.stride[i]!;
  const bStride = b.stride[j]!;
  if (bStride === 1 || (aStride % bStride === 0 && (aStart - bStart) % bStride === 0))
    return addWithin(aStart, aStride, low, high, out);
  if (aStride === 1 || (bStride % aStride === 0 && (bStart - aStart) % aStride === 0))
    return addWithin(bStart, bStride, low, high, out);

  // aStart + aStride·x = bStart + bStride·y; divided by the greatest common divisor, x = distance / aStride modulo bStride.
  const divisor = gcd(aStride, bStride);
  const distance = bStart - aStart;
  if (distance % divisor !== 0) return 0;
  const modulus = bStride / divisor;
  const x = multiply(mod(distance / divisor, modulus), inverse(aStride / divisor, modulus), modulus);
  return addWithin(aStart + aStride * x, aStride * modulus, low, high, out);
}

/** Appends the keys `start + stride·i, i ≥ 0`, that lie in [low, high]; returns how many there are. */
function addWithin(start: number, stride: number, low: number, high: number, out: RunList): number {
  if (stride === 1) {
    out.add(low, 1, high - low + 1);
    return high - low + 1;
  }
  const first = start >= low ? start : start + Math.ceil((low - start) / stride) * stride;
  if (first > high) return 0;
  const count = Math.floor((high - first) / stride) + 1;
  out.add(first, Math.min(stride, MAX_STRIDE), count);
  return count;
}

/** a·b mod m for 0 ≤ a, b < m < 2³¹, in two halves so that no product passes 2⁵³. */
function multiply(a: number, b: number, m: number): number {
  return (((a * (b >>> 16)) % m) * 65536 + a * (b & 0xffff)) % m;
}

/** The inverse of `a` modulo `m`, for coprime a and m: the extended Euclidean algorithm. */
function inverse(a: number, m: number): number {
  let [r, nextR] = [m, a % m];
  let [t, nextT] = [0, 1];
  while (nextR !== 0) {
    const q = Math.floor(r / nextR);
    [r, nextR] = [nextR, r - q * nextR];
    [t, nextT] = [nextT, t - q * nextT];
  }
  return mod(t, m);
}

/** Scratch of `subtract`. */
const common = new RunList();

/**
 * Appends run `i` of `a` without the keys of run `j` of `b`: a few progressions, disjoint, in no order.
 *
 * Every k-th key is missing from the middle. What is left there is the gaps between missing keys, or k − 1 progressions that interleave,
 * whichever are fewer (gaps when equal); a part before or after the middle is one run.
 */
export function subtract(a: RunList, i: number, b: RunList, j: number, out: RunList): void {
  const start = a.start[i]!;
  const stride = a.stride[i]!;
  const count = a.count[i]!;
  if (b.start[j]! > a.last(i) || b.last(j) < start) return out.add(start, stride, count);
  const otherStride = b.stride[j]!;
  if (otherStride === 1 || stride % otherStride === 0) {
    // The run lies between the keys of the other or steps from one to the next: then a part of it, end to end, is missing.
    const distance = b.start[j]! - start;
    const head = Math.max(Math.ceil(distance / stride), 0);
    const skip = Math.min(Math.floor((b.last(j) - start) / stride) + 1, count);
    if (skip <= head || distance % otherStride !== 0) return out.add(start, stride, count);
    if (head > 0) out.add(start, stride, head);
    if (skip < count) out.add(start + stride * skip, stride, count - skip);
    return;
  }

  const missing = intersect(a, i, b, j, common.clear());
  if (missing === 0) return out.add(start, stride, count);
  // From here on in steps of the run: `first`, `first + k` … `last` are missing of the steps 0 … count − 1.
  const first = (common.start[0]! - start) / stride;
  const k = missing === 1 ? 1 : common.stride[0]! / stride;
  const last = first + k * (missing - 1);
  const tail = count - 1 - last;
  if (k === 1) {
    if (first > 0) out.add(start, stride, first);
    if (tail > 0) out.add(start + stride * (last + 1), stride, tail);
    return;
  }
  const headAlone = first >= k;
  const tailAlone = tail >= k;
  const gapRuns = missing - 1 + (first > 0 ? 1 : 0) + (tail > 0 ? 1 : 0);
  const interleavedRuns = k - 1 + (headAlone ? 1 : 0) + (tailAlone ? 1 : 0);
  const gaps = gapRuns <= interleavedRuns;
  if (first > 0 && (gaps || headAlone)) out.add(start, stride, first);
  if (tail > 0 && (gaps || tailAlone)) out.add(start + stride * (last + 1), stride, tail);
  if (gaps) {
    for (let gap = first + 1; gap < last; gap += k) out.add(start + stride * gap, stride, k - 1);
    return;
  }
  const low = headAlone ? first + 1 : 0;
  const high = tailAlone ? last - 1 : count - 1;
  // A head or tail shorter than k holds at most one step of each residue, which belongs to that residue's run.
  const gone = low + mod(first - low, k);
  const end = Math.min(low + k, high + 1);
  // Ascending, so that there is little to sort.
  for (let from = low; from < end; from++) {
    if (from !== gone) out.add(start + stride * from, stride * k, Math.floor((high - from) / k) + 1);
  }
}
