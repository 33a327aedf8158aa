// `npm run bench:calibrate -- FILE…`: the rates of a GPU, fitted to what `bench:masks --json FILE` measured there.
import {readFileSync} from 'node:fs';
import {REFERENCE, SOFTWARE, type Gpu} from '../src/plan/index.js';
import {predicted} from './mask_counts.js';
import {spearman} from './mask_report.js';
import type {BenchRecord, MaskRecord} from './records.js';
import {digits, median, textTable} from './table.js';

/** The rates that predictions are made of, each on one line; the others say what runs at once. */
const RATES: readonly {readonly name: string; get(gpu: Gpu): number; set(gpu: Gpu, value: number): Gpu}[] = [
  ...(Object.keys(REFERENCE.flopsPerMs) as (keyof Gpu['flopsPerMs'])[]).map((name) => ({
    name: `flopsPerMs.${name}`,
    get: (gpu: Gpu) => gpu.flopsPerMs[name],
    set: (gpu: Gpu, value: number) => ({...gpu, flopsPerMs: {...gpu.flopsPerMs, [name]: value}}),
  })),
  ...(
    [
      ...(['partialTile', 'bitTile', 'listTile', 'matrixListTile', 'firstDispatchMs', 'dispatchMs'] as const),
      ...(['ownRowMs', 'ownPairMs', 'ownKeyMs', 'fourRowMs', 'fourMs', 'idleMs', 'itemMs', 'unfilled'] as const),
    ] as const
  ).map((name) => ({
    name,
    get: (gpu: Gpu) => gpu[name],
    set: (gpu: Gpu, value: number) => ({...gpu, [name]: value}),
  })),
];

/** Kernels that were timed and what their plans count. */
export type Timed = MaskRecord & Required<Pick<MaskRecord, 'counted'>> & {readonly ms: number};

export const timedOf = (records: readonly BenchRecord[]): Timed[] =>
  records
    .filter((row): row is Timed => row.kind === 'mask' && row.ms != null && row.error === undefined && row.counted !== undefined)
    .filter((row, i, all) => all.findIndex((other) => sameKernel(row, other)) === i);

const sameKernel = (a: Timed, b: Timed): boolean => a.mask === b.mask && a.n === b.n && a.system === b.system && a.ms === b.ms;

/** Rates that are no times: factors, and floating-point operations in a millisecond. */
const isTime = (name: string): boolean => name.endsWith('Ms');

/** A GPU that is slower at everything. */
const slowed = (gpu: Gpu, factor: number): Gpu =>
  RATES.reduce((slow, {name, get, set}) => {
    if (isTime(name)) return set(slow, get(slow) * factor);
    return name.startsWith('flops') ? set(slow, get(slow) / factor) : slow;
  }, gpu);

/** What a factor of 2 beyond the reference costs, in mean squares of factors of 2 between predicted and measured: rates that hardly count stay. */
const PULL = 0.002;
const STEPS = [2, 1.3, 1.1, 1.03, 1.01];

/**
 * The rates with which predictions come nearest to what was measured: the reference as fast as this GPU is in the median, then steps along
 * one rate after another. Far misses count by their
 * size and not by its square: they are what the model leaves out, and no rate mends that.
 */
export function fitRates(rows: readonly Timed[], reference: Gpu): Gpu {
  const start = slowed(reference, median(rows.map(({counted, ms}) => ms / predicted(counted, reference))));
  const loss = (gpu: Gpu): number => {
    const misses = rows.reduce((sum, {counted, ms}) => sum + huber(Math.log2(predicted(counted, gpu) / ms)), 0);
    const pull = RATES.reduce((sum, {get}) => sum + Math.log2(get(gpu) / get(start)) ** 2, 0);
    return misses / rows.length + PULL * pull;
  };
  let [best, least] = [start, loss(start)];
  for (const step of STEPS) {
    for (let isBetter = true; isBetter;) {
      isBetter = false;
      for (const {get, set} of RATES) {
        for (const factor of [step, 1 / step]) {
          const next = set(best, get(best) * factor);
          const found = loss(next);
          if (found < least - 1e-9) [best, least, isBetter] = [next, found, true];
        }
      }
    }
  }
  return best;
}

/** From a miss of this many factors of two on it counts by its size. */
const FAR = 0.4;

const huber = (miss: number): number => (Math.abs(miss) <= FAR ? miss ** 2 : FAR * (2 * Math.abs(miss) - FAR));

export function calibrationText(system: string, rows: readonly Timed[], reference: Gpu = REFERENCE): string {
  const fitted = fitRates(rows, reference);
  const line = (name: string, gpu: Gpu): string[] => {
    const found = rows.map(({counted}) => predicted(counted, gpu));
    const misses = rows.map(({ms}, i) => Math.abs(Math.log2(found[i]! / ms)));
    const rank = spearman(
      found,
      rows.map(({ms}) => ms),
    );
    return [name, rank.toFixed(3), `${digits(2 ** median(misses))}×`, `${digits(2 ** Math.max(...misses))}×`];
  };
  const quality = textTable(
    ['rates', 'Spearman', 'median miss', 'largest'],
    [line('reference', reference), line('fitted', fitted)],
  );
  const rates = textTable(
    ['rate', 'reference', 'fitted', 'factor'],
    RATES.map(({name, get}) => [
      name,
      get(reference).toPrecision(3),
      get(fitted).toPrecision(3),
      digits(get(fitted) / get(reference)),
    ]),
  );
  const worst = rows
    .map((row) => ({row, factor: row.ms / predicted(row.counted, fitted)}))
    .sort((a, b) => Math.abs(Math.log2(b.factor)) - Math.abs(Math.log2(a.factor)))
    .slice(0, 12)
    .map(({row, factor}) => [`${row.mask} ${row.n} ${row.asked}`, digits(row.ms), digits(factor)]);
  const misses = textTable(['farthest from the fit', 'ms', 'measured / fitted'], worst);
  return `${system}, ${rows.length} kernels\n\n${quality}\n\n${rates}\n\n${misses}`;
}

/** Prints the fit of each system of the files. */
export function main(files: readonly string[]): number {
  if (files.length === 0) {
    console.error('npm run bench:calibrate -- FILE…\n  files that npm run bench:masks -- --json FILE has written');
    return 2;
  }
  const records = files.flatMap((file) =>
    readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((each) => JSON.parse(each) as BenchRecord),
  );
  const devices = new Set(records.flatMap((record) => (record.kind === 'run' ? [record.device] : [])));
  if (devices.size > 1) {
    console.error(`The files are of ${devices.size} devices: ${[...devices].join('; ')}. Fit one at a time.`);
    return 2;
  }
  const rows = timedOf(records);
  const isSoftware = records.some((record) => record.kind === 'run' && record.software);
  for (const system of new Set(rows.map((row) => row.system)))
    console.log(
      calibrationText(
        system,
        rows.filter((row) => row.system === system),
        isSoftware ? SOFTWARE : REFERENCE,
      ) + '\n',
    );
  return rows.length === 0 ? 1 : 0;
}
