import {ceilDiv} from '../support/index.js';
import type {Problem} from './problem.js';

/** How one operand of attention lies in memory while kernels read it. */
export interface Format {
  /** Of a number. */
  readonly bytes: number;
  /** Rows are filled up with zeros to a multiple of so many numbers. */
  readonly padding: number;
  /** Tensors are float32; other formats are read from buffers of their own, whose roles end so, and which one dispatch fills. */
  readonly suffix: '' | 'Halves';
}

/** A format by its name. */
export type FormatName = 'float32' | 'float16';

export const FORMATS: Readonly<Record<FormatName, Format>> = Object.freeze({
  float32: Object.freeze({bytes: 4, padding: 1, suffix: ''}),
  // 16 is a multiple of the fragments of every tensor core.
  float16: Object.freeze({bytes: 2, padding: 16, suffix: 'Halves'}),
});

/** A tensor that attention reads. */
export type OperandName = 'query' | 'key' | 'value';
export const OPERANDS: readonly OperandName[] = ['query', 'key', 'value'];
/** How each of them lies in memory while kernels read it. */
export type Formats = Readonly<Record<OperandName, FormatName>>;

/** How a kernel reads query, key and value: the word of a call. */
export type Precision = 'float32' | 'float16';

const MEANINGS: Readonly<Record<Precision, Formats>> = Object.freeze({
  float32: Object.freeze({query: 'float32', key: 'float32', value: 'float32'}),
  float16: Object.freeze({query: 'float16', key: 'float16', value: 'float16'}),
});

export const formatsOf = (precision: Precision): Formats => MEANINGS[precision];

/** All operands as the tensors that they are. */
export const TENSORS = formatsOf('float32');

/** The format that all operands have, or null where they differ. */
export const commonFormat = ({query, key, value}: Formats): FormatName | null => (query === key && key === value ? query : null);

/** In words: one, or those of query, key and value. */
export const formatsText = (formats: Formats): string =>
  commonFormat(formats) ?? OPERANDS.map((operand) => `${operand} ${formats[operand]}`).join(', ');

/** The operands that are not read as the tensors that they are. */
export const convertedOperands = (formats: Formats): OperandName[] =>
  OPERANDS.filter((operand) => FORMATS[formats[operand]].suffix !== '');

export const converts = (formats: Formats): boolean => convertedOperands(formats).length > 0;

/** Numbers of a row with its padding. */
export const paddedRow = (name: FormatName, features: number): number => {
  const {padding} = FORMATS[name];
  return padding * ceilDiv(features, padding);
};

export const rowBytes = (name: FormatName, features: number): number => FORMATS[name].bytes * paddedRow(name, features);

/** Columns of a row, each the 16 bytes that a kernel reads at a time; the last of a row without padding may be shorter. */
export const columnsIn = (name: FormatName, features: number): number => ceilDiv(rowBytes(name, features), 16);

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
