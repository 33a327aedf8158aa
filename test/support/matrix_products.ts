// Specs of sparse matrices that every backend has to pass. Importers need the gradients of tf ops: '@tensorflow/tfjs'.
import * as tf from '@tensorflow/tfjs-core';
import {sparseMatrix, spmm, type SparseMatrix} from '../../src/index.js';
import {expectWithin, mulberry32} from '../oracle.js';

interface RandomMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly n: number;
  readonly density: number;
}

/** One row of all columns, one of none, others of a few. */
const CASES: readonly RandomMatrix[] = [
  {rows: 7, columns: 150, n: 6, density: 0.1},
  {rows: 33, columns: 5, n: 1, density: 0.5},
  {rows: 3, columns: 4, n: 5, density: 0},
];

function drawn({rows, columns, density}: RandomMatrix, seed: number): number[][] {
  const random = mulberry32(seed);
  return Array.from({length: rows}, (_, row) =>
    Array.from({length: columns}, () => (row === 1 || (row !== 2 && random() < density) ? 2 * random() - 1 : 0)),
  );
}

/** Products of a matrix and of its transposed one, with the gradients of both, against float64. */
async function expectMatrix(
  matrix: SparseMatrix,
  numbers: readonly (readonly number[])[],
  n: number,
  limit: number,
): Promise<void> {
  const random = mulberry32(3);
  for (const own of [matrix, matrix.transpose()]) {
    const [rows, columns] = own.shape;
    const at = (row: number, column: number): number => (own.isTransposed ? numbers[column]![row]! : numbers[row]![column]!);
    const draw = (shape: [number, number]): tf.Tensor2D =>
      tf.tensor2d(
        Float32Array.from({length: shape[0] * shape[1]}, () => 2 * random() - 1),
        shape,
      );
    const [x, back] = [draw([columns, n]), draw([rows, n])];
    const product = (values: tf.Tensor, dense: tf.Tensor): tf.Tensor => spmm(own.withValues(values), dense);
    const [dValues, dX] = tf.grads(product)([own.values, x], back) as [tf.Tensor, tf.Tensor];
    const [given, up] = [await x.data(), await back.data()];
    const [sums, ofX] = [new Float64Array(rows * n), new Float64Array(columns * n)];
    const ofValues: number[] = [];
    const places = numbers.flatMap((line, i) => line.flatMap((number, j) => (number === 0 ? [] : [[i, j] as const])));
    for (const [i, j] of places) {
      const [row, column] = own.isTransposed ? [j, i] : [i, j];
      let dot = 0;
      for (let d = 0; d < n; d++) {
        sums[row * n + d]! += at(row, column) * given[column * n + d]!;
        ofX[column * n + d]! += at(row, column) * up[row * n + d]!;
        dot += up[row * n + d]! * given[column * n + d]!;
      }
      ofValues.push(dot);
    }
    const output = spmm(own, x);
    expect(output.shape).toEqual([rows, n]);
    expectWithin(await output.data(), sums, limit, 'product');
    expectWithin(await dX.data(), ofX, limit, 'gradient of the dense matrix');
    expectWithin(await dValues.data(), ofValues, limit, 'gradient of the numbers');
  }
}

export function specifyMatrices(limit: number): void {
  for (const each of CASES)
    it(`products of [${each.rows}, ${each.columns}], however it is given`, async () => {
      tf.engine().startScope();
      const numbers = drawn(each, 1);
      const shape = [each.rows, each.columns] as const;
      const columns = numbers.flatMap((line) => line.flatMap((number, j) => (number === 0 ? [] : [j])));
      const values = Float32Array.from(numbers.flat().filter((number) => number !== 0));
      const rows = numbers.flatMap((line, i) => line.flatMap((number) => (number === 0 ? [] : [i])));
      const offsets = numbers.map((_, i) => rows.filter((row) => row < i).length);
      const compressed = sparseMatrix({shape, offsets: [...offsets, rows.length], columns, values});
      await expectMatrix(compressed, numbers, each.n, limit);
      expectWithin(await compressed.toDense().data(), numbers.flat(), 1e-6);
      const order = rows.map((_, i) => i).sort((a, b) => ((7 * a) % 5) - ((7 * b) % 5));
      const scattered = sparseMatrix({
        shape,
        ...{rows: order.map((i) => rows[i]!), columns: order.map((i) => columns[i]!)},
        values: tf.tensor1d(order.map((i) => values[i]!)),
      });
      for (const other of [scattered, sparseMatrix(numbers), sparseMatrix(tf.tensor2d(numbers))]) {
        expect([other.shape, [...other.rowOffsets], [...other.columns]]).toEqual([[...shape], [...compressed.rowOffsets], columns]);
        expect(await other.values.data()).toEqual(values);
      }
      tf.engine().endScope();
    });
}
