import type {Acsr} from '../../src/pure.js';
import {forEachSpan, keyOfSpan, rowOfItem} from '../../src/plan/index.js';
import type {Plan} from '../../src/pure.js';

/** A picture of pairs: `side` × `side` cells of `size` × `size` pairs each, queries down, keys across. */
export interface Grid {
  readonly size: number;
  readonly side: number;
}

/** Cells of a picture. The last ones of a length that is no multiple hold fewer pairs. */
export function gridOf(length: number, most = 512): Grid {
  const size = Math.ceil(length / most);
  return {size, side: Math.ceil(length / size)};
}

/** Pairs of each cell that attend, [side · side], row-major: exact, without a dense mask. */
export function countPairs(acsr: Acsr, grid: Grid): Float64Array {
  const {queryLength, keyLength, rowRuns, start, stride, count, irregularRows, bits} = acsr;
  const pairs = new Float64Array(grid.side ** 2);
  for (let query = 0; query < queryLength; query++) {
    const at = Math.floor(query / grid.size) * grid.side;
    for (let run = rowRuns[query]!; run < rowRuns[query + 1]!; run++) {
      addProgression(pairs, at, grid.size, {first: start[run]!, stride: stride[run]!, count: count[run]!, weight: 1});
    }
  }
  const words = Math.ceil(keyLength / 32);
  irregularRows.forEach((query, row) => {
    const at = Math.floor(query / grid.size) * grid.side;
    if (grid.size % 32 === 0) {
      // A word lies in one cell: a long irregular mask has half a gigabit.
      for (let word = 0; word < words; word++) pairs[at + Math.floor((32 * word) / grid.size)]! += ones(bits[row * words + word]!);
      return;
    }
    for (let key = 0; key < keyLength; key++) {
      pairs[at + Math.floor(key / grid.size)]! += (bits[row * words + (key >>> 5)]! >>> (key & 31)) & 1;
    }
  });
  return pairs;
}

function ones(word: number): number {
  let rest = word;
  let count = 0;
  for (; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Pairs of each cell that the kernel computes, and those of them in full tiles. */
export function countVisits(plan: Plan, grid: Grid): {readonly computed: Float64Array; readonly full: Float64Array} {
  const computed = new Float64Array(grid.side ** 2);
  const full = new Float64Array(grid.side ** 2);
  if (plan.implementation === 'dense') return {computed: everything(plan, grid), full};
  forEachSpan(plan, (item, span, {kinds}, from, to) => {
    const {firstKey, keyStride, begin, end, fullBegin, fullEnd} = span;
    const rows = new Map<number, number>();
    for (let x = from; x < to; x++) {
      const row = Math.floor(rowOfItem(plan, kinds, item, x) / grid.size);
      rows.set(row, (rows.get(row) ?? 0) + 1);
    }
    if (kinds.keys === 'list') {
      for (let y = begin; y < end; y++) {
        const column = Math.floor(keyOfSpan(plan, kinds, span, y) / grid.size);
        for (const [row, weight] of rows) {
          computed[row * grid.side + column]! += weight;
          if (y >= fullBegin && y < fullEnd) full[row * grid.side + column]! += weight;
        }
      }
      return;
    }
    const range = (from: number, to: number): Omit<Progression, 'weight'> => ({
      first: firstKey + keyStride * from,
      stride: keyStride,
      count: Math.max(0, to - from),
    });
    for (const [row, weight] of rows) {
      addProgression(computed, row * grid.side, grid.size, {...range(begin, end), weight});
      addProgression(full, row * grid.side, grid.size, {...range(Math.max(begin, fullBegin), Math.min(end, fullEnd)), weight});
    }
  });
  return {computed, full};
}

function everything({problem}: Plan, {size, side}: Grid): Float64Array {
  const inside = (cell: number, length: number): number => Math.min(size, length - cell * size);
  return Float64Array.from(
    {length: side ** 2},
    (_, cell) => inside(Math.floor(cell / side), problem.queryLength) * inside(cell % side, problem.keyLength),
  );
}

/** Keys `first + stride·i, i < count`, each counting `weight`. */
interface Progression {
  readonly first: number;
  readonly stride: number;
  readonly count: number;
  readonly weight: number;
}

function addProgression(cells: Float64Array, at: number, size: number, {first, stride, count, weight}: Progression): void {
  if (stride >= size) {
    for (let i = 0; i < count; i++) cells[at + Math.floor((first + stride * i) / size)]! += weight;
    return;
  }
  // Several keys a cell: the last i of each follows from where the cell ends.
  for (let i = 0; i < count;) {
    const cell = Math.floor((first + stride * i) / size);
    const end = Math.min(count, Math.floor(((cell + 1) * size - 1 - first) / stride) + 1);
    cells[at + cell]! += weight * (end - i);
    i = end;
  }
}
