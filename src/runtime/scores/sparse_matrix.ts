import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor1D, Tensor2D, Tensor3D} from '@tensorflow/tfjs-core';
import {isList, refuse, say} from '../../support/index.js';
import {oneLine, parsePattern, type Acsr} from '../../pure.js';
import {floats, shapeOf} from '../given/arguments.js';
import type {NumberArray} from '../given/number_array.js';
import {Host} from '../host/backend.js';
import {isOnCpu} from '../host/on_cpu.js';
import {SparseScores} from './sparse_scores.js';

/** A matrix as compressed sparse rows: row i has `values[offsets[i]]` to `values[offsets[i + 1] − 1]`, in `columns` of the same places, which ascend. */
export interface CompressedRows {
  readonly shape: readonly [rows: number, columns: number];
  /** [rows + 1] */
  readonly offsets: ArrayLike<number>;
  /** [nnz] */
  readonly columns: ArrayLike<number>;
  /** float32 [nnz] */
  readonly values: Tensor | NumberArray;
}

/** A matrix as coordinates: `values[i]` stands in `rows[i]` and `columns[i]`, in any order, each place once. */
export interface Coordinates {
  readonly shape: readonly [rows: number, columns: number];
  /** [nnz] */
  readonly rows: ArrayLike<number>;
  /** [nnz] */
  readonly columns: ArrayLike<number>;
  /** float32 [nnz] */
  readonly values: Tensor | NumberArray;
}

/**
 * A matrix of which only some numbers are there, [rows, columns]. `sparseMatrix` makes it; `spmm(matrix, dense)` multiplies by it.
 *
 * A value, not a tensor; its memory is that of `values`.
 */
export class SparseMatrix {
  readonly #scores: SparseScores;

  /** @internal Made by `sparseMatrix` and the methods below. */
  constructor(scores: SparseScores) {
    this.#scores = scores;
    packed.set(this, scores);
  }

  /** [rows, columns] */
  get shape(): [number, number] {
    const [, , rows, columns] = this.#scores.shape;
    return [rows, columns];
  }

  /** Whether rows and columns have changed places: `values`, `rowOffsets` and `columns` stay those of the matrix that was transposed. */
  get isTransposed(): boolean {
    return this.#scores.isTransposed;
  }

  get nnz(): number {
    return this.#scores.nnz;
  }

  /** float32 [1, 1, nnz], row by row. */
  get values(): Tensor3D {
    return this.#scores.values;
  }

  /** The numbers of row i are `rowOffsets[i]` to `rowOffsets[i + 1]`, of [rows + 1]. */
  get rowOffsets(): Int32Array {
    return this.#scores.rowOffsets;
  }

  /** The column of each number, [nnz]. */
  get columns(): Int32Array {
    return this.#scores.columns();
  }

