// `npm run bench:planning`: how long planning takes, in plain JavaScript on one core. No GPU is touched.
//
// No benchmark library: a warm median of a synchronous function is ten lines, and the GPU half needs a clock of its own anyway.
import {spawnSync} from 'node:child_process';
import {appendFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import {compress} from '../src/acsr/index.js';
import {
  blockLocal,
  causal,
  fromMask,
  globalTokens,
  perHead,
  planAttention,
  prefix,
  slidingWindow,
  strided,
  type Pattern,
} from '../src/index.js';
import {PATTERNS} from './patterns.js';
import type {PlanningRecord} from './records.js';
import {digits, median} from './table.js';
import {drawMask, MASK_ZOO} from '../test/support/mask_zoo.js';

const PLAN_LENGTH = 16384;
const COPRIME_TARGET_MS = 300;
const PLAN_TARGET_MS = 5;
/** The most that 32 heads of four patterns may take, in times of the four. */
const HEADS_TARGET = 1.3;
const MASK_LENGTH = 4096;
const MASK_TARGET_MS = 50;
const LONG = {n: 131072, targetMs: 20};
const LONGEST = {n: 1048576, targetMs: 150};
const PEAK_TARGET_MIB = 64;
const COMPLEMENT_TARGET_MS = 20;
/** Of 16,384 rows that do not recur. */
const ANY_COMPLEMENT_TARGET_MS = 250;
const ANY_MASK_TARGET_MS = 80;

const UNIONS: readonly {readonly name: string; readonly pattern: Pattern}[] = [
  {
    name: 'window | global | strided',
    pattern: slidingWindow({left: 256, right: 256})
      .or(globalTokens(64))
      .or(strided({stride: 128})),
  },
  {
    name: 'causal & (window | strided | prefix)',
    pattern: slidingWindow({left: 511})
      .or(strided({stride: 128}))
      .or(prefix(64))
      .and(causal()),
  },
  {
    name: 'blockLocal | dilated | global',
    pattern: blockLocal({size: 256})
      .or(slidingWindow({left: 64, right: 64, dilation: 8}))
      .or(globalTokens(16)),
  },
];

/** Whatever it runs, one row may take so long to warm up, and as long to be timed, or the whole takes minutes. */
const ROW_MS = 300;

/** The median of `work`, of 3 to 25 runs, after 2 to `warming` that warm it up (V8 optimises the last loops after a dozen). */
function warmMedian(work: () => unknown, warming = 20): number {
  const timed = (least: number, most: number): number[] => {
    const times: number[] = [];
    const end = performance.now() + ROW_MS;
    while (times.length < most && (times.length < least || performance.now() < end)) {
      const start = performance.now();
      work();
      times.push(performance.now() - start);
    }
    return times;
  };
  timed(2, warming);
  return median(timed(3, 25));
}

function* planning(): Generator<PlanningRecord> {
  const shape = {queryLength: PLAN_LENGTH, keyLength: PLAN_LENGTH, headDim: 64, heads: 8};
  for (const {name, pattern} of [...PATTERNS, ...UNIONS])
    yield {
      ...{kind: 'planning', step: 'planAttention', pattern: name, n: PLAN_LENGTH, targetMs: PLAN_TARGET_MS},
      ms: warmMedian(() => planAttention(pattern, shape)),
    };
  yield* long();
  yield* complements();
  yield coprime();
  yield* headed();
  yield recognition();
  yield* anyMasks();
}

/** Named patterns at lengths of books. */
function* long(): Generator<PlanningRecord> {
  for (const {n, targetMs} of [LONG, LONGEST])
    for (const {name, pattern} of PATTERNS)
      yield {
        ...{kind: 'planning', step: 'planAttention', pattern: name, n, targetMs},
        ms: warmMedian(() => planAttention(pattern, {queryLength: n, keyLength: n, headDim: 64, heads: 8})),
        ...(n === LONGEST.n && {peakMiB: peakOf(name)}),
      };
}

/** The peak of a process of its own, for none ever falls. */
function peakOf(name: string): number {
  const {stdout, stderr} = spawnSync(process.execPath, [...process.execArgv, process.argv[1]!, '--peak', name], {encoding: 'utf8'});
  const peak = Number.parseFloat(stdout);
  if (Number.isNaN(peak)) throw new Error(stderr);
  return peak;
}

function printPeak(name: string): void {
  const {pattern} = PATTERNS.find((each) => each.name === name)!;
  const plan = (n: number): unknown => planAttention(pattern, {queryLength: n, keyLength: n, headDim: 64, heads: 8});
  for (let i = 0; i < 5; i++) plan(MASK_LENGTH);
  const before = process.memoryUsage().rss;
  plan(LONGEST.n);
  console.log((process.resourceUsage().maxRSS / 1024 - before / 2 ** 20).toFixed(1));
}

/** Nearly all pairs, by more runs than a row may have or many: rows recur in the first alone. */
function* complements(): Generator<PlanningRecord> {
  const n = PLAN_LENGTH;
  const stride = strided({stride: 128});
  const patterns = [
    stride.not(),
    stride.or(slidingWindow({left: 127})).not(),
    stride.and(causal()).not(),
    stride
      .and(causal())
      .or(slidingWindow({left: 127}))
      .not(),
    slidingWindow({left: 256, right: 256}).not(),
  ].map((pattern) => () => ({name: String(pattern), pattern}));
  const zoo = ['verticalSlash', 'nearest16', 'random1'].map((name) => () => ({
    name: `not ${name}`,
    pattern: drawMask(
      MASK_ZOO.find((each) => each.name === name)!,
      n,
    ).pattern.not(),
  }));
  for (const [index, make] of [...patterns, ...zoo].entries()) {
    const {name, pattern} = make();
    yield {
      ...{kind: 'planning', step: 'planAttention', pattern: name, n},
      ms: warmMedian(() => planAttention(pattern, {queryLength: n, keyLength: n, headDim: 64, heads: 8})),
      targetMs: index === 0 ? COMPLEMENT_TARGET_MS : ANY_COMPLEMENT_TARGET_MS,
    };
  }
}

/** Masks that no named pattern says, recognised and planned. */
function* anyMasks(): Generator<PlanningRecord> {
  const n = MASK_LENGTH;
  for (const each of MASK_ZOO) {
    const {pattern} = drawMask(each, n);
    const ms = warmMedian(() => planAttention(pattern, {queryLength: n, keyLength: n, headDim: 64, heads: 8}), 5);
    yield {kind: 'planning', step: 'planAttention, any mask', pattern: each.name, n, ms, targetMs: ANY_MASK_TARGET_MS};
  }
}

/** Two strides without a common factor, which repeat after their product alone. */
function coprime(): PlanningRecord {
  const n = 262144;
  const pattern = strided({stride: 63})
    .or(strided({stride: 64}))
    .and(causal());
  const ms = warmMedian(() => planAttention(pattern, {queryLength: n, keyLength: n, headDim: 64, heads: 8}));
  return {kind: 'planning', step: 'planAttention', pattern: String(pattern), n, ms, targetMs: COPRIME_TARGET_MS};
}

/** 32 heads of four patterns, beside the four: what is equal is planned once. */
function headed(): PlanningRecord[] {
  const names = ['causal', 'causalWindow', 'dilated', 'longformer'];
  const four = names.map((name) => PATTERNS.find((each) => each.name === name)!.pattern);
  const heads = perHead(Array.from({length: 32}, (_, head) => four[head % 4]!));
  const shape = {queryLength: PLAN_LENGTH, keyLength: PLAN_LENGTH, headDim: 64};
  const row = (step: string, ms: number, targetMs: number): PlanningRecord => ({
    ...{kind: 'planning', step, pattern: names.join(', '), n: PLAN_LENGTH, ms, targetMs},
  });
  const apart = warmMedian(() => four.map((pattern) => planAttention(pattern, {...shape, heads: 8})));
  const together = warmMedian(() => planAttention(heads, {...shape, heads: 32}));
  return [
    row('planAttention, one by one', apart, four.length * PLAN_TARGET_MS),
    row('planAttention, 32 heads', together, HEADS_TARGET * apart),
  ];
}

function recognition(): PlanningRecord {
  const n = MASK_LENGTH;
  const longformer = PATTERNS.find(({name}) => name === 'longformer')!;
  const mask = new Uint8Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) mask[i * n + j] = Number(longformer.attends(i, j));
  const shape = {queryLength: n, keyLength: n};
  const ms = warmMedian(() => compress(fromMask(mask, shape), {...shape, queryOffset: 0}));
  return {kind: 'planning', step: 'fromMask + compress', pattern: longformer.name, n, ms, targetMs: MASK_TARGET_MS};
}

const {json, peak} = parseArgs({options: {json: {type: 'string'}, peak: {type: 'string'}}}).values;
if (peak !== undefined) {
  printPeak(peak);
  process.exit(0);
}
/** Each row as it comes: whoever stops this has what was timed until then. */
const line = (cells: readonly string[]): string =>
  cells
    .map((cell, c) => (c === 0 ? cell.padEnd(72) : cell.padStart(9)))
    .join(' ')
    .trimEnd();
const against = (value: number, target: number): string => `${digits(value)}${value <= target ? ' ' : '!'}`;
console.log(line(['! missed', 'n', 'ms', 'target', 'peak MiB']));
if (json !== undefined) writeFileSync(json, '');
for (const record of planning()) {
  const {step, pattern, n, ms, targetMs, peakMiB} = record;
  const peak = peakMiB === undefined ? [] : [against(peakMiB, PEAK_TARGET_MIB)];
  console.log(line([`${step}: ${pattern}`, String(n), against(ms, targetMs), digits(targetMs), ...peak]));
  if (json !== undefined) appendFileSync(json, `${JSON.stringify(record)}\n`);
}
// Dawn is not loaded here, but TensorFlow.js may hold the process.
process.exit(0);
