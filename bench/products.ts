import {appendFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {blockSparseMatMul, currentDevice, planBlockSparse, type BlockSparseOptions} from '../src/index.js';
import {finish, openGpu, openTiersGpu, type Gpu} from './gpu.js';
import {list, positive} from './options.js';
import {CASES, drawn, expectSampled, scaled, type ProductCase} from './product_cases.js';
import {timeTiles} from './product_tiles.js';
import type {ProductsRecord} from './records.js';
import {clockWords, describeRun, line} from './run_record.js';
import {digits, textTable, times} from './table.js';
import {openTimer, type Timer} from './timer.js';

const HELP = `npm run bench:products -- [options]
  --size 256               the longest side of a matrix; default 16384, on a software adapter 128
  --only ones,pruned       cases whose name contains one of these words
  --gradients              with the gradients of both operands, too
  --tiles                  the cases in every shape of tiles that fits, on buffers of their own
  --json FILE              write the JSON lines to FILE`;

const OPTIONS = {
  help: {type: 'boolean', default: false},
  size: {type: 'string'},
  only: {type: 'string'},
  gradients: {type: 'boolean', default: false},
  tiles: {type: 'boolean', default: false},
  json: {type: 'string'},
} as const;

const MOST = 16384;
const MOST_SOFTWARE = 128;

/** Times products of blocks beside tf.matMul of the same tensors, in one run; numbers are compared with float64 first. */
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
  const most = positive('--size', values.size ?? String(gpu.software ? MOST_SOFTWARE : MOST));
  const words = values.only === undefined ? [''] : list(values.only);
  const asked = CASES.filter(({name}) => words.some((word) => name.includes(word))).map((each) => scaled(each, most));
  const cases = asked.filter(({precision}) => precision === undefined);
  if (values.tiles) {
    console.log(await timeTiles(gpu, timer, cases));
    return 0;
  }
  const records: ProductsRecord[] = [];
  const measure = async (on: Gpu, own: Timer, some: readonly ProductCase[]): Promise<void> => {
    for (const each of some) {
      const found = await recordsOf(own, each, values.gradients);
      records.push(...found);
      // As they come: whoever has no more time has what there is.
      if (values.json !== undefined) appendFileSync(values.json, found.map(line).join(''));
    }
    const error = on.takeErrors()[0];
    if (error !== undefined) throw new Error(`WebGPU said: ${error}`);
    await finish(on);
  };
  await measure(gpu, timer, cases);
  const onMatrices = asked.filter(({precision}) => precision !== undefined);
  if (onMatrices.length > 0) {
    // A device of its own: the stock backend asks for no tensor cores.
    const {gpu: granted, report} = await openTiersGpu();
    if (report.tensorCores.length === 0) console.log('No tensor cores here: their cases are left out.');
    else await measure(granted, await openTimer(granted), onMatrices);
  }
  console.log(productsText(records));
  if (values.json === undefined) console.log(`\n${[run, ...records].map(line).join('')}`);
  return 0;
}

async function recordsOf(timer: Timer, each: ProductCase, gradients: boolean): Promise<ProductsRecord[]> {
  const own = drawn(each);
  const {a, b, options} = own;
  const [left, right] = [a, b].map(({shape, values}) => tf.tensor(values, [...shape])) as [tf.Tensor, tf.Tensor];
  const started = performance.now();
  const plan = planBlockSparse(left, right, {...options, device: currentDevice()});
  const planningMs = performance.now() - started;
  const output = blockSparseMatMul(left, right, options);
  expectSampled(own, await output.data());
  output.dispose();
  const systems = {
    'tfjs-splat': (x: tf.Tensor, y: tf.Tensor) => blockSparseMatMul(x, y, options),
    'tf.matMul': (x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y, options.transposeA ?? false, options.transposeB ?? false),
  } as const;
  const {name, m, k, n, batch = 1} = each;
  const records: ProductsRecord[] = [];
  for (const pass of gradients ? (['forward', 'training'] as const) : (['forward'] as const))
    for (const [system, compute] of Object.entries(systems) as [ProductsRecord['system'], (typeof systems)['tf.matMul']][]) {
      const differentiate = tf.grads((x: tf.Tensor, y: tf.Tensor) => compute(x, y));
      const call = (): void =>
        tf.dispose(tf.tidy(() => (pass === 'forward' ? compute(left, right) : differentiate([left, right]))));
      call();
      const {ms, samples} = await timer.time((count) => {
        for (let i = 0; i < count; i++) call();
      });
      const work = {usefulGflop: plan.usefulFlops / 1e9, choice: plan.choice, predictedMs: plan.predictedMs, planningMs};
      records.push({kind: 'products', name, pass, m, k, n, batch, block: blockText(options), system, ms, samples, ...work});
    }
  tf.dispose([left, right]);
  return records;
}

const blockText = ({blockSize}: BlockSparseOptions): string =>
  typeof blockSize === 'number' ? String(blockSize) : `${blockSize.m}×${blockSize.k}×${blockSize.n}`;

function productsText(records: readonly ProductsRecord[]): string {
  const rows = records
    .filter(({system}) => system === 'tfjs-splat')
    .map((ours) => {
      const {name, pass, batch, m, k, n, block, ms, usefulGflop, choice, predictedMs, planningMs} = ours;
      const dense = records.find((each) => each.system === 'tf.matMul' && each.name === name && each.pass === pass)!;
      const sizes = `${batch === 1 ? '' : `${batch} × `}${m}×${k}×${n}`;
      // Gradients compute twice what the product does.
      const rate = digits((usefulGflop * (pass === 'forward' ? 1 : 3)) / ms);
      return [
        `${name}, ${pass}`,
        sizes,
        block,
        choice,
        digits(ms),
        digits(dense.ms),
        times(dense.ms / ms),
        rate,
        digits(predictedMs),
        digits(planningMs),
      ];
    });
  const header = ['case', 'm×k×n', 'block', 'by', 'ms', 'tf.matMul ms', 'faster', 'TFLOPS', 'predicted ms', 'planning ms'];
  return textTable(header, rows);
}