  /** The same places with other numbers, float32 [nnz] or of the shape of `values`. */
  withValues(values: Tensor | NumberArray): SparseMatrix {
    return new SparseMatrix(this.#scores.withValues(packedNumbers(values, this.nnz)));
  }

  /** Rows and columns exchanged. No number moves, and both have the same `values`. */
  transpose(): SparseMatrix {
    return new SparseMatrix(this.#scores.transpose());
  }

  /** float32 [rows, columns], 0 where there is no number. */
  toDense(): Tensor2D {
    return tf.tidy(() => tf.reshape(this.#scores.toDense(), this.shape));
  }

  /** Releases `values`. */
  dispose(): void {
    this.values.dispose();
  }
}

const packed = new WeakMap<SparseMatrix, SparseScores>();

/** The numbers of a matrix as those of one head. */
export const scoresOfMatrix = (matrix: SparseMatrix): SparseScores => packed.get(matrix)!;

/**
 * A matrix of which only some numbers are there, of any places: for products with dense ones. (On WebGPU row by row; long rows are shared out.)
 *
 * ```js
 * const matrix = sparseMatrix({shape: [3, 4], offsets: [0, 2, 2, 3], columns: [0, 3, 1], values: [1, 2, 3]});
 * const product = spmm(matrix, tf.ones([4, 5])); // [3, 5]: rows of 3, 0 and 3
 * const back = spmm(matrix.transpose(), product); // [4, 5]
 * ```
 *
 * @param given Compressed rows, coordinates, or a dense matrix, whose numbers other than 0 count: nested arrays, or a tensor whose numbers
 *   the CPU has.
 * @throws SplatError when an argument is not as described, or a place is outside of the matrix or there twice.
 */
export function sparseMatrix(given: CompressedRows | Coordinates | Tensor | readonly (readonly number[])[]): SparseMatrix {
  if (given instanceof tf.Tensor || isList(given)) return ofDense(given as Tensor | NumberArray);
  if (typeof given !== 'object' || given === null || !('values' in given))
    return refuse('matrix', say(given), EXPECTED, 'Pass {shape, offsets, columns, values}.');
  const shape = checkShape(given.shape);
  if ('offsets' in given) {
    const rows = checkRows(shape, given);
    return make(shape, rows, packedNumbers(given.values, rows.columns.length));
  }
  if (!('rows' in given)) return refuse('matrix', say(given), EXPECTED, 'Pass rows beside columns, or offsets.');
  return ofCoordinates(shape, given);
}

const EXPECTED = 'compressed rows {shape, offsets, columns, values}, coordinates {shape, rows, columns, values}, or a dense matrix';

interface Places {
  readonly offsets: Int32Array;
  readonly columns: Int32Array;
}

/** Every number is a run of one key. */
function make([rows, columns]: readonly [number, number], {offsets, columns: start}: Places, values: Tensor): SparseMatrix {
  const ones = new Int32Array(start.length).fill(1);
  const acsr: Acsr = {
    ...{queryLength: rows, keyLength: columns, nnz: start.length, rowRuns: offsets, start, stride: ones, count: ones},
    ...{irregularRows: new Int32Array(0), bits: new Uint32Array(0)},
  };
  const sizes = {batch: 1, heads: 1, queryLength: rows, keyLength: columns, queryOffset: 0};
  // Nobody sees the pattern of a matrix.
  const table = {pattern: parsePattern('full()'), lines: oneLine(Object.freeze(acsr)), sizes};
  return new SparseMatrix(new SparseScores(table, values as Tensor3D));
}

/** As packed scores have them. */
function packedNumbers(given: Tensor | NumberArray, nnz: number): Tensor3D {
  return tf.tidy(() => {
    const values = floats('values', given);
    if (values.size !== nnz || (values.rank !== 1 && values.rank !== 3))
      refuse('values', `shape ${shapeOf(values)}`, `[${nnz}], a number for each place`, 'Give as many numbers as columns.');
    return tf.reshape(values as Tensor1D, [1, 1, nnz]);
  });
}

function checkShape(shape: unknown): readonly [number, number] {
  const isSize = (size: unknown): boolean => Number.isInteger(size) && (size as number) >= 0;
  if (!isList(shape) || shape.length !== 2 || !isSize(shape[0]) || !isSize(shape[1]))
    return refuse('matrix.shape', say(shape), '[rows, columns]', 'Pass the shape that the dense matrix would have.');
  return [shape[0] as number, shape[1] as number];
}

function checkRows([rows, columns]: readonly [number, number], given: CompressedRows): Places {
  const [offsets, own] = [integers('offsets', given.offsets), integers('columns', given.columns)];
  if (offsets.length !== rows + 1 || offsets[0] !== 0 || offsets[rows] !== own.length)
    refuse(
      'matrix.offsets',
      `${offsets.length} from ${offsets[0]} to ${offsets.at(-1)}`,
      `${rows + 1} from 0 to ${own.length}, the number of columns`,
      'Row i begins at offsets[i].',
    );
  for (let row = 0; row < rows; row++) {
    if (offsets[row]! > offsets[row + 1]!)
      refuse(
        'matrix.offsets',
        `${offsets[row]} and then ${offsets[row + 1]} at row ${row}`,
        'offsets that never descend',
        'Sort the rows.',
      );
    for (let at = offsets[row]!; at < offsets[row + 1]!; at++) {
      if (own[at]! < 0 || own[at]! >= columns)
        refuse('matrix.columns', `${own[at]} in row ${row}`, `0 to ${columns - 1}`, 'Check the shape.');
      if (at > offsets[row]! && own[at]! <= own[at - 1]!)
        refuse(
          'matrix.columns',
          `${own[at - 1]} and then ${own[at]} in row ${row}`,
          'columns that ascend, each once',
          'Pass coordinates {shape, rows, columns, values}, which may come in any order.',
        );
    }
  }
  return {offsets, columns: own};
}

function ofCoordinates(shape: readonly [number, number], given: Coordinates): SparseMatrix {
  const [rowCount, columnCount] = shape;
  const [rows, columns] = [integers('rows', given.rows), integers('columns', given.columns)];
  if (rows.length !== columns.length)
    return refuse(
      'matrix.rows',
      `${rows.length} of them`,
      `${columns.length}, as many as columns`,
      'Each number has a row and a column.',
    );
  const offsets = new Int32Array(rowCount + 1);
  rows.forEach((row, i) => {
    if (row < 0 || row >= rowCount || columns[i]! < 0 || columns[i]! >= columnCount)
      refuse('matrix', `number ${i} in row ${row}, column ${columns[i]}`, `a place of [${shape.join(', ')}]`, 'Check the shape.');
    offsets[row + 1]!++;
  });
  for (let row = 0; row < rowCount; row++) offsets[row + 1]! += offsets[row]!;
  const next = offsets.slice(0, rowCount);
  const order = new Int32Array(rows.length);
  rows.forEach((row, i) => (order[next[row]!++] = i));
  for (let row = 0; row < rowCount; row++) order.subarray(offsets[row], offsets[row + 1]).sort((a, b) => columns[a]! - columns[b]!);
  const sorted = order.map((i) => columns[i]!);
  const places = checkRows(shape, {...given, offsets, columns: twiceRefused(sorted, offsets)});
  const values = tf.tidy(() => {
    const own = packedNumbers(given.values, rows.length);
    return order.every((from, i) => from === i) ? own : tf.gather(own, tf.tensor1d(order, 'int32'), 2);
  });
  return make(shape, places, values);
}

function twiceRefused(columns: Int32Array, offsets: Int32Array): Int32Array {
  for (let row = 0; row + 1 < offsets.length; row++)
    for (let at = offsets[row]! + 1; at < offsets[row + 1]!; at++)
      if (columns[at] === columns[at - 1])
        refuse('matrix', `row ${row}, column ${columns[at]} twice`, 'each place once', 'Add the numbers of a place first.');
  return columns;
}

function ofDense(given: Tensor | NumberArray): SparseMatrix {
  const tensor = floats('matrix', given);
  if (tensor.rank !== 2) refuse('matrix', `shape ${shapeOf(tensor)}`, '[rows, columns]', 'Reshape it.');
  const host = Host.of(tf.backend());
  if (host !== null && !isOnCpu(host, tensor))
    refuse(
      'matrix',
      'a tensor on a device that answers later',
      'a tensor whose numbers the CPU has, or arrays',
      'Read it once: sparseMatrix(await tensor.array()).',
    );
  const [rows, columns] = tensor.shape as [number, number];
  const numbers = tensor.dataSync();
  if (tensor !== given) tensor.dispose();
  const places: number[] = [];
  const offsets = new Int32Array(rows + 1);
  for (let row = 0; row < rows; row++) {
    for (let at = row * columns; at < (row + 1) * columns; at++) if (numbers[at] !== 0) places.push(at);
    offsets[row + 1] = places.length;
  }
  const own = {offsets, columns: Int32Array.from(places, (at) => at % columns)};
  const values = Float32Array.from(places, (at) => numbers[at]!);
  return make([rows, columns], own, tf.tensor3d(values, [1, 1, values.length]));
}

function integers(name: string, given: unknown): Int32Array {
  if (!isList(given)) return refuse(`matrix.${name}`, say(given), 'an array of whole numbers', 'Pass an Int32Array.');
  const found = Int32Array.from(given as ArrayLike<number>);
  for (let i = 0; i < found.length; i++)
    if (found[i] !== given[i]) refuse(`matrix.${name}[${i}]`, say(given[i]), 'a whole number of 31 bits', 'Pass an Int32Array.');
  return found;
}
