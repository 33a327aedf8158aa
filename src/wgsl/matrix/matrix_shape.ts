import {paddedRow, REGULAR, type Formats, type Kinds, type MatrixConfig, type Work} from '../../plan/index.js';
import type {Region} from '../tile/flow.js';
import type {Features} from '../text/features.js';
import {PLAIN} from '../terms/terms.js';
import {operandAccess, rowAccess, type RowAccess} from '../text/row_access.js';

/** Everything the text of the tensor-core kernel depends on. A subgroup owns as many rows as it has lanes: one lane, one row. */
export interface MatrixShape {
  readonly headDim: number;
  readonly valueDim: number;
  readonly subgroups: number;
  readonly lanes: number;
  /** Keys of a tile. */
  readonly keys: number;
  readonly matrix: MatrixConfig;
  readonly formats: Formats;
  readonly kinds: Kinds;
  readonly bias: boolean;
  readonly lengths: boolean;
  /** Finds the maximum of each row in a pass of its own, and computes only what the first kernel gave up. */
  readonly exact: boolean;
  /** The last tile of a span, too, computes scores of a next one: no branch, more registers. */
  readonly eager: boolean;
  /** Units of 16 bytes in a row of keys and of values. */
  readonly keyUnits: number;
  readonly valueUnits: number;
  readonly regions: {readonly slices: Region; readonly key: Region; readonly value: Region};
  readonly memory: number;
}

/**
 * Units between rows of a slice. A row is 16 scores, four units; the fifth keeps lanes that read a row each off one another's banks
 * (H200, 2026-11-20: 5 units beat 6, causal n = 16384 1.34 against 1.46 ms).
 */
export const SLICE_STRIDE = 5;

export function matrixShape(
  plan: Work,
  matrix: MatrixConfig,
  {bias, lengths}: Pick<Features, 'bias' | 'lengths'>,
  exact: boolean,
  kinds: Kinds = REGULAR,
): MatrixShape {
  const {problem, tile, formats} = plan;
  const {headDim, valueDim} = problem;
  const perUnit = matrix.componentType === 'f16' ? 8 : 4;
  const keyUnits = paddedRow(formats.key, headDim) / perUnit;
  const valueUnits = paddedRow(formats.value, valueDim) / perUnit;
  const slices = tile.rows * SLICE_STRIDE;
  // One unit more than a row: without it all rows of a fragment lie in the same banks (119 instead of 590 TFLOPS of loads and products).
  const key = tile.keys * (keyUnits + 1);
  const value = tile.keys * (valueUnits + 1);
  return {
    headDim,
    valueDim,
    subgroups: tile.threadsY,
    lanes: tile.threadsX,
    keys: tile.keys,
    matrix,
    formats,
    kinds,
    bias,
    lengths,
    exact,
    eager: tile.unroll.scores > 1 && !exact,
    keyUnits,
    valueUnits,
    regions: {
      slices: {begin: 0, end: slices},
      key: {begin: slices, end: slices + key},
      value: {begin: slices + key, end: slices + key + value},
    },
    memory: slices + key + value,
  };
}

/** The same kernel by what it adds to scores. */
export const addedTo = ({bias, lengths}: MatrixShape): Features => ({...PLAIN, bias, lengths});

/** How the kernel reaches its tensors. */
export interface MatrixAccess {
  readonly query: RowAccess;
  readonly key: RowAccess;
  readonly value: RowAccess;
  readonly output: RowAccess;
}

export function matrixAccess({formats, headDim, valueDim}: MatrixShape): MatrixAccess {
  return {
    query: operandAccess('query', formats, headDim),
    key: operandAccess('key', formats, headDim),
    value: operandAccess('value', formats, valueDim),
    output: rowAccess('output', valueDim, true),
  };
}
