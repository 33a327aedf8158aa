import {ceilDiv} from '../support/index.js';
import type {Storage} from './plan.js';
import type {Problem} from './problem.js';

/** How one operand of attention lies in memory while kernels read it. */
export interface Format {
  readonly name: Storage;
  /** Of a number. */
  readonly bytes: number;
  /** Rows are filled up with zeros to a multiple of so many numbers. */
  readonly padding: number;
  /** Tensors are float32; other formats are read from buffers of their own, whose roles end so, and which one dispatch fills. */
  readonly suffix: '' | 'Halves';
}

export const FORMATS: Readonly<Record<Storage, Format>> = Object.freeze({
  float32: Object.freeze({name: 'float32', bytes: 4, padding: 1, suffix: ''}),
  // 16 is a multiple of the fragments of every tensor core.
  float16: Object.freeze({name: 'float16', bytes: 2, padding: 16, suffix: 'Halves'}),
});

export type OperandName = 'query' | 'key' | 'value';
export const OPERANDS: readonly OperandName[] = ['query', 'key', 'value'];
export type Formats = Readonly<Record<OperandName, Format>>;

const SAME = Object.freeze(
  Object.fromEntries(
    Object.entries(FORMATS).map(([name, format]) => [name, Object.freeze({query: format, key: format, value: format})]),
  ),
) as Readonly<Record<Storage, Formats>>;

/** What the one word that calls have for their precision means for each operand. */
export const formatsOf = (storage: Storage): Formats => SAME[storage];

/** Whether some operand is not read as the tensor that it is. */
export const converts = (storage: Storage): boolean => OPERANDS.some((operand) => formatsOf(storage)[operand].suffix !== '');

/** Numbers of a row with its padding. */
export const paddedRow = ({padding}: Format, features: number): number => padding * ceilDiv(features, padding);

export const rowBytes = (format: Format, features: number): number => format.bytes * paddedRow(format, features);

/** Columns of a row, each the 16 bytes that a kernel reads at a time; the last of a row without padding may be shorter. */
export const columnsIn = (format: Format, features: number): number => ceilDiv(rowBytes(format, features), 16);

/** Bytes of each operand of a call. */
export function operandBytes(
  {batch, heads, keyHeads, queryLength, keyLength, headDim, valueDim}: Problem,
  {query, key, value}: Formats,
): Readonly<Record<OperandName, number>> {
  const keys = batch * keyHeads * keyLength;
  return {
    query: batch * heads * queryLength * rowBytes(query, headDim),
    key: keys * rowBytes(key, headDim),
    value: keys * rowBytes(value, valueDim),
  };
}
