import {ceilDiv} from '../support/index.js';
import type {Acsr} from './acsr.js';
import {countBits} from './bits.js';

/**
 * Where the pairs of each row lie when they are packed, row by row: [queryLength + 1], of compressed sparse rows. Pair number `i` of row q,
 * its keys ascending, is number `offsets[q] + i` of all.
 */
export function rowOffsets({queryLength, keyLength, rowRuns, count, irregularRows, bits}: Acsr): Int32Array {
  const offsets = new Int32Array(queryLength + 1);
  for (let query = 0; query < queryLength; query++) {
    let keys = 0;
    for (let run = rowRuns[query]!; run < rowRuns[query + 1]!; run++) keys += count[run]!;
    offsets[query + 1] = keys;
  }
  const wordsPerRow = ceilDiv(keyLength, 32);
  irregularRows.forEach((query, index) => {
    offsets[query + 1] = countBits(bits.subarray(index * wordsPerRow, (index + 1) * wordsPerRow));
  });
  for (let query = 0; query < queryLength; query++) offsets[query + 1]! += offsets[query]!;
  return offsets;
}

/** The key of each pair of the rows `from ≤ q < end`, in the order of `rowOffsets`; of all rows [nnz]. */
export function packedKeys(acsr: Acsr, from = 0, end = acsr.queryLength): Int32Array {
  const {keyLength, rowRuns, start, stride, count, irregularRows, bits} = acsr;
  const wordsPerRow = ceilDiv(keyLength, 32);
  let irregular = irregularRows.findIndex((query) => query >= from);
  let size = 0;
  for (let run = rowRuns[from]!; run < rowRuns[end]!; run++) size += count[run]!;
  if (irregular >= 0)
    for (let index = irregular; irregularRows[index]! < end; index++)
      size += countBits(bits.subarray(index * wordsPerRow, (index + 1) * wordsPerRow));
  const keys = new Int32Array(size);
  let to = 0;
  for (let query = from; query < end; query++) {
    const ofRow = to;
    const [first, last] = [rowRuns[query]!, rowRuns[query + 1]!];
    for (let run = first; run < last; run++) {
      const [begin, step, keysOfRun] = [start[run]!, stride[run]!, count[run]!];
      for (let i = 0; i < keysOfRun; i++) keys[to++] = begin + step * i;
    }
    // Runs ascend by their first keys alone, and two of different strides may mesh.
    if (last - first > 1) keys.subarray(ofRow, to).sort();
    if (irregular < 0 || irregularRows[irregular] !== query) continue;
    const row = irregular++ * wordsPerRow;
    for (let word = 0; word < wordsPerRow; word++)
      for (let rest = bits[row + word]!; rest !== 0; rest &= rest - 1) keys[to++] = 32 * word + 31 - Math.clz32(rest & -rest);
  }
  return keys;
}
