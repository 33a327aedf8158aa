import type {BenchRecord, BytesRecord} from './records.js';
import {digits, markdownTable, textTable, times} from './table.js';

const HEADER = ['bytes of context', 'system', 'ms per byte', 'against the shortest', 'first byte, ms', 'keys and values, MiB'];

/** What a byte costs here, over what it costs the same system after the shortest context. */
function growth(row: BytesRecord, rows: readonly BytesRecord[]): number {
  const [shortest] = rows.filter(({system}) => system === row.system).sort((a, b) => a.context - b.context);
  return row.msPerByte / shortest!.msPerByte;
}

const cells = (row: BytesRecord, rows: readonly BytesRecord[]): string[] => [
  String(row.context),
  row.system,
  digits(row.msPerByte),
  times(growth(row, rows)),
  digits(row.firstMs),
  digits(row.cacheBytes / 2 ** 20),
];

export const bytesText = (rows: readonly BytesRecord[]): string =>
  textTable(
    HEADER,
    rows.map((row) => cells(row, rows)),
  );

/** The table of the documentation. */
export function bytesTables(records: readonly BenchRecord[]): string[] {
  const rows = records.filter((record): record is BytesRecord => record.kind === 'bytes');
  if (rows.length === 0) return [];
  const table = markdownTable(
    HEADER,
    rows.map((row) => cells(row, rows)),
  );
  return ['The byte-level language model, 8 layers of 6 heads of 32, one byte at a time:', table];
}
