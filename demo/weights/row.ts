import type {LayerWeights} from '../language_model/index.js';

/** A byte that another one looks at, and how much. */
export interface Look {
  readonly key: number;
  readonly weight: number;
}

/** What a byte looks at, keys ascending. */
export function looksOf({values, nnz, rowOffsets, columns}: LayerWeights, head: number, query: number): Look[] {
  const looks: Look[] = [];
  for (let at = rowOffsets[query]!; at < rowOffsets[query + 1]!; at++)
    looks.push({key: columns[at]!, weight: values[head * nnz + at]!});
  return looks;
}

/** The weights of a head as a picture of `length` squared: each beside the largest of its row, so that rows of many keys are seen too. */
export function pictureOf(layer: LayerWeights, head: number, length: number): Float64Array {
  const cells = new Float64Array(length ** 2);
  for (let query = 0; query < length; query++) {
    const looks = looksOf(layer, head, query);
    const most = Math.max(...looks.map(({weight}) => weight));
    for (const {key, weight} of looks) cells[query * length + key] = weight / most;
  }
  return cells;
}

/** Over how many bytes the weight is spread: 2 to the power of its entropy. 1 is one byte, and n bytes that have equal weights are n. */
export function spreadOf(looks: readonly Look[]): number {
  return 2 ** -looks.reduce((sum, {weight}) => sum + (weight > 0 ? weight * Math.log2(weight) : 0), 0);
}

/** A byte as one reads it. */
export function nameOf(byte: number): string {
  const named: Readonly<Record<number, string>> = {9: '⇥', 10: '↵', 13: '␍', 32: '␣'};
  return named[byte] ?? (byte > 32 && byte < 127 ? String.fromCharCode(byte) : `0x${byte.toString(16).padStart(2, '0')}`);
}
