import type {Features, PackedLaunches, PackedLists, Problem} from '../../src/pure.js';
import {
  columnsOf,
  generatePackedProduct,
  generatePackedScores,
  generatePackedSoftmax,
  generateSoftmaxGradient,
  packLists,
  PLAIN,
} from '../../src/pure.js';

const ROWS = 40;

/** Lists of rows of which all but one have `length` numbers, and one `longest`; `lines` have tables of their own. */
export function packedTable(length: number, longest: number, limit = Infinity, lines = 1, transposed = false): PackedLists {
  const offsets = Int32Array.from({length: ROWS + 1}, (_, row) => row * length + (row > 20 ? longest - length : 0));
  const columns = Int32Array.from({length: offsets.at(-1)!}, (_, i) => (7 * i) % ROWS);
  const table = transposed ? columnsOf(offsets, columns, ROWS) : {offsets, columns};
  return packLists(
    Array.from({length: lines}, () => table),
    Array.from({length: lines}, (_, line) => line),
    limit,
  );
}

const problemOf = (headDim: number): Problem => ({
  ...{batch: 1, heads: 2, keyHeads: 1, packedHeads: 1, headDim, valueDim: headDim},
  ...{queryLength: ROWS, keyLength: ROWS, queryOffset: 0},
});

export const scoresOf = (lists: PackedLists, headDim: number, features: Features = PLAIN): PackedLaunches =>
  generatePackedScores(lists, problemOf(headDim), features);

export const weightsOf = (lists: PackedLists, headDim: number, sinks: boolean, features: Features = PLAIN): PackedLaunches =>
  generatePackedScores(lists, problemOf(headDim), features, {sinks});

export const productOf = (lists: PackedLists, dim: number, zeroHides = false): PackedLaunches =>
  generatePackedProduct(lists, {
    ...{batch: 1, heads: 2, dim, headGroup: 1, scale: 1, zeroHides, unroll: 8},
    xStrides: [2 * ROWS, ROWS, 1],
    outputStrides: [2 * ROWS, ROWS, 1],
  });

export const softmaxOf = (lists: PackedLists, sinks: boolean): PackedLaunches =>
  generatePackedSoftmax(lists, {batch: 1, heads: 2, sinks});

export const softmaxGradientOf = (lists: PackedLists, sinks: boolean): PackedLaunches =>
  generateSoftmaxGradient(lists, {batch: 1, heads: 2, sinks});

/** Launches of all kinds: every length of rows that lanes share in another way, lines alike or not, rows cut or not, features of all remainders. */
export function* everyPacked(everything: Features): Generator<PackedLaunches> {
  for (const lines of [1, 2]) {
    for (const longest of [0, 3, 16, 50, 100, 513, 700, 3000])
      for (const sinks of [false, true])
        for (const length of [0, longest]) {
          yield softmaxOf(packedTable(length, longest, Infinity, lines), sinks);
          yield softmaxGradientOf(packedTable(length, longest, Infinity, lines), sinks);
        }
    for (const longest of [3, 20, 256])
      for (const sinks of [false, true]) {
        yield weightsOf(packedTable(2, longest, Infinity, lines), 64, sinks);
        yield weightsOf(packedTable(2, longest, Infinity, lines), 21, sinks, everything);
      }
    for (const limit of [Infinity, 64]) {
      const table = packedTable(4, 300, limit, lines);
      for (const dim of [1, 3, 4, 8, 21, 30, 64, 100, 256, 300]) {
        for (const transposed of [false, true]) yield productOf(packedTable(4, 300, limit, lines, transposed), dim, transposed);
        yield scoresOf(table, dim);
        yield scoresOf(table, dim, everything);
      }
    }
  }
}
