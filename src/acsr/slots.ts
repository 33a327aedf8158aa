import type {Acsr} from './acsr.js';
import {countBits} from './bits.js';
import {Irregular, Runs} from './collect.js';
import {RunList} from './runs.js';

/** Where a cache keeps which token: the first `sinks` have slots of their own, those after them take turns in `ring` slots. */
export interface SlotLayout {
  readonly sinks: number;
  readonly ring: number;
}

/**
 * The slot of the token at `position`.
 *
 * @example
 * slotOf(13, {sinks: 4, ring: 8}); // 5: the second lap of the ring
 */
export function slotOf(position: number, {sinks, ring}: SlotLayout): number {
  return position < sinks ? position : sinks + ((position - sinks) % ring);
}

/** The token that `slot` holds once `length` tokens have been written, or a negative position when none has been yet. */
export function positionOf(slot: number, length: number, {sinks, ring}: SlotLayout): number {
  if (slot < sinks) return slot < length ? slot : -1;
  const newest = length - 1 - sinks;
  const lap = Math.floor((newest - (slot - sinks)) / ring);
  return lap < 0 ? -1 : slot + lap * ring;
}

/**
 * The same rows over slots instead of positions, keyLength = sinks + ring. All keys of all rows must be held: of those past the sinks no
 * two share a slot. A run that stays inside the sinks or inside one lap of the ring remains one run; others are cut there.
 */
export function toSlots(acsr: Acsr, layout: SlotLayout): Acsr {
  const {queryLength, rowRuns, start, stride, count} = acsr;
  const keyLength = layout.sinks + layout.ring;
  const runs = new Runs();
  const row = new RunList();
  const rowEnds = new Int32Array(queryLength + 1);
  let irregular: Irregular | undefined; // made for the first row that needs it: it holds memory for a row of bits
  let nextBits = 0;
  let nnz = 0;
  for (let query = 0; query < queryLength; query++) {
    let list = row.clear();
    for (let r = rowRuns[query]!; r < rowRuns[query + 1]!; r++) moveRun(start[r]!, stride[r]!, count[r]!, layout, row);
    row.tidy();
    const bitsRow = acsr.irregularRows[nextBits] === query ? nextBits++ : -1;
    if (bitsRow >= 0 || row.overflow) {
      const bits = (_: number, words: Uint32Array): void =>
        bitsRow >= 0 ? moveBits(acsr, bitsRow, layout, words) : moveKeys(acsr, query, layout, words);
      irregular ??= new Irregular(keyLength, queryLength);
      list = irregular.settle(query, query, {intervals: false, runs: () => row, bits});
    }
    nnz += runs.add(list);
    rowEnds[query + 1] = runs.length;
  }
  irregular ??= new Irregular(0, 0);
  return Object.freeze({
    queryLength,
    keyLength,
    nnz: nnz + irregular.nnz,
    rowRuns: rowEnds,
    ...runs.finish(),
    ...irregular.finish(),
  });
}

/** The rows `first ≤ q < first + count`, and behind them rows without keys, `queryLength` in all. */
export function cutRows(acsr: Acsr, first: number, count: number, queryLength = count): Acsr {
  const {rowRuns, irregularRows} = acsr;
  const [begin, end] = [rowRuns[first]!, rowRuns[first + count]!];
  const own = {
    rowRuns: new Int32Array(queryLength + 1),
    start: acsr.start.slice(begin, end),
    stride: acsr.stride.slice(begin, end),
    count: acsr.count.slice(begin, end),
  };
  for (let row = 1; row <= queryLength; row++) own.rowRuns[row] = rowRuns[first + Math.min(row, count)]! - begin;
  const before = (query: number): number => irregularRows.findLastIndex((row) => row < query) + 1;
  const [from, to] = irregularRows.length === 0 ? [0, 0] : [before(first), before(first + count)];
  const wordsPerRow = irregularRows.length === 0 ? 0 : acsr.bits.length / irregularRows.length;
  const bits = acsr.bits.slice(from * wordsPerRow, to * wordsPerRow);
  let nnz = countBits(bits);
  for (let run = 0; run < own.count.length; run++) nnz += own.count[run]!;
  const rows = irregularRows.slice(from, to).map((row) => row - first);
  return Object.freeze({queryLength, keyLength: acsr.keyLength, nnz, ...own, irregularRows: rows, bits});
}

/** All rows `times` over: row g·queryLength + i is row i. */
export const repeatRows = (acsr: Acsr, times: number): Acsr => stackRows(Array.from({length: times}, () => acsr));

/** The rows of each below those of the one before: row g·queryLength + i is row i of number g. */
export function stackRows(parts: readonly Acsr[]): Acsr {
  const {queryLength, keyLength} = parts[0]!;
  const sum = (of: (acsr: Acsr) => number): number => parts.reduce((total, acsr) => total + of(acsr), 0);
  const runs = sum(({start}) => start.length);
  const stacked = {
    queryLength: queryLength * parts.length,
    keyLength,
    nnz: sum(({nnz}) => nnz),
    rowRuns: new Int32Array(queryLength * parts.length + 1),
    start: new Int32Array(runs),
    stride: new Int32Array(runs),
    count: new Int32Array(runs),
    irregularRows: new Int32Array(sum(({irregularRows}) => irregularRows.length)),
    bits: new Uint32Array(sum(({bits}) => bits.length)),
  };
  let [run, row, irregular, word] = [0, 0, 0, 0];
  for (const acsr of parts) {
    for (let i = 1; i <= queryLength; i++) stacked.rowRuns[row + i] = run + acsr.rowRuns[i]!;
    for (const name of ['start', 'stride', 'count'] as const) stacked[name].set(acsr[name], run);
    for (const query of acsr.irregularRows) stacked.irregularRows[irregular++] = row + query;
    stacked.bits.set(acsr.bits, word);
    run += acsr.start.length;
    row += queryLength;
    word += acsr.bits.length;
  }
  return Object.freeze(stacked);
}

/** Appends the slots of one run, a piece for the sinks and for each lap. */
function moveRun(start: number, stride: number, count: number, {sinks, ring}: SlotLayout, out: RunList): void {
  let first = start;
  for (let left = count; left > 0;) {
    const lap = first < sinks ? 0 : Math.floor((first - sinks) / ring) * ring;
    const end = first < sinks ? sinks : sinks + lap + ring;
    const inside = Math.min(left, Math.ceil((end - first) / stride));
    out.add(first - lap, stride, inside);
    if (out.overflow) return;
    first += stride * inside;
    left -= inside;
  }
}

function moveKeys({rowRuns, start, stride, count}: Acsr, query: number, layout: SlotLayout, words: Uint32Array): void {
  words.fill(0);
  for (let r = rowRuns[query]!; r < rowRuns[query + 1]!; r++) {
    for (let i = 0; i < count[r]!; i++) setBit(words, slotOf(start[r]! + stride[r]! * i, layout));
  }
}

function moveBits({bits, irregularRows}: Acsr, row: number, layout: SlotLayout, words: Uint32Array): void {
  words.fill(0);
  const wordsPerRow = bits.length / irregularRows.length;
  for (let w = 0; w < wordsPerRow; w++) {
    for (let rest = bits[row * wordsPerRow + w]!; rest !== 0; rest &= rest - 1) {
      setBit(words, slotOf(32 * w + 31 - Math.clz32(rest & -rest), layout));
    }
  }
}

const setBit = (words: Uint32Array, bit: number): void => void (words[bit >>> 5]! |= 1 << (bit & 31));
