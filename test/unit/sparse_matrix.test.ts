import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {sparseMatrix, spmm} from '../../src/index.js';
import {refusal} from '../support/errors.js';
import {specifyMatrices} from '../support/matrix_products.js';

describe('sparse matrices', () => {
  beforeAll(() => tf.setBackend('cpu'));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  specifyMatrices(1e-6);

  it('leave nothing behind', () => {
    const before = tf.memory().numTensors;
    const matrix = sparseMatrix([
      [0, 1],
      [2, 0],
    ]);
    expect(tf.memory().numTensors).toBe(before + 1);
    const output = spmm(matrix, [[1], [10]]);
    expect([...output.dataSync()]).toEqual([10, 2]);
    tf.dispose([output, matrix.values]);
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before + 1);
  });

  it('refuse what is none', () => {
    const given = {shape: [2, 3], offsets: [0, 1, 2], columns: [0, 2], values: [1, 2]} as const;
    const of = (changes: object): string => refusal(() => sparseMatrix({...given, ...changes})).message;
    expect(refusal(() => sparseMatrix(5 as never)).message).toMatch(
      /^matrix: found 5, expected compressed rows .*, coordinates .*, or a dense matrix\./,
    );
    expect(of({shape: [2]})).toMatch(/^matrix\.shape: found .*, expected \[rows, columns\]/);
    expect(of({offsets: [0, 1]})).toMatch(/^matrix\.offsets: found 2 from 0 to 1, expected 3 from 0 to 2/);
    expect(of({offsets: [0, 3, 2]})).toMatch(/^matrix\./);
    expect(of({columns: [0, 3]})).toMatch(/^matrix\.columns: found 3 in row 1, expected 0 to 2/);
    expect(of({offsets: [0, 2, 2], columns: [2, 0]})).toMatch(
      /found 2 and then 0 in row 0, expected columns that ascend, each once\. .*coordinates/,
    );
    expect(of({columns: [0, 1.5]})).toMatch(/^matrix\.columns\[1\]: found 1\.5, expected a whole number/);
    expect(of({values: [1]})).toMatch(/^values: found shape \[1\], expected \[2\]/);
    const coordinates = {shape: [2, 3], rows: [0, 0], columns: [1, 1], values: [1, 2]} as const;
    expect(refusal(() => sparseMatrix(coordinates)).message).toMatch(
      /^matrix: found row 0, column 1 twice, expected each place once/,
    );
    expect(refusal(() => sparseMatrix({...coordinates, rows: [0]})).message).toMatch(/^matrix\.rows: found 1 of them, expected 2/);
    expect(refusal(() => sparseMatrix({...coordinates, rows: [0, 2]})).message).toMatch(
      /found number 1 in row 2, column 1, expected a place of \[2, 3\]/,
    );
    expect(refusal(() => sparseMatrix(tf.ones([2, 2, 2]))).message).toMatch(
      /^matrix: found shape \[2, 2, 2\], expected \[rows, columns\]/,
    );
    expect(refusal(() => spmm(sparseMatrix(given), tf.ones([4, 2]))).message).toMatch(
      /^dense: found shape \[4, 2\], expected \[3, n\]/,
    );
  });
});
