import type {BenchRecord, DecodeRecord} from './records.js';
import {digits, markdownTable, textTable, times} from './table.js';

const HEADER = ['tokens', 'system', 'pattern', 'stored as', 'ms', 'CPU µs', 'MiB', 'faster than dense', 'max error'];

const cells = (row: DecodeRecord): string[] => [
  String(row.tokens),
  row.system,
  row.pattern,
  row.dtype,
  row.error ?? digits(row.ms),
  digits(row.cpuUs),
  row.bytes === undefined ? '–' : digits(row.bytes / 2 ** 20),
  times(row.timesDense),
  row.maxError === undefined ? '–' : row.maxError.toExponential(1),
];

export const decodeText = (records: readonly DecodeRecord[]): string => textTable(HEADER, records.map(cells));

/** The table of the documentation. */
export function decodeTables(records: readonly BenchRecord[]): string[] {
  const rows = records.filter((record): record is DecodeRecord => record.kind === 'decode');
  if (rows.length === 0) return [];
  const {heads, headDim} = rows[0]!;
  return [`One new token, ${heads} heads of ${headDim}:`, markdownTable(HEADER, rows.map(cells))];
}
