import {appendFileSync, writeFileSync} from 'node:fs';
import type {BackendReport} from '../src/index.js';
import {Host} from '../src/runtime/host/backend.js';
import {Pipelines} from '../src/runtime/host/pipelines.js';
import {callRecords} from './calls.js';
import {openTiersGpu} from './gpu.js';
import {PATTERNS} from './patterns.js';
import type {BenchRecord, CallRecord, TierRecord} from './records.js';
import {clockWords, describeRun, line} from './run_record.js';
import {digits, textTable} from './table.js';
import {parseTierOptions, TIERS_HELP} from './tier_options.js';
import {notesText, shortError, targetsText} from './tier_report.js';
import {TierWorkload, type TierBench} from './tier_workload.js';
import {openTimer} from './timer.js';
import {SKIPPED} from './skipped.js';

/** Times the tiers of kernels on one device; returns the exit code: 1 when anything of ours failed or was wrong. */
export async function main(args: readonly string[]): Promise<number> {
  const {gpu, report} = await openTiersGpu();
  const options = parseTierOptions(
    args,
    PATTERNS.map(({name}) => name),
    gpu.software,
  );
  if (options === 'help') {
    console.log(TIERS_HELP);
    return 0;
  }
  const timer = await openTimer(gpu);
  const run = {...describeRun(gpu, timer.clock), granted: grantedText(report)};
  console.log(`${run.device} (${run.driver}), ${clockWords(run.clock)}\n${run.granted}\n`);
  if (options.json !== undefined) writeFileSync(options.json, line(run));
  const start = performance.now();
  const late = (): boolean => performance.now() - start > options.budgetSeconds * 1000;
  const records: BenchRecord[] = [run];
  const tiers: TierRecord[] = [];
  const add = (record: TierRecord | CallRecord): void => {
    records.push(record);
    if (record.kind === 'tier') tiers.push(record);
    // As they come, so that a run that is stopped leaves what it measured.
    if (options.json !== undefined) appendFileSync(options.json, line(record));
    console.error(progress(record));
  };

  if (options.calls > 0) for (const record of await callRecords(gpu, options.calls, 'attention')) add(record);
  const bench: TierBench = {
    gpu,
    timer,
    granted: Host.of(gpu.backend)!.limits,
    refused: report.refused,
    heads: options.heads,
    pipelines: new Pipelines(gpu.device),
    seen: new Set(),
  };
  const patternOf = (name: string) => PATTERNS.find((pattern) => pattern.name === name)!;
  if (options.adversarial) {
    const workload = new TierWorkload(bench, gpu.software ? 512 : 16384, 64, 'growing');
    add((await workload.row('tensor cores', patternOf('causal')))!);
    workload.dispose();
  }
  let size = '';
  let workload: TierWorkload | undefined;
  for (const {pattern, n, headDim, systems} of options.cases) {
    for (const system of systems) {
      if (late()) {
        // It has few kernels, and would be missed in rows where it has none.
        if (system === 'prototype matrix') continue;
        add({kind: 'tier', system, pattern, n, heads: options.heads, headDim, ms: null, error: SKIPPED});
        continue;
      }
      if (size !== `${n} ${headDim}`) {
        size = `${n} ${headDim}`;
        workload?.dispose();
        workload = new TierWorkload(bench, n, headDim);
      }
      const record = await workload!.row(system, patternOf(pattern));
      if (record !== null) add(record);
    }
  }
  workload?.dispose();

  printTable(tiers);
  for (const text of [notesText(records), targetsText(records)]) if (text !== '') console.log(`\n${text}`);
  if (options.json === undefined) console.log(`\n${records.map(line).join('')}`);
  return tiers.some(({system, error}) => system !== 'prototype matrix' && isFault(error)) ? 1 : 0;
}

const isFault = (error: string | undefined): boolean =>
  error !== undefined && error !== SKIPPED && !error.startsWith('not granted');

function grantedText({float16, subgroups, tensorCores, refused}: BackendReport): string {
  const size =
    subgroups === null ? '' : subgroups.min === subgroups.max ? `${subgroups.min}` : `${subgroups.min} to ${subgroups.max}`;
  const granted = [
    float16 ? 'float16' : '',
    subgroups === null ? '' : `subgroups of ${size}`,
    tensorCores.length === 0 ? '' : `matrices of ${tensorCores.length} shapes`,
  ].filter((text) => text !== '');
  return [`Granted: ${granted.join(', ') || 'nothing'}.`, ...refused].join(' ');
}

function progress(record: TierRecord | CallRecord): string {
  if (record.kind === 'call') return `${record.what}: ${digits(record.us)} µs a call`;
  const {pattern, n, headDim, system, error, ms, keys} = record;
  return `${pattern} ${n} × ${headDim}${keys === undefined ? '' : `, keys ${keys}`} ${system}: ${error ?? `${digits(ms)} ms`}`;
}

function printTable(records: readonly TierRecord[]): void {
  const header = [
    'pattern',
    'n',
    'headDim',
    'system',
    'ms',
    'convert ms',
    'no repair ms',
    'TFLOPS',
    'clock',
    'tile',
    'first ms',
    'max error',
  ];
  const rows = records.map((r) => [
    r.keys === undefined ? r.pattern : `${r.pattern}, keys ${r.keys}`,
    String(r.n),
    String(r.headDim),
    r.system,
    r.error === undefined ? digits(r.ms) : shortError(r.error),
    digits(r.convertMs),
    digits(r.attendMs),
    digits(r.tflops),
    digits(r.clockRatio),
    r.tile ?? '–',
    digits(r.firstMs),
    r.maxError === undefined ? '–' : r.maxError.toExponential(1),
  ]);
  console.log(textTable(header, rows));
}
