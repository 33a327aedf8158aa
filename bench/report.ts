// Turns the JSON lines of one run (and of the peers measured beside it) into the tables of docs/benchmarks.md:
//   node --import tsx bench/report.ts --section NAME results/attention.jsonl results/planning.jsonl results/tiers.jsonl results/flex.jsonl
// The tiers go to the section NAME-tiers, training to NAME-training, decoding to NAME-decode, models to NAME-model, the language model to NAME-bytes,
// products of blocks to NAME-products, packed scores to NAME-scores.
// Without --section the tables are printed instead.
import {readFileSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {bytesTables} from './bytes_report.js';
import {decodeTables} from './decode_report.js';
import {modelTables} from './model_report.js';
import {productTables, scoreTables} from './product_report.js';
import type {AttentionRecord, BenchRecord, PlanningRecord, RunRecord} from './records.js';
import {replaceSection} from './sections.js';
import {digits, markdownTable, times, withoutEmpty} from './table.js';
import {tierTables} from './tier_report.js';
import {trainingTables} from './training_report.js';

const DOCUMENT = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url));

const {values, positionals} = parseArgs({options: {section: {type: 'string'}}, allowPositionals: true});
const records = positionals.flatMap(readLines);
const runs = records.filter((record) => record.kind === 'run');
const attention = attentionTables(records.filter((record) => record.kind === 'attention'));
const planning = planningTable(records.filter((record) => record.kind === 'planning'));
const tiers = tierTables(records);
const sections = [
  {suffix: '', run: runs.find(({granted}) => granted === undefined), tables: [...attention, ...planning]},
  {suffix: '-tiers', run: runs.find(({granted}) => granted !== undefined), tables: tiers},
  {suffix: '-training', run: runs.find(({granted}) => granted === undefined), tables: trainingTables(records)},
  {suffix: '-decode', run: runs.find(({granted}) => granted === undefined), tables: decodeTables(records)},
  {suffix: '-model', run: runs.find(({granted}) => granted === undefined), tables: modelTables(records)},
  {suffix: '-bytes', run: runs.find(({granted}) => granted === undefined), tables: bytesTables(records)},
  {suffix: '-products', run: runs.find(({granted}) => granted === undefined), tables: productTables(records)},
  {suffix: '-scores', run: runs.find(({granted}) => granted === undefined), tables: scoreTables(records)},
]
  // Files without any of a section's records leave that section as it is.
  .filter(({tables}) => tables.length > 0)
  .map(({suffix, run, tables}) => ({suffix, text: [heading(run), ...tables].filter((text) => text !== '').join('\n\n')}));
const name = values.section;
if (name === undefined) {
  console.log(sections.map(({text}) => text).join('\n\n'));
} else {
  const document = sections.reduce(
    (text, section) => replaceSection(text, `${name}${section.suffix}`, section.text, name),
    readFileSync(DOCUMENT, 'utf8'),
  );
  writeFileSync(DOCUMENT, document);
}

function readLines(file: string): BenchRecord[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((text) => text.startsWith('{'))
    .map((text) => JSON.parse(text) as BenchRecord);
}

function heading(run: RunRecord | undefined): string {
  if (run === undefined) return '';
  const clock = run.clock === 'gpu' ? 'clock-calibrated GPU timestamps' : 'wall clock';
  return [
    `**${run.device}** (${run.driver}), ${run.date.slice(0, 10)}. Times by ${clock}.`,
    `Host: ${run.host}; Node ${run.node}, TensorFlow.js ${run.tfjs}. Batch 1, float32 unless said.`,
  ].join('\n');
}

function attentionTables(rows: readonly AttentionRecord[]): string[] {
  const ours = rows.filter(({system}) => system === 'tfjs-splat');
  if (ours.length === 0) return [];
  const dense = rows.filter(({system}) => system === 'tfjs dense');
  const peer = ({pattern, n}: AttentionRecord, system: string, dtype = 'float32'): number | null =>
    rows.find((row) => row.system === system && row.dtype === dtype && row.pattern === pattern && row.n === n)?.ms ?? null;
  const torch = (row: AttentionRecord, dtype: string): number | null =>
    peer(row, row.pattern === 'full' ? 'PyTorch SDPA' : 'FlexAttention', dtype);
  const denseMs = (row: AttentionRecord): number | null =>
    row.timesDense !== undefined && row.ms !== null ? row.timesDense * row.ms : null;
  const size = ({n, heads, headDim}: AttentionRecord): string => `${n}, ${heads} × ${headDim}`;

  // A column that nobody measured in this run is left out.
  const speed = withoutEmpty(
    [
      'pattern',
      'n, heads × headDim',
      'kernel',
      'ms',
      'TFLOPS',
      'tile density',
      'tfjs dense ms',
      'faster',
      'prototype ms',
      'PyTorch f32 ms',
      'PyTorch f16 ms',
    ],
    ours.map((row) => [
      row.pattern,
      size(row),
      row.implementation ?? '–',
      row.error ?? digits(row.ms),
      digits(row.tflops),
      digits(row.tileDensity),
      digits(denseMs(row)),
      times(row.timesDense),
      digits(peer(row, 'prototype')),
      digits(torch(row, 'float32')),
      digits(torch(row, 'float16')),
    ]),
  );
  const costs = markdownTable(
    [
      'pattern',
      'n, heads × headDim',
      'plan ms',
      'first call ms',
      'new pipelines',
      'extra memory, MiB',
      'extra / output',
      'max error',
    ],
    ours.map((row) => [
      row.pattern,
      size(row),
      digits(row.planMs),
      digits(row.firstMs),
      String(row.pipelines ?? '–'),
      row.extraBytes === undefined ? '–' : digits(row.extraBytes / 2 ** 20),
      times(row.extraOverOutput),
      row.maxError === undefined ? '–' : row.maxError.toExponential(1),
    ]),
  );
  const limits = [...new Map(dense.filter(({error}) => error !== undefined).map((row) => [row.n, row])).values()];
  const pipelines = ours.reduce((sum, row) => sum + (row.pipelines ?? 0), 0);
  return [
    speed,
    ...(limits.length > 0 ? [limits.map(({n, error}) => `- TensorFlow.js dense attention at n = ${n}: ${error}.`).join('\n')] : []),
    `What the first call costs; the whole sweep compiled ${pipelines === 1 ? 'one pipeline' : `${pipelines} pipelines`}:`,
    costs,
  ];
}

function planningTable(rows: readonly PlanningRecord[]): string[] {
  if (rows.length === 0) return [];
  const cells = rows.map(({step, pattern, n, ms, targetMs}) => [`${step}: ${pattern}`, String(n), digits(ms), String(targetMs)]);
  // In a cell, the bar of a union would end the cell.
  const escaped = cells.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  return ['Planning in plain JavaScript, warm medians:', markdownTable(['step', 'n', 'ms', 'target ms'], escaped)];
}
