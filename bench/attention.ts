import {appendFileSync, writeFileSync} from 'node:fs';
import {openGpu, type Gpu} from './gpu.js';
import {HELP, parseOptions, type Options} from './options.js';
import {PATTERNS} from './patterns.js';
import type {AttentionRecord} from './records.js';
import {clockWords, describeRun, line} from './run_record.js';
import {openTimer} from './timer.js';
import {denseMisfit} from './peers/tfjs_dense.js';
import {digits, textTable, times} from './table.js';
import {DeviceWatch} from './watch.js';
import {SKIPPED} from './skipped.js';
import {Workload} from './workload.js';

/** Runs the benchmark; returns the exit code: 1 when anything of ours failed or was wrong. */
export async function main(args: readonly string[]): Promise<number> {
  const gpu = await openGpu();
  const names = PATTERNS.map(({name}) => name);
  const options = parseOptions(args, names, gpu.software);
  if (options === 'help') {
    console.log(HELP);
    return 0;
  }
  const timer = await openTimer(gpu);
  const run = describeRun(gpu, timer.clock);
  console.log(`${run.device} (${run.driver}), ${clockWords(run.clock)}\n`);
  if (options.json !== undefined) writeFileSync(options.json, line(run));
  const records: AttentionRecord[] = [];
  const start = performance.now();
  const late = (): boolean => performance.now() - start > options.budgetSeconds * 1000;
  const add = (record: AttentionRecord): void => {
    records.push(record);
    // As they come, so that a run that is stopped leaves what it measured.
    if (options.json !== undefined) appendFileSync(options.json, line(record));
    console.error(`${record.pattern} ${record.n} ${record.system}: ${record.error ?? `${digits(record.ms)} ms`}`);
  };

  const bench = {gpu, timer, watch: new DeviceWatch(gpu), ...options};
  for (const n of options.lengths) {
    const workload = new Workload(bench, n);
    if (options.dense && !late()) for (const record of await workload.denseRows()) add(record);
    for (const name of options.patterns) {
      const pattern = PATTERNS.find((candidate) => candidate.name === name)!;
      for (const implementation of options.implementations) {
        add(late() ? workload.skipped(pattern) : await workload.splatRow(pattern, implementation));
      }
      const peer = options.peers && !late() ? await workload.prototypeRow(pattern) : null;
      if (peer !== null) add(peer);
    }
    workload.dispose();
  }
  if (options.dense && !gpu.software && !late()) {
    const workload = new Workload(bench, firstMisfit(gpu, options));
    add(await workload.denseOverflow());
    workload.dispose();
  }

  printTable(records);
  const pipelines = records.reduce((sum, record) => sum + (record.pipelines ?? 0), 0);
  console.log(`\ntfjs-splat compiled ${pipelines === 1 ? 'one pipeline' : `${pipelines} pipelines`} in this sweep.`);
  if (options.json === undefined) console.log(`\n${[run, ...records].map(line).join('')}`);
  return records.some(({system, error}) => system === 'tfjs-splat' && error !== undefined && error !== SKIPPED) ? 1 : 0;
}

/** The shortest power of two at which dense attention no longer fits, to show what it does then. */
function firstMisfit(gpu: Gpu, {heads}: Options): number {
  let n = 1024;
  while (denseMisfit(gpu, heads, n) === null) n *= 2;
  return n;
}

function printTable(records: readonly AttentionRecord[]): void {
  const header = [
    'pattern',
    'n',
    'system',
    'ms',
    'TFLOPS',
    'tile density',
    '× dense',
    'plan ms',
    'first ms',
    'pipelines',
    'extra/output',
    'max error',
  ];
  const rows = records.map((r) => [
    r.pattern,
    String(r.n),
    r.implementation === undefined ? r.system : `${r.system} ${r.implementation}`,
    r.error ?? digits(r.ms),
    digits(r.tflops),
    digits(r.tileDensity),
    times(r.timesDense),
    digits(r.planMs),
    digits(r.firstMs),
    r.pipelines === undefined ? '–' : String(r.pipelines),
    times(r.extraOverOutput),
    r.maxError === undefined ? '–' : r.maxError.toExponential(1),
  ]);
  console.log(textTable(header, rows));
}
