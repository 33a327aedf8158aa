import {ceilDiv, mod} from '../support/index.js';
import {MAX_RUNS} from './acsr.js';
import {onesIn} from './bits.js';
import {RunList} from './runs.js';

/** Neighbouring keys make a run of stride 1 from this many on; fewer may rather belong to progressions side by side. */
const MIN_SEGMENT = 3;
/** Where `MIN_SEGMENT` makes too many runs, shorter segments than this may be progressions side by side: 7 in `not(strided(8))`. */
const MIN_LONG_SEGMENT = 33;
/** Keys in one progression before chance is ruled out: among 20 random keys of 4096 three are often equally spaced, four hardly ever. */
const MIN_EVIDENCE = 4;
/** Next keys that are tried as the second of a progression: as many progressions may lie side by side. */
const CANDIDATES = 8;
/** Rows that are read first to learn the strides of a mask. */
const SAMPLES = 16;
const MAX_USUAL_STRIDES = 4;

/**
 * Finds the runs of a row that is given as bits, exactly: every key is looked at, and a run holds only keys that are there.
 *
 * 1. Three and more neighbouring keys are a run of stride 1.
 * 2. The other keys are taken in ascending order. A run begins at the first key left and uses only such keys: it is the longest of those
 *    with a usual stride and two keys at least; or else the longest with four keys whose stride is no multiple of a usual one; or else
 *    the key and its neighbour; or else the key.
 *
 * So a window is never cut by a stride that passes through it, and chance never starts a stride of its own. A stride is usual when
 * `learn` found it in half of a sample of the mask's rows. Where no stride is in two of them, none but the usual ones is looked for: of random
 * pairs, 10 % of 4,096 squared, that took 130 ms.
 */
export class Recogniser {
  /** Ascending, all above 1. */
  private usualStrides: readonly number[] = [];
  /** Whether rows of too many segments are worth a second reading that breaks up segments shorter than `MIN_LONG_SEGMENT`. */
  private breaksSegments = false;
  /** Whether a row may have a stride that is not usual. */
  private looksFurther = true;
  /** Keys in no segment, ascending. */
  private readonly loose: Int32Array;
  /** [keyLength] 1 for a key in `loose` that no run has yet. */
  private readonly isLoose: Uint8Array;
  private looseCount = 0;

  constructor(private readonly keyLength: number) {
    this.loose = new Int32Array(keyLength);
    this.isLoose = new Uint8Array(keyLength);
  }

  /**
   * Reads a row at `base` of `words` into `out`. A key by itself gets the usual stride that leads to `position`, the query's place among
   * the keys, when there is one; else stride 1.
   */
  read(words: Uint32Array, base: number, position: number, out: RunList): void {
    if (!this.looksFurther && this.usualStrides.length === 0 && this.segmentsIn(words, base) > MAX_RUNS) {
      out.clear().overflow = true; // for each segment is a run, or more
      return;
    }
    this.readRuns(words, base, position, MIN_SEGMENT, out);
    if (out.overflow && this.breaksSegments) this.readRuns(words, base, position, MIN_LONG_SEGMENT, out);
    if (!out.overflow) out.sort();
  }

  /** Learns from a sample of its rows what is usual in a mask. `baseOf` says where in `words` a row is, once it is called. */
  learn(words: Uint32Array, queryLength: number, baseOf: (query: number) => number): void {
    const rowsWith = new Map<number, number>();
    const row = new RunList();
    let samples = 0;
    for (let i = 0; i < Math.min(SAMPLES, queryLength); i++) {
      const query = queryLength <= SAMPLES ? i : Math.floor(((i + 0.5) * queryLength) / SAMPLES);
      const base = baseOf(query);
      this.readRuns(words, base, 0, MIN_SEGMENT, row);
      if (row.overflow) {
        this.readRuns(words, base, 0, MIN_LONG_SEGMENT, row);
        if (row.overflow) continue;
        this.breaksSegments = true;
      }
      const strides = stridesIn(row);
      if (strides.size > 0) samples++;
      for (const stride of strides) rowsWith.set(stride, (rowsWith.get(stride) ?? 0) + 1);
    }
    const usual = [...rowsWith].filter(([, rows]) => rows >= Math.max(2, samples / 2)).sort(([, a], [, b]) => b - a);
    this.looksFurther = [...rowsWith.values()].some((rows) => rows > 1);
    const strides = usual.slice(0, MAX_USUAL_STRIDES).map(([stride]) => stride);
    this.usualStrides = strides.sort((a, b) => a - b);
  }

  private readRuns(words: Uint32Array, base: number, position: number, minSegment: number, out: RunList): void {
    this.readSegments(words, base, minSegment, out);
    // Broken segments lie closer together, so the second key of a progression is farther down the list.
    this.readLoose(minSegment === MIN_SEGMENT ? CANDIDATES : 2 * CANDIDATES, position, out);
  }

