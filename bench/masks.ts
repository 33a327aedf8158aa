import {appendFileSync, writeFileSync} from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import {Host} from '../src/runtime/host/backend.js';
import {Pipelines} from '../src/runtime/host/pipelines.js';
import {openTiersGpu} from './gpu.js';
import {MASKS_HELP, parseMaskOptions} from './mask_options.js';
import {headRows, headsText} from './mask_heads.js';
import {masksText} from './mask_report.js';
import {CORPUS, windowLike} from './mask_corpus.js';
import {maskRows} from './mask_rows.js';
import {maskTensorRows} from './mask_tensors.js';
import {backwardRow} from './backward.js';
import type {BackwardRecord, MaskRecord} from './records.js';
import {clockWords, describeRun, line} from './run_record.js';
import {SKIPPED} from './skipped.js';
import {digits} from './table.js';
import {trainingTables} from './training_report.js';
import {TierWorkload, type TierBench} from './tier_workload.js';
import {openTimer} from './timer.js';

/** From this length on only masks of few pairs are drawn, if none is named. */
const LONG_FROM = 8192;

/** Times masks that no named pattern says; returns the exit code: 1 when anything failed or was wrong. */
export async function main(args: readonly string[]): Promise<number> {
  const {gpu, report} = await openTiersGpu();
  const names = CORPUS.map(({name}) => name);
  const options = parseMaskOptions(args, names, gpu.software);
  if (options === 'help') {
    console.log(MASKS_HELP);
    return 0;
  }
  const timer = await openTimer(gpu);
  const run = describeRun(gpu, timer.clock);
  console.log(`${run.device} (${run.driver}), ${clockWords(run.clock)}\n`);
  if (options.json !== undefined) writeFileSync(options.json, line(run));
  const start = performance.now();
  const late = (): boolean => performance.now() - start > options.budgetSeconds * 1000;
  const records: MaskRecord[] = [];
  const backward: BackwardRecord[] = [];
  const add = (record: MaskRecord): void => {
    records.push(record);
    // As they come, so that a run that is stopped leaves what it measured.
    if (options.json !== undefined) appendFileSync(options.json, line(record));
    const {mask, n, system, asked, error, ms, implementation} = record;
    console.error(
      `${mask} ${n} ${system} ${asked}${asked === 'auto' ? ` (${implementation})` : ''}: ${error ?? `${digits(ms)} ms`}`,
    );
  };

  const bench: TierBench = {
    ...{gpu, timer, granted: Host.of(gpu.backend)!.limits, refused: report.refused},
    ...{heads: options.heads, pipelines: new Pipelines(gpu.device), seen: null},
  };
  for (const n of options.lengths) {
    const workload = new TierWorkload(bench, n, options.headDim);
    const masks = CORPUS.filter(({name}) => options.masks.includes(name));
    for (const each of masks.filter(({isLong}) => isLong || n < LONG_FROM || options.masks.length < names.length)) {
      if (late()) continue;
      const {name} = each;
      const mask = each.at(n);
      let pairs: number | undefined;
      for (const system of options.systems) {
        for await (const record of maskRows(workload, system, mask, options.asked, late)) {
          pairs ??= record.pairs;
          add(record);
        }
        const window = pairs === undefined ? null : windowLike(name, n, pairs);
        if (window !== null) for await (const record of maskRows(workload, system, window, ['auto'], late)) add(record);
      }
      if (!options.backward || late()) continue;
      const record = await backwardRow({gpu, timer, batch: 1, heads: options.heads, n, headDim: options.headDim}, mask, null);
      backward.push(record);
      if (options.json !== undefined) appendFileSync(options.json, line(record));
      console.error(`${name} ${n}: ${record.error ?? `backward ${digits(record.backwardMs)} ms`}`);
    }
    workload.dispose();
    if (options.headed)
      for (const system of options.systems)
        for await (const record of headRows(bench, n, options.headDim, system, late)) add(record);
    // Last of a length: on backends of their own.
    const sizes = {n, heads: options.heads, headDim: options.headDim};
    for (const system of options.tensors && n < LONG_FROM ? options.systems : []) {
      for await (const record of maskTensorRows(system, sizes, late)) {
        backward.push(record);
        if (options.json !== undefined) appendFileSync(options.json, line(record));
        const {pattern, forwardMs, backwardMs, error} = record;
        console.error(
          `${pattern} ${n} ${record.system}: ${error ?? `forward ${digits(forwardMs)} ms, backward ${digits(backwardMs)} ms`}`,
        );
      }
      await tf.setBackend('tiers');
    }
  }
  for (const text of [masksText(records), headsText(records), ...trainingTables(backward)])
    if (text !== '') console.log(`${text}\n`);
  if (options.json === undefined) console.log(`\n${[run, ...records, ...backward].map(line).join('')}`);
  const failed = ({error}: {readonly error?: string}): boolean =>
    error !== undefined && error !== SKIPPED && !error.startsWith('not granted');
  return [...records, ...backward].some(failed) ? 1 : 0;
}
