import {appendFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import '@tensorflow/tfjs';
import {openGpu, type Gpu} from './gpu.js';
import {list, positive} from './options.js';
import {PATTERNS, type BenchPattern} from './patterns.js';
import {denseMisfit} from './peers/tfjs_dense.js';
import {backwardRow, denseBackwardRow} from './backward.js';
import type {BackwardRecord, TrainingRecord} from './records.js';
import {sizesOf} from './training_report.js';
import {clockWords, describeRun, line} from './run_record.js';
import {digits, textTable, times} from './table.js';
import {openTimer} from './timer.js';
import {attentionOf, largestDifference, trainModel, type ModelSizes, type Trained} from './train_model.js';

const HELP = `npm run bench:training -- [options]
  --n 4096,16384           lengths of the gradients
  --patterns window,causal,dilated,longformer
  --shapes 1x8x65536,512x16x16   batch × heads × length of more gradients, causal: what fills a binding of 128 MiB
  --steps 200              training steps of the loss curves
  --curve 1024             length of the loss curves
  --long 8192              length at which only sparse attention trains
  --json FILE              write the JSON lines to FILE`;

const OPTIONS = {
  help: {type: 'boolean', default: false},
  n: {type: 'string'},
  patterns: {type: 'string', default: 'window,causal,dilated,longformer'},
  shapes: {type: 'string'},
  steps: {type: 'string'},
  curve: {type: 'string'},
  long: {type: 'string'},
  json: {type: 'string'},
} as const;

/** Gradients against the forward pass and against TensorFlow.js dense attention, and a small transformer that is trained with either. */
export async function main(args: readonly string[]): Promise<number> {
  const {values} = parseArgs({args: [...args], options: OPTIONS});
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const gpu = await openGpu();
  // A software adapter takes minutes for what a GPU does in milliseconds.
  const usual = gpu.software
    ? {n: '512', shapes: '32x4x16', steps: '5', curve: '128', long: '256'}
    : {n: '4096,16384', shapes: '1x8x65536,512x16x16', steps: '200', curve: '1024', long: '8192'};
  const sizes: ModelSizes = gpu.software ? {layers: 1, heads: 2, width: 32} : {layers: 4, heads: 8, width: 512};
  const timer = await openTimer(gpu);
  const run = describeRun(gpu, timer.clock);
  console.log(`${run.device} (${run.driver}), ${clockWords(run.clock)}\n`);
  if (values.json !== undefined) writeFileSync(values.json, line(run));
  const records: (BackwardRecord | TrainingRecord)[] = [];
  const add = (record: BackwardRecord | TrainingRecord): void => {
    records.push(record);
    if (values.json !== undefined) appendFileSync(values.json, line(record));
  };

  for (const n of list(values.n ?? usual.n).map((text) => positive('--n', text))) {
    const bench = {gpu, timer, batch: 1, n, heads: 8, headDim: 64};
    const fits = denseMisfit(gpu, bench.heads, n) === null && n <= 4096;
    const dense = fits ? await denseBackwardRow(bench, patternOf('window')) : null;
    if (dense !== null) add(dense);
    for (const name of list(values.patterns)) add(await backwardRow(bench, patternOf(name), dense));
  }
  for (const text of list(values.shapes ?? usual.shapes)) {
    const [batch, heads, n] = text.split('x').map((part) => positive('--shapes', part));
    if (n === undefined) throw new Error(`--shapes: '${text}' is no batch x heads x length`);
    add(await backwardRow({gpu, timer, batch: batch!, heads: heads!, n, headDim: 64}, patternOf('causal'), null));
  }
  const whole = (name: 'steps' | 'curve' | 'long'): number => positive(`--${name}`, values[name] ?? usual[name]);
  for (const record of await trainingRows(gpu, sizes, {steps: whole('steps'), curve: whole('curve'), long: whole('long')}))
    add(record);
  print(records);
  if (values.json === undefined) console.log(`\n${[run, ...records].map(line).join('')}`);
  return records.some(({system, error}) => system === 'tfjs-splat' && error !== undefined) ? 1 : 0;
}

function patternOf(name: string): BenchPattern {
  const found = PATTERNS.find((each) => each.name === name);
  if (found === undefined) throw new Error(`--patterns: '${name}' is none of ${PATTERNS.map((each) => each.name).join()}`);
  return found;
}

async function trainingRows(
  gpu: Gpu,
  sizes: ModelSizes,
  {steps, curve, long}: {steps: number; curve: number; long: number},
): Promise<TrainingRecord[]> {
  const window = patternOf('window');
  const sparse = await trainModel(sizes, curve, steps, attentionOf('sparse', window, curve));
  const dense = await trainModel(sizes, curve, steps, attentionOf('dense', window, curve));
  const alone = await trainModel(sizes, long, FEW_STEPS, attentionOf('sparse', window, long));
  const row = {kind: 'training' as const, pattern: window.name, ...sizes};
  const of = ({losses, stepMs}: Trained) => ({steps: losses.length, stepMs, firstLoss: losses[0]!, lastLoss: losses.at(-1)!});
  const misfit = denseMisfit(gpu, sizes.heads, long);
  return [
    {...row, system: 'tfjs dense', n: curve, ...of(dense)},
    {...row, system: 'tfjs-splat', n: curve, ...of(sparse), lossDifference: largestDifference(sparse.losses, dense.losses)},
    {...row, system: 'tfjs-splat', n: long, ...of(alone)},
    ...(misfit === null ? [] : [{...row, system: 'tfjs dense', n: long, steps: 0, stepMs: null, error: `does not fit: ${misfit}`}]),
  ];
}

/** Enough to see what a step takes. */
const FEW_STEPS = 6;

function print(records: readonly (BackwardRecord | TrainingRecord)[]): void {
  const backward = records.filter((record): record is BackwardRecord => record.kind === 'backward');
  console.log(
    textTable(
      ['pattern', 'n, heads × headDim', 'system', 'forward ms', 'backward ms', 'backward / forward', 'both, × dense', 'max error'],
      backward.map((r) => [
        r.pattern,
        sizesOf(r),
        r.system,
        r.error ?? digits(r.forwardMs),
        digits(r.backwardMs),
        times(r.overForward),
        times(r.timesDense),
        r.maxError === undefined ? '–' : r.maxError.toExponential(1),
      ]),
    ),
  );
  const trained = records.filter((record): record is TrainingRecord => record.kind === 'training');
  console.log();
  console.log(
    textTable(
      ['system', 'n', 'steps', 'ms a step', 'first loss', 'last loss', 'curve differs by'],
      trained.map((r) => [
        r.system,
        String(r.n),
        String(r.steps),
        r.error ?? digits(r.stepMs),
        digits(r.firstLoss),
        digits(r.lastLoss),
        r.lossDifference === undefined ? '–' : `${(100 * r.lossDifference).toPrecision(2)} %`,
      ]),
    ),
  );
}
