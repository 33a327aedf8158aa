import {appendFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import {openGpu} from './gpu.js';
import {GRAPHS, type BertSizes} from './model_graphs.js';
import {targetText} from './model_targets.js';
import {ModelWorkload, type ModelBench} from './model_workload.js';
import {list, oneOf, positive} from './options.js';
import type {ModelRecord} from './model_record.js';
import {clockWords, describeRun, line} from './run_record.js';
import {digits, textTable, times} from './table.js';
import {openTimer} from './timer.js';
import {DeviceWatch} from './watch.js';

const HELP = `npm run bench:model -- [options]
  --graphs matMul,Einsum   how the graph is written
  --full 512               lengths swapped with full()
  --sparse 4096            lengths swapped with longformer
  --long 16384             the longest at which to look for the first power of two where the original does not fit
  --layers 12              layers of 12 heads of 64
  --rounds 6               rounds of four runs of each, turn by turn
  --software               the small sizes of software adapters, also on a real GPU
  --json FILE              write the JSON lines to FILE`;

const OPTIONS = {
  help: {type: 'boolean', default: false},
  graphs: {type: 'string', default: GRAPHS.join()},
  full: {type: 'string'},
  sparse: {type: 'string'},
  long: {type: 'string'},
  layers: {type: 'string'},
  rounds: {type: 'string'},
  software: {type: 'boolean'},
  json: {type: 'string'},
} as const;

/** A model as large as BERT base, as converted and with its attention swapped: time, memory, and what the swap changes. */
export async function main(args: readonly string[]): Promise<number> {
  const {values} = parseArgs({args: [...args], options: OPTIONS});
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const gpu = await openGpu();
  const small = values.software ?? gpu.software;
  const usual = small
    ? {full: '64', sparse: '320', long: '512', layers: '2', rounds: '1'}
    : {full: '512', sparse: '4096', long: '16384', layers: '12', rounds: '6'};
  const whole = (name: 'layers' | 'rounds' | 'long'): number => positive(`--${name}`, values[name] ?? usual[name]);
  const lengths = (name: 'full' | 'sparse'): number[] =>
    list(values[name] ?? usual[name]).map((text) => positive(`--${name}`, text));
  const large: BertSizes = {layers: whole('layers'), heads: 12, headDim: 64, ffn: 3072, vocabulary: 30522};
  const sizes: BertSizes = small ? {...large, heads: 2, headDim: 8, ffn: 64, vocabulary: 1000} : large;
  const timer = await openTimer(gpu);
  const bench: ModelBench = {gpu, timer, watch: new DeviceWatch(gpu), sizes, rounds: whole('rounds')};
  const run = describeRun(gpu, timer.clock);
  console.log(`${run.device} (${run.driver}), ${clockWords(run.clock)}\n`);
  if (values.json !== undefined) writeFileSync(values.json, line(run));
  const records: ModelRecord[] = [];
  const add = (record: ModelRecord): void => {
    records.push(record);
    if (values.json !== undefined) appendFileSync(values.json, line(record));
    console.error(`${record.graph} ${record.part} ${record.n} ${record.system}: ${record.error ?? `${digits(record.ms)} ms`}`);
  };

  const overflows: (() => Promise<void>)[] = [];
  for (const graph of list(values.graphs).map((text) => oneOf('--graphs', text, GRAPHS))) {
    for (const part of ['attention', 'model'] as const) {
      const positions = Math.max(...lengths('full'), ...lengths('sparse'), whole('long'));
      const workload = new ModelWorkload(bench, graph, part, positions);
      for (const n of lengths('full')) for (const record of await workload.rows(n, 'full')) add(record);
      for (const n of lengths('sparse')) for (const record of await workload.rows(n, 'longformer')) add(record);
      const long = part === 'model' && graph === 'matMul' ? firstMisfit(workload, whole('long')) : null;
      if (long === null) {
        workload.dispose();
        continue;
      }
      for (const record of await workload.rows(long, 'longformer')) add(record);
      // Nobody knows what a device does then: last of all.
      overflows.push(async () => add(await workload.overflow(long)));
    }
  }
  for (const overflow of overflows) await overflow();
  print(records);
  if (values.json === undefined) console.log(`\n${[run, ...records].map(line).join('')}`);
  return records.some(({system, error}) => system === 'tfjs-splat' && error !== undefined) ? 1 : 0;
}

/** The shortest power of two at which the original does not fit, if there is one up to `longest`. */
function firstMisfit(workload: ModelWorkload, longest: number): number | null {
  for (let n = 512; n <= longest; n *= 2) if (workload.misfit(n) !== null) return n;
  return null;
}

function print(records: readonly ModelRecord[]): void {
  console.log(
    textTable(
      ['graph', 'part', 'n', 'pattern', 'system', 'ms', 'GPU ms', '× original', 'target', 'peak MiB', 'full() differs by'],
      records.map((r) => [
        r.graph,
        r.part,
        String(r.n),
        r.pattern,
        r.system,
        r.ms === null ? r.error! : digits(r.ms),
        digits(r.gpuMs),
        times(r.share),
        targetText(r),
        r.peakBytes === undefined ? '–' : digits(r.peakBytes / 2 ** 20),
        r.difference === undefined ? '–' : r.difference.toExponential(1),
      ]),
    ),
  );
}
