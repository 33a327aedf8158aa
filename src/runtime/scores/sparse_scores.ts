import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D, Tensor4D} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import {packedKeys, rowsAt, type Acsr, type Lines, type Pattern} from '../../pure.js';
import {checkAlive, floats, shapeOf} from '../given/arguments.js';
import type {NumberArray} from '../given/number_array.js';
import {offsetsOf, unpacked} from './packing.js';

/** What a table of scores is of. */
export interface ScoreSizes {
  readonly batch: number;
  readonly heads: number;
  readonly queryLength: number;
  readonly keyLength: number;
  readonly queryOffset: number;
}

/** All but the values, which tables of one call share. */
export interface ScoreTable {
  readonly pattern: Pattern;
  readonly lines: Lines;
  readonly sizes: ScoreSizes;
}

/**
 * One number for each pair that a pattern lets attend: scores, or weights. Compressed sparse rows: those of query 0 come first, the keys of
 * a row ascend. `sddmm` and `attentionWeights` make them.
 *
 * ```js
 * const weights = attentionWeights(query, key, slidingWindow({left: 128}));
 * const [head, row] = [3, 500];
 * const [from, end] = [weights.rowOffsets[row], weights.rowOffsets[row + 1]];
 * const own = tf.slice(weights.values, [0, head, from], [1, 1, end - from]); // [1, 1, 129]
 * ```
 *
 * A value, not a tensor; its memory is that of `values`, so `tf.tidy` keeps it where it is returned and frees it where it is not.
 */
export class SparseScores {
  /** float32 [batch, heads, nnz]. Where heads or sequences have patterns of their own, nnz is that of the largest, and zeros follow the numbers of the others. */
  readonly values: Tensor3D;
  readonly #isTransposed: boolean;

  /** @internal Made by `sddmm`, `attentionWeights` and the methods below. */
  constructor(table: ScoreTable, values: Tensor3D, isTransposed = false) {
    tables.set(this, table);
    this.values = values;
    this.#isTransposed = isTransposed;
  }

  /** Who attends to whom. */
  get pattern(): Pattern {
    return tableOf(this).pattern;
  }

  /** Whether columns and rows have changed places: `values`, `rowOffsets` and `columns` stay those of the table that was transposed. */
  get isTransposed(): boolean {
    return this.#isTransposed;
  }

  /** That of the table as a dense one: [batch, heads, queryLength, keyLength], the last two exchanged once it is transposed. */
  get shape(): [number, number, number, number] {
    const {batch, heads, queryLength, keyLength} = tableOf(this).sizes;
    return this.#isTransposed ? [batch, heads, keyLength, queryLength] : [batch, heads, queryLength, keyLength];
  }

  /** Numbers of a head. */
  get nnz(): number {
    return this.values.shape[2];
  }

  /** The numbers of query q are `rowOffsets[q]` to `rowOffsets[q + 1]`, of [queryLength + 1]; of head 0 of sequence 0, see `rowOffsetsOf`. */
  get rowOffsets(): Int32Array {
    return this.rowOffsetsOf();
  }

