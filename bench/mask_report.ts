import type {MaskRecord} from './records.js';
import {digits, median, textTable, times} from './table.js';
import {shortError} from './tier_report.js';

/** A table of all masks, and where `auto` was not the best. */
export function masksText(records: readonly MaskRecord[]): string {
  const cases = records.filter((row, i) => records.findIndex((other) => sameCase(row, other)) === i);
  const header = [
    ...['mask', 'n', 'system', 'pairs', 'density', 'in tiles', 'plan ms', 'predicted ms', 'chosen', 'ms', 'ps a pair'],
    ...['best', 'best ms', 'times best'],
  ];
  const rows = cases.map((row) => {
    const own = records.filter((other) => sameCase(row, other));
    const auto = own.find(({asked}) => asked === 'auto');
    const known = auto ?? own[0];
    const best = fastest(own);
    return [
      row.mask,
      String(row.n),
      row.system,
      digits(known?.pairs),
      percent(known?.density),
      percent(known?.tileDensity),
      digits(known?.planMs),
      digits(known?.predictedMs),
      auto === undefined ? '–' : (wayOf(auto, own) ?? auto.implementation ?? '–'),
      auto?.error === undefined ? digits(auto?.ms) : shortError(auto.error),
      digits(auto?.ms == null || auto.pairs === undefined ? null : (1e9 * auto.ms) / (auto.pairs * auto.heads)),
      best === undefined ? '–' : (wayOf(best, own) ?? best.asked),
      digits(best?.ms),
      times(auto?.ms == null || best?.ms == null ? null : auto.ms / best.ms),
    ];
  });
  const parts = [textTable(header, rows), choicesText(records, cases), predictionsText(records), errorsText(records)];
  return parts.filter((text) => text !== '').join('\n\n');
}

const sameCase = (a: MaskRecord, b: MaskRecord): boolean => a.mask === b.mask && a.n === b.n && a.system === b.system;

const percent = (share: number | undefined): string => (share === undefined ? '–' : `${digits(100 * share)} %`);

/** The way that came to the same kernels, and was not timed again. */
const wayOf = (row: MaskRecord, all: readonly MaskRecord[]): string | undefined =>
  all.find(
    ({asked, ms, samples, error}) =>
      asked !== 'auto' && asked !== 'fused' && error === undefined && ms === row.ms && samples === row.samples,
  )?.asked;

function fastest(rows: readonly MaskRecord[]): MaskRecord | undefined {
  const timed = rows.filter(({ms, error}) => ms != null && error === undefined);
  return timed.sort((a, b) => a.ms! - b.ms! || Number(b.asked === 'auto') - Number(a.asked === 'auto'))[0];
}

/** From where on a choice counts as wrong. */
const WORSE = 1.1;

function choicesText(records: readonly MaskRecord[], cases: readonly MaskRecord[]): string {
  let right = 0;
  const wrong = cases.flatMap((row) => {
    const own = records.filter((other) => sameCase(row, other));
    const [auto, best] = [own.find(({asked}) => asked === 'auto'), fastest(own)];
    if (own.length < 2 || auto?.ms == null || best?.ms == null) return [];
    if (auto.ms <= WORSE * best.ms) {
      right++;
      return [];
    }
    const chosen = wayOf(auto, own) ?? auto.implementation;
    return [
      `${row.mask} ${row.n} ${row.system}: ${chosen} ${digits(auto.ms)} ms, ${best.asked} ${digits(best.ms)} ms (${times(auto.ms / best.ms)})`,
    ];
  });
  if (right + wrong.length === 0) return '';
  const percentage = Math.round(100 * (WORSE - 1));
  const all = `auto is within ${percentage} % of the best in ${right} of ${right + wrong.length} cases`;
  return wrong.length === 0 ? `${all}.` : `${all}; it is not in\n${wrong.join('\n')}`;
}

function predictionsText(records: readonly MaskRecord[]): string {
  const systems = [...new Set(records.map(({system}) => system))];
  return systems
    .map((system) => {
      const rows = records.filter((row) => row.system === system && row.ms != null && row.error === undefined);
      const distinct = rows.filter((row, i) => rows.findIndex((other) => sameCase(row, other) && other.ms === row.ms) === i);
      if (distinct.length < 3) return '';
      const [found, said] = [distinct.map(({ms}) => ms!), distinct.map(({predictedMs = NaN}) => predictedMs)];
      const ratios = found.map((ms, i) => ms / said[i]!);
      return (
        `${system}: predicted and measured times of ${distinct.length} kernels rank with Spearman ${spearman(said, found).toFixed(3)}; ` +
        `measured / predicted is ${digits(median(ratios))} in the median, from ${digits(Math.min(...ratios))} to ${digits(Math.max(...ratios))}`
      );
    })
    .filter((text) => text !== '')
    .join('\n');
}

/** How well two lists agree in their order, from −1 to 1. Equal numbers share their mean rank. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  const [ranksA, ranksB] = [ranks(a), ranks(b)];
  const mean = (a.length - 1) / 2;
  const product = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, rank, i) => sum + (rank - mean) * (y[i]! - mean), 0);
  return product(ranksA, ranksB) / Math.sqrt(product(ranksA, ranksA) * product(ranksB, ranksB));
}

function ranks(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  return values.map((value) => (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2);
}

const errorsText = (records: readonly MaskRecord[]): string =>
  records
    .filter(({error}) => error !== undefined && !error.startsWith('skipped'))
    .map(({mask, n, system, asked, error}) => `${mask} ${n} ${system} ${asked}: ${error!.split('\n')[0]}`)
    .join('\n');
