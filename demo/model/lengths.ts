import {drawLines} from '../shell/charts.js';
import {bytes, duration} from '../shell/format.js';
import {at, make} from '../shell/page.js';
import {MODES, tableOf, type LengthRow} from './table.js';

/** The measurement over lengths: three charts and a table. */
export function showLengths(rows: readonly LengthRow[], note: string): void {
  at('empty').hidden = true;
  at('sweep-results').hidden = false;
  at('copy-markdown').hidden = false;
  at('copy-json').hidden = false;
  const chart = (
    id: string,
    y: string,
    value: (row: LengthRow) => number,
    print: (value: number) => string,
    ticks: 'decimal' | 'binary' = 'decimal',
  ): void =>
    drawLines(at(id), {
      x: 'bytes of context',
      y,
      print,
      ticks,
      series: MODES.map((mode) => ({
        name: mode,
        colour: mode === 'sparse' ? 'var(--accent)' : 'var(--neutral)',
        points: rows.filter((row) => row.mode === mode).map((row) => ({x: row.context, y: value(row)})),
      })),
    });
  chart('byte-chart', 'a byte', ({byteMs}) => byteMs, duration);
  chart('first-chart', 'first byte', ({firstMs}) => firstMs, duration);
  chart('cache-chart', 'keys and values', ({cacheBytes}) => cacheBytes, bytes, 'binary');
  const [header, ...lines] = tableOf(rows);
  at('table-head').replaceChildren(
    make('tr', {}, ...header!.map((text, column) => make('th', {scope: 'col', class: column > 0 ? 'number' : ''}, text))),
  );
  at('table').replaceChildren(
    ...lines.map(([context, ...cells]) =>
      make('tr', {}, make('th', {scope: 'row'}, context!), ...cells.map((text) => make('td', {class: 'number'}, text))),
    ),
  );
  at('note').textContent = note;
}