  /** The same of a head of a sequence, which matters for patterns that differ from head to head. */
  rowOffsetsOf(batch = 0, head = 0): Int32Array {
    return offsetsOf(this.#rowsOf(batch, head));
  }

  /** The key of each number, [nnz], of a head of a sequence. Written out when it is asked for: patterns need no such list. */
  columns(batch = 0, head = 0): Int32Array {
    return packedKeys(this.#rowsOf(batch, head));
  }

  #rowsOf(batch: number, head: number): Acsr {
    const {lines, sizes} = tableOf(this);
    for (const [name, found, count] of [
      ['batch', batch, sizes.batch],
      ['head', head, sizes.heads],
    ] as const)
      if (!Number.isInteger(found) || found < 0 || found >= count)
        refuse(name, String(found), `a whole number from 0 to ${count - 1}`, 'Leave it out where all have one pattern.');
    return rowsAt(lines, batch, head);
  }

  /**
   * All pairs, those that do not attend as `fill`: float32 of `shape`. It takes the memory that the packed form does without.
   *
   * @param fill Default 0; −Infinity suits scores.
   */
  toDense(fill = 0): Tensor4D {
    if (typeof fill !== 'number') refuse('fill', String(fill), 'a number', 'Leave it out for 0.');
    checkAlive('values', this.values);
    return tf.tidy(() => {
      const {queryLength, keyLength} = tableOf(this).sizes;
      const all = {rowBegin: 0, rowEnd: queryLength, keyBegin: 0, keyEnd: keyLength};
      const dense = unpacked(this.values, tableOf(this).lines, all, fill);
      return this.#isTransposed ? tf.transpose(dense, [0, 1, 3, 2]) : dense;
    });
  }

  /**
   * The same pairs with other numbers, as a function of your own makes them.
   *
   * ```js
   * const squared = scores.withValues(tf.square(scores.values));
   * ```
   *
   * @param values float32 of the shape of `values`, or other scores of equal pairs.
   * @throws SplatError when the shape is another, or a pair is only in one of both.
   */
  withValues(values: Tensor | NumberArray | SparseScores): SparseScores {
    if (values instanceof SparseScores) {
      this.#checkSamePairs(values);
      return this.withValues(values.values);
    }
    const tensor = floats('values', values);
    if (tensor.shape.join() !== this.values.shape.join())
      refuse(
        'values',
        `shape ${shapeOf(tensor)}`,
        `${shapeOf(this.values)}, [batch, heads, nnz]`,
        'Take them from scores of the same pattern and lengths.',
      );
    return new SparseScores(tableOf(this), tensor as Tensor3D, this.#isTransposed);
  }

  #checkSamePairs(other: SparseScores): void {
    const [own, its] = [tableOf(this), tableOf(other)];
    const [shape, found] = [this.shape.join(', '), other.shape.join(', ')];
    const cure = 'Make both from one pattern.';
    if (found !== shape || other.#isTransposed !== this.#isTransposed)
      refuse('values', `scores of [${found}]${other.#isTransposed ? ', transposed' : ''}`, `of [${shape}]`, cure);
    if (own.lines === its.lines || (own.pattern === its.pattern && own.sizes.queryOffset === its.sizes.queryOffset)) return;
    const row = firstDifference(own.lines, its.lines, own.sizes);
    if (row === null) return;
    refuse('values', `scores of ${String(its.pattern)}`, `of ${String(own.pattern)}, from which ${row} differs`, cure);
  }

  /**
   * Queries and keys exchanged, as a product with the other factor needs it: `spmm(weights.transpose(), x)`. No number moves, and both
   * have the same `values`.
   */
  transpose(): SparseScores {
    return new SparseScores(tableOf(this), this.values, !this.#isTransposed);
  }

  /** Releases `values`. */
  dispose(): void {
    this.values.dispose();
  }
}

const tables = new WeakMap<SparseScores, ScoreTable>();

/** All but the values. */
export const tableOf = (scores: SparseScores): ScoreTable => tables.get(scores)!;

/** `row 3 of head 1` */
function firstDifference(a: Lines, b: Lines, {batch, heads}: ScoreSizes): string | null {
  for (let line = 0; line < batch * heads; line++) {
    const [sequence, head] = [Math.floor(line / heads), line % heads];
    const [x, y] = [rowsAt(a, sequence, head), rowsAt(b, sequence, head)];
    if (x === y) continue;
    const [own, its] = [offsetsOf(x), offsetsOf(y)];
    const [ownKeys, itsKeys] = [packedKeys(x), packedKeys(y)];
    for (let row = 0; row + 1 < own.length; row++) {
      const size = own[row + 1]! - own[row]!;
      let same = size === its[row + 1]! - its[row]!;
      for (let i = 0; same && i < size; i++) same = ownKeys[own[row]! + i] === itsKeys[its[row]! + i];
      if (!same) return a.heads === 1 && b.heads === 1 ? `row ${row}` : `row ${row} of head ${head}`;
    }
  }
  return null;
}
