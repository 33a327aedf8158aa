import {readBlockMask, type BlockMaskData, type BlockRows} from '../../pure.js';

/** A mask of one matrix in whatever form as compressed rows, which JSON holds. */
export function compressedMask(
  name: string,
  given: BlockMaskData,
  sizes: {readonly rows: number; readonly columns: number},
): BlockRows & {readonly offsets: readonly number[]; readonly columns: readonly number[]} {
  const {rows, words, bits} = readBlockMask(name, given, {...sizes, matrices: 1});
  const [offsets, columns]: [number[], number[]] = [[0], []];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < sizes.columns; column++)
      if (((bits[row * words + (column >>> 5)]! >>> (column & 31)) & 1) === 1) columns.push(column);
    offsets.push(columns.length);
  }
  return {rows, offsets, columns};
}
