import type {AttentionRecord, BenchRecord, CallRecord, RunRecord, TierRecord} from './records.js';
import {digits, markdownTable, times, withoutEmpty} from './table.js';
import {CALL_TARGET_US, CONVERT_TARGET, FIRST_TARGET, targetOf, TARGETS} from './tier_targets.js';

/** The tables of docs/benchmarks.md about the tiers; empty without records of them. `records` may hold those of peers. */
export function tierTables(records: readonly BenchRecord[]): string[] {
  const rows = tiersOf(records);
  if (rows.length === 0) return [];
  return [
    granted(records),
    speedTable(rows, records),
    notesText(records),
    targetsText(records),
    firstTable(rows),
    callTable(records.filter((record): record is CallRecord => record.kind === 'call')),
  ].filter((text) => text !== '');
}

const tiersOf = (records: readonly BenchRecord[]): TierRecord[] =>
  records.filter((record): record is TierRecord => record.kind === 'tier');

const granted = (records: readonly BenchRecord[]): string =>
  records.find((record): record is RunRecord => record.kind === 'run' && record.granted !== undefined)?.granted ?? '';

const sameCase = (a: TierRecord, b: TierRecord): boolean => a.pattern === b.pattern && a.n === b.n && a.headDim === b.headDim;

function speedTable(all: readonly TierRecord[], records: readonly BenchRecord[]): string {
  const rows = all.filter(({keys}) => keys === undefined);
  const cases = rows.filter((row, i) => rows.findIndex((other) => sameCase(row, other)) === i);
  return withoutEmpty(
    [
      'pattern',
      'n, heads × headDim',
      'float32',
      'target',
      'float32 subgroups',
      'float16 storage',
      'tensor cores',
      'target',
      'convert',
      'PyTorch f16',
      'PyTorch f16 / tensor cores',
      'prototype matrix',
    ],
    cases.map((row) => {
      const of = (system: string): TierRecord | undefined => rows.find((other) => other.system === system && sameCase(row, other));
      const cell = (system: string): string => {
        const found = of(system);
        return found?.error === undefined ? digits(found?.ms) : shortError(found.error);
      };
      const torch = torchMs(records, row);
      const cores = of('tensor cores')?.ms ?? null;
      return [
        row.pattern,
        `${row.n}, ${row.heads} × ${row.headDim}`,
        cell('float32'),
        targetCell('float32', row, rows),
        cell('float32 subgroups'),
        cell('float16 storage'),
        cell('tensor cores'),
        targetCell('tensor cores', row, rows),
        digits(of('tensor cores')?.convertMs ?? of('float16 storage')?.convertMs),
        digits(torch),
        times(torch !== null && cores !== null ? torch / cores : null),
        cell('prototype matrix'),
      ];
    }),
  );
}

/** An error as a cell of a table; `notesText` has it in full. */
export const shortError = (error: string): string =>
  error.startsWith('skipped') ? 'skipped' : error.startsWith('not granted') ? 'not granted' : 'failed';

/** FlexAttention, and where the pattern is full SDPA, in float16. */
function torchMs(records: readonly BenchRecord[], {pattern, n, heads, headDim}: TierRecord): number | null {
  const system = pattern === 'full' ? 'PyTorch SDPA' : 'FlexAttention';
  const found = records.find(
    (record): record is AttentionRecord =>
      record.kind === 'attention' &&
      record.system === system &&
      record.dtype === 'float16' &&
      record.pattern === pattern &&
      record.n === n &&
      record.heads === heads &&
      record.headDim === headDim,
  );
  return found?.ms ?? null;
}

function targetCell(system: 'float32' | 'tensor cores', row: TierRecord, rows: readonly TierRecord[]): string {
  const target = targetOf(system, row.pattern, row.n, row.headDim);
  return target === undefined ? '–' : `≤ ${digits(target)} ${verdict(system, target, row, rows)}`;
}

function verdict(system: 'float32' | 'tensor cores', target: number, row: TierRecord, rows: readonly TierRecord[]): string {
  const ms = (name: string): number | null => rows.find((other) => other.system === name && sameCase(row, other))?.ms ?? null;
  const [own, subgroups] = [ms(system), system === 'float32' ? ms('float32 subgroups') : null];
  if (own !== null && own <= target) return 'met';
  // The issue's float32 numbers do not say on which device: both are told.
  if (subgroups !== null && subgroups <= target) return 'met with subgroups';
  return own === null && subgroups === null ? 'not measured' : '**missed**';
}

