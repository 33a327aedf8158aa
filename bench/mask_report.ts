import type {MaskRecord} from './records.js';
import {digits, textTable, times} from './table.js';
import {shortError} from './tier_report.js';

/** A table of all masks, and where `auto` was not the best. */
export function masksText(records: readonly MaskRecord[]): string {
  const cases = records.filter((row, i) => records.findIndex((other) => sameCase(row, other)) === i);
  const header = [
    'mask',
    'n',
    'system',
    'pairs',
    'density',
    'in tiles',
    'plan ms',
    'predicted ms',
    'chosen',
    'ms',
    'fused ms',
    'dense ms',
    'best',
  ];
  const rows = cases.map((row) => {
    const of = (asked: MaskRecord['asked']): MaskRecord | undefined =>
      records.find((other) => other.asked === asked && sameCase(row, other));
    const [auto, fused, dense] = [of('auto'), of('fused'), of('dense')];
    const known = auto ?? fused ?? dense;
    return [
      row.mask,
      String(row.n),
      row.system,
      digits(known?.pairs),
      percent(known?.density),
      percent((auto ?? fused)?.tileDensity),
      digits((auto ?? fused)?.planMs),
      digits((auto ?? fused)?.predictedMs),
      auto?.implementation ?? '–',
      cell(auto),
      cell(fused),
      cell(dense),
      bestOf([fused, dense]),
    ];
  });
  return [textTable(header, rows), worseText(records, cases), errorsText(records)].filter((text) => text !== '').join('\n\n');
}

const sameCase = (a: MaskRecord, b: MaskRecord): boolean => a.mask === b.mask && a.n === b.n && a.system === b.system;

const percent = (share: number | undefined): string => (share === undefined ? '–' : `${digits(100 * share)} %`);

const cell = (row: MaskRecord | undefined): string => (row?.error === undefined ? digits(row?.ms) : shortError(row.error));

const bestOf = (rows: readonly (MaskRecord | undefined)[]): string => fastest(rows)?.asked ?? '–';

function fastest(rows: readonly (MaskRecord | undefined)[]): MaskRecord | undefined {
  const timed = rows.filter((row): row is MaskRecord => row?.ms != null && row.error === undefined);
  return timed.sort((a, b) => a.ms! - b.ms!)[0];
}

/** From where on a choice counts as wrong: timings repeat within a few percent. */
const WORSE = 1.05;

function worseText(records: readonly MaskRecord[], cases: readonly MaskRecord[]): string {
  const lines = cases.flatMap((row) => {
    const own = records.filter((other) => sameCase(row, other));
    const [auto, best] = [own.find(({asked}) => asked === 'auto'), fastest(own)];
    if (auto?.ms == null || best?.ms == null || auto.ms <= WORSE * best.ms) return [];
    return [
      `${row.mask} ${row.n} ${row.system}: ${auto.implementation} ${digits(auto.ms)} ms, ${best.asked} ${digits(best.ms)} ms (${times(auto.ms / best.ms)})`,
    ];
  });
  return lines.length === 0 ? '' : `auto is not the best:\n${lines.join('\n')}`;
}

const errorsText = (records: readonly MaskRecord[]): string =>
  records
    .filter(({error}) => error !== undefined && !error.startsWith('skipped'))
    .map(({mask, n, system, asked, error}) => `${mask} ${n} ${system} ${asked}: ${error!.split('\n')[0]}`)
    .join('\n');
