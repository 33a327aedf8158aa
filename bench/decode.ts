import {appendFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import {openGpu} from './gpu.js';
import {decodeText} from './decode_report.js';
import {DecodeWorkload} from './decode_workload.js';
import {list, positive} from './options.js';
import type {DecodeRecord} from './records.js';
import {clockWords, describeRun, line} from './run_record.js';
import {digits} from './table.js';
import {openTimer} from './timer.js';
import {SKIPPED} from './skipped.js';

const HELP = `npm run bench:decode -- [options]
  --n 1024,131072          tokens before the step
  --heads 8                heads
  --headdim 64             features of a head
  --json FILE              write the JSON lines to FILE
  --budget 100             start no new row after so many seconds`;

const OPTIONS = {
  help: {type: 'boolean', default: false},
  n: {type: 'string'},
  heads: {type: 'string', default: '8'},
  headdim: {type: 'string', default: '64'},
  json: {type: 'string'},
  budget: {type: 'string', default: '100'},
} as const;

/** Times one step of decoding after few and after many tokens; returns the exit code: 1 when anything of ours failed or was wrong. */
export async function main(args: readonly string[]): Promise<number> {
  const {values} = parseArgs({args: [...args], options: OPTIONS});
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const gpu = await openGpu();
  const timer = await openTimer(gpu);
  const run = describeRun(gpu, timer.clock);
  console.log(`${run.device} (${run.driver}), ${clockWords(run.clock)}\n`);
  if (values.json !== undefined) writeFileSync(values.json, line(run));
  const start = performance.now();
  const budgetSeconds = positive('--budget', values.budget);
  const records: DecodeRecord[] = [];
  const add = (record: DecodeRecord): void => {
    records.push(record);
    // As they come, so that a run that is stopped leaves what it measured.
    if (values.json !== undefined) appendFileSync(values.json, line(record));
    const {system, pattern, dtype, tokens, error, ms} = record;
    console.error(`${system} ${pattern} ${dtype} after ${tokens}: ${error ?? `${digits(ms)} ms`}`);
  };

  const bench = {gpu, timer, heads: positive('--heads', values.heads), headDim: positive('--headdim', values.headdim)};
  for (const text of list(values.n ?? (gpu.software ? '256,1024' : '1024,131072'))) {
    const workload = new DecodeWorkload(bench, positive('--n', text));
    for (const row of workload.rows)
      add(performance.now() - start > 1000 * budgetSeconds ? row.skipped(SKIPPED) : await row.measure());
  }
  console.log(decodeText(records));
  if (values.json === undefined) console.log(`\n${[run, ...records].map(line).join('')}`);
  return records.some(({system, error}) => system === 'KvCache' && error !== undefined && error !== SKIPPED) ? 1 : 0;
}
