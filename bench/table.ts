/** Longer cells are sentences, and one of them would make its column too wide for a terminal. */
const MOST_CELL = 28;

/**
 * A table of text: the first column, of names, to the left, the others to the right, two spaces between. What is too long for a cell stands
 * below the table, under a number.
 */
export function textTable(header: readonly string[], given: readonly (readonly string[])[]): string {
  const notes = [...new Set(given.flatMap(([, ...cells]) => cells.filter((cell) => cell.length > MOST_CELL)))];
  const shown = (cell: string): string => (notes.includes(cell) ? `(${notes.indexOf(cell) + 1})` : cell);
  const rows = given.map(([name, ...cells]) => [name!, ...cells.map(shown)]);
  const widths = header.map((title, c) => Math.max(title.length, ...rows.map((row) => row[c]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)))
      .join('  ')
      .trimEnd();
  const below = notes.map((note, i) => `(${i + 1}) ${note}`);
  return [line(header), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line), ...below].join('\n');
}

export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map((_, c) => (c === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** A table without the columns in which nobody has anything. */
export function withoutEmpty(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const kept = header.map((_, c) => rows.some((row) => row[c] !== '–'));
  const filter = (cells: readonly string[]): string[] => cells.filter((_, c) => kept[c]);
  return markdownTable(filter(header), rows.map(filter));
}

/** Three significant digits, never in scientific notation; '–' for what was not measured. */
export function digits(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 6));
}

export const times = (value: number | null | undefined): string =>
  value === null || value === undefined ? '–' : `${digits(value)}×`;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