  /** Neighbouring keys, one or more of them, that a row has. */
  private segmentsIn(words: Uint32Array, base: number): number {
    const wordsPerRow = ceilDiv(this.keyLength, 32);
    let segments = 0;
    let before = 0; // the last key of the word before
    for (let w = 0; w < wordsPerRow; w++) {
      const word = words[base + w]!;
      if (word !== 0) segments += onesIn(word & ~((word << 1) | before));
      before = word >>> 31;
    }
    return segments;
  }

  /** Writes segments of at least `minSegment` neighbouring keys to `out`, all other keys to `loose`. */
  private readSegments(words: Uint32Array, base: number, minSegment: number, out: RunList): void {
    const wordsPerRow = ceilDiv(this.keyLength, 32);
    out.clear();
    this.looseCount = 0;
    let first = -1; // of the segment that reaches up to here, −1 when there is none
    for (let w = 0; w < wordsPerRow; w++) {
      const word = words[base + w]! | 0;
      const key = w << 5;
      if (word === (first < 0 ? 0 : -1)) continue;
      // `edges` has a bit wherever a segment begins or, one after its last key, ends.
      let edges = word ^ ((word << 1) | (first < 0 ? 0 : 1));
      while (edges !== 0) {
        const at = key + 31 - Math.clz32(edges & -edges);
        edges &= edges - 1;
        if (first < 0) {
          first = at;
        } else {
          this.addSegment(first, at - first, minSegment, out);
          first = -1;
        }
      }
      if (out.overflow) return;
    }
    if (first >= 0) this.addSegment(first, this.keyLength - first, minSegment, out);
  }

  private addSegment(first: number, count: number, minSegment: number, out: RunList): void {
    if (count >= minSegment) return out.add(first, 1, count);
    for (let key = first; key < first + count; key++) {
      this.loose[this.looseCount++] = key;
      this.isLoose[key] = 1;
    }
  }

  /** Groups the loose keys into progressions, and leaves `isLoose` clear. */
  private readLoose(candidates: number, position: number, out: RunList): void {
    const {loose, isLoose, looseCount} = this;
    for (let i = 0; i < looseCount && !out.overflow; i++) {
      const first = loose[i]!;
      if (isLoose[first] === 0) continue;
      const stride = this.bestStride(i, candidates);
      if (stride === 0) {
        isLoose[first] = 0;
        out.add(first, this.strideOfOne(first, position), 1);
        continue;
      }
      let count = 0;
      for (let key = first; key < this.keyLength && isLoose[key] === 1; key += stride) {
        isLoose[key] = 0;
        count++;
      }
      out.add(first, stride, count);
    }
    for (let i = 0; i < looseCount; i++) isLoose[loose[i]!] = 0;
  }

  /** The stride of the run that begins at `loose[i]`, or 0 when the key is to stand alone. */
  private bestStride(i: number, candidates: number): number {
    const {loose, isLoose, looseCount} = this;
    const first = loose[i]!;
    let best = 0;
    let bestCount = 1;
    for (const stride of this.usualStrides) {
      const count = this.reach(first, stride);
      if (count > bestCount) [best, bestCount] = [stride, count];
    }
    if (best > 0) return best;
    const next = first + 1 < this.keyLength && isLoose[first + 1] === 1 ? 1 : 0;
    if (!this.looksFurther) return next;

    const span = loose[looseCount - 1]! - first;
    bestCount = MIN_EVIDENCE - 1;
    for (let j = i + 1; j < looseCount && candidates > 0; j++) {
      const second = loose[j]!;
      if (isLoose[second] === 0) continue;
      const stride = second - first;
      if (span < stride * bestCount) break; // neither this stride nor a longer one can beat the best
      candidates--;
      if (this.usualStrides.some((usual) => stride % usual === 0)) continue; // its keys lie on a usual stride that a window interrupts
      const count = this.reach(first, stride);
      if (count > bestCount) [best, bestCount] = [stride, count];
    }
    return best > 0 ? best : next;
  }

  /** How many loose keys follow each other from `first` on. */
  private reach(first: number, stride: number): number {
    let count = 0;
    for (let key = first; key < this.keyLength && this.isLoose[key] === 1; key += stride) count++;
    return count;
  }

  private strideOfOne(key: number, position: number): number {
    for (const stride of this.usualStrides) if (mod(position - key, stride) === 0) return stride;
    return 1;
  }
}

/** What strides a row shows: those of its runs, and the distance between its single keys when most of them have the same. */
function stridesIn(row: RunList): Set<number> {
  row.sort();
  const strides = new Set<number>();
  const distances = new Map<number, number>();
  let single = -1;
  let total = 0;
  for (let i = 0; i < row.length; i++) {
    if (row.count[i]! > 1) {
      strides.add(row.stride[i]!);
      continue;
    }
    if (single >= 0) {
      const distance = row.start[i]! - single;
      distances.set(distance, (distances.get(distance) ?? 0) + 1);
      total++;
    }
    single = row.start[i]!;
  }
  for (const [distance, times] of distances) if (2 * times > total) strides.add(distance);
  strides.delete(1);
  return strides;
}