/** Every target of the issue in one paragraph: how many were met, and which were not, by how much. Empty where a CPU plays GPU. */
export function targetsText(records: readonly BenchRecord[]): string {
  if (records.some((record) => record.kind === 'run' && record.software)) return '';
  const rows = tiersOf(records).filter(({keys}) => keys === undefined);
  const lines: {readonly verdict: string; readonly text: string}[] = [];
  const judge = (what: string, found: number | null | undefined, target: number, unit: string): void => {
    if (found === null || found === undefined) return;
    lines.push({verdict: found <= target ? 'met' : 'missed', text: `${what} ${digits(found)} (target ${digits(target)} ${unit})`});
  };
  for (const {system, pattern, headDim, ms} of TARGETS) {
    for (const [length, target] of Object.entries(ms)) {
      const row = rows.find((r) => r.pattern === pattern && r.headDim === headDim && r.n === Number(length));
      if (row === undefined) continue;
      const said = verdict(system, target, row, rows);
      const own = rows.find((r) => r.system === system && sameCase(r, row))?.ms;
      const text = `${system} ${pattern} ${length} × ${headDim} ${digits(own)} (target ${digits(target)} ms)`;
      if (said !== 'not measured') lines.push({verdict: said.replaceAll('*', ''), text});
    }
  }
  const {n, headDim, ms} = CONVERT_TARGET;
  const converts = rows.filter((row) => row.n === n && row.headDim === headDim).flatMap(({convertMs}) => convertMs ?? []);
  judge(`conversion ${n} × ${headDim}`, converts.length === 0 ? null : Math.max(...converts), ms, 'ms');
  for (const {system, ms: first} of firsts(rows)) judge(`first call ${system}`, first, FIRST_TARGET.ms, 'ms');
  for (const record of records) {
    if (record.kind === 'call') judge(`CPU above tf.matMul: ${record.what}`, record.overMatMulUs, CALL_TARGET_US, 'µs');
  }
  if (lines.length === 0) return '';
  const listed = (name: string): string[] => {
    const texts = lines.filter((each) => each.verdict === name).map(({text}) => text);
    return texts.length === 0 ? [] : [`${name[0]!.toUpperCase()}${name.slice(1)}: ${texts.join('; ')}.`];
  };
  const met = lines.filter(({verdict: said}) => said !== 'missed').length;
  return [`Targets met: ${met} of ${lines.length}.`, ...listed('met with subgroups'), ...listed('missed')].join(' ');
}

/** Of each system the slowest first call at the headDim of the target. */
function firsts(rows: readonly TierRecord[]): {readonly system: string; readonly ms: number; readonly row: TierRecord}[] {
  const slowest = new Map<string, TierRecord>();
  for (const row of rows) {
    if (row.firstMs === undefined || row.headDim !== FIRST_TARGET.headDim) continue;
    if (row.firstMs > (slowest.get(row.system)?.firstMs ?? 0)) slowest.set(row.system, row);
  }
  return [...slowest].map(([system, row]) => ({system, ms: row.firstMs!, row}));
}

function firstTable(rows: readonly TierRecord[]): string {
  const found = rows.filter(({firstMs}) => firstMs !== undefined);
  if (found.length === 0) return '';
  const table = markdownTable(
    ['system', 'first met in', 'tile', 'pipelines', 'first call ms', 'max error', 'relative error'],
    found.map((row) => [
      row.system,
      `${row.pattern} ${row.n} × ${row.headDim}`,
      row.tile ?? '–',
      String(row.pipelines ?? '–'),
      digits(row.firstMs),
      row.maxError?.toExponential(1) ?? '–',
      row.relativeError?.toExponential(1) ?? '–',
    ]),
  );
  return `First calls, every pipeline cold, of all sets of kernels that the sweep met:\n\n${table}`;
}

function callTable(rows: readonly CallRecord[]): string {
  if (rows.length === 0) return '';
  const table = markdownTable(
    ['call', 'µs', 'above matMul, µs'],
    rows.map(({what, us, overMatMulUs}) => [what, digits(us), digits(overMatMulUs)]),
  );
  return `CPU time of a repeated call, median of ${rows[0]!.calls}, nobody waits for the device:\n\n${table}`;
}

/** What the table has no room for: adversarial keys, and the reasons of what did not run. */
export function notesText(records: readonly BenchRecord[]): string {
  const rows = tiersOf(records);
  const usual = (row: TierRecord): string => {
    const found = rows.find((other) => other.keys === undefined && other.system === row.system && sameCase(other, row));
    return found?.ms == null ? '' : `, ${digits(found.ms)} on the usual keys`;
  };
  const growing = rows
    .filter(({keys}) => keys !== undefined)
    .map(
      (row) =>
        `- Keys whose norm grows thirtyfold, ${row.pattern} ${row.n} × ${row.headDim}, ${row.system}: ` +
        (row.error?.replace(/\.$/, '') ??
          `${digits(row.ms)} ms with the repair${usual(row)}; relative error ${row.relativeError?.toExponential(1)}`) +
        '.',
    );
  const errors = new Map<string, string[]>();
  for (const {system, pattern, n, headDim, error, keys} of rows) {
    if (error === undefined || keys !== undefined) continue;
    const name = `${system}: ${error}`;
    errors.set(name, [...(errors.get(name) ?? []), `${pattern} ${n} × ${headDim}`]);
  }
  const failed = [...errors].map(
    ([name, where]) => `- ${name.replace(/\.$/, '')} (${where.length > 4 ? `${where.length} rows` : where.join(', ')}).`,
  );
  return [...growing, ...failed].join('\n');
}
