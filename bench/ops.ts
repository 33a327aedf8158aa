import {appendFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {gelu, layerNorm, rmsNorm, silu} from '../src/index.js';
import {callRecords, callText} from './calls.js';
import {finish, openGpu} from './gpu.js';
import {list, positive} from './options.js';
import type {OpsRecord} from './records.js';
import {clockWords, describeRun, line} from './run_record.js';
import {digits, textTable, times} from './table.js';
import {openTimer, type Timer} from './timer.js';

const HELP = `npm run bench:ops -- [options]
  --rows 512,4096          rows of the tensors
  --widths 768,3072        numbers of a row
  --calls 640              CPU time of repeated calls, beside tf.matMul; 0 for none
  --json FILE              write the JSON lines to FILE`;

const OPTIONS = {
  help: {type: 'boolean', default: false},
  rows: {type: 'string'},
  widths: {type: 'string'},
  calls: {type: 'string', default: '640'},
  json: {type: 'string'},
} as const;

type Op = (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, residual: tf.Tensor) => tf.Tensor;

const EPSILON = 1e-6;

/** A norm as models write it in TensorFlow.js ops. */
const composedNorm =
  (centred: boolean): Op =>
  (x, gamma, beta, residual) => {
    const sum = tf.add(x, residual);
    const deviations = centred ? tf.sub(sum, tf.mean(sum, -1, true)) : sum;
    const normal = tf.mul(tf.mul(deviations, tf.rsqrt(tf.add(tf.mean(tf.square(deviations), -1, true), EPSILON))), gamma);
    return centred ? tf.add(normal, beta) : normal;
  };

/** Each op beside the same in TensorFlow.js ops. */
const OPS: Readonly<Record<string, {readonly ours: Op; readonly composed: Op}>> = {
  layerNorm: {
    ours: (x, gamma, beta, residual) => layerNorm(x, gamma, beta, {epsilon: EPSILON, residual}),
    composed: composedNorm(true),
  },
  rmsNorm: {ours: (x, gamma, _, residual) => rmsNorm(x, gamma, {epsilon: EPSILON, residual}), composed: composedNorm(false)},
  'gelu erf': {
    ours: (x) => gelu(x),
    composed: (x) => tf.mul(tf.mul(0.5, x), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))),
  },
  'gelu tanh': {
    ours: (x) => gelu(x, {approximate: 'tanh'}),
    composed: (x) => {
      const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.pow(x, 3))));
      return tf.mul(tf.mul(0.5, x), tf.add(1, tf.tanh(inner)));
    },
  },
  silu: {ours: (x) => silu(x), composed: (x) => tf.mul(x, tf.sigmoid(x))},
};

/** Times norms and activations beside the same in TensorFlow.js ops: forward, and with the gradients of all their tensors. */
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
  const sizes = (name: 'rows' | 'widths', usual: string): number[] =>
    list(values[name] ?? usual).map((text) => positive(`--${name}`, text));
  // First, as long as nothing else has made the machine busy.
  const calls = values.calls === '0' ? [] : await callRecords(gpu, positive('--calls', values.calls), 'all');
  if (values.json !== undefined) appendFileSync(values.json, calls.map(line).join(''));
  if (calls.length > 0) console.log(`${callText(calls)}\n`);
  const records: OpsRecord[] = [];
  for (const rows of sizes('rows', gpu.software ? '64' : '512,4096'))
    for (const width of sizes('widths', gpu.software ? '96' : '768,3072'))
      for (const op of Object.keys(OPS)) {
        const some = await recordsOf(timer, op, rows, width);
        records.push(...some);
        // As they come: whoever has no more time has what there is.
        if (values.json !== undefined) appendFileSync(values.json, some.map(line).join(''));
      }
  const error = gpu.takeErrors()[0];
  if (error !== undefined) throw new Error(`WebGPU said: ${error}`);
  await finish(gpu);
  console.log(opsText(records));
  if (values.json === undefined) console.log(`\n${[run, ...calls, ...records].map(line).join('')}`);
  return 0;
}

async function recordsOf(timer: Timer, op: string, rows: number, width: number): Promise<OpsRecord[]> {
  const [x, residual] = [1, 2].map((seed) => tf.randomNormal([rows, width], 0, 1, 'float32', seed)) as [tf.Tensor, tf.Tensor];
  const [gamma, beta] = [3, 4].map((seed) => tf.randomNormal([width], 0, 1, 'float32', seed)) as [tf.Tensor, tf.Tensor];
  const inputs = op.endsWith('Norm') ? [x, gamma, residual, ...(op === 'layerNorm' ? [beta] : [])] : [x];
  const {ours, composed} = OPS[op]!;
  const bind =
    (compute: Op): ((...all: tf.Tensor[]) => tf.Tensor) =>
    (first, scale = gamma, rest = residual, shift = beta) =>
      compute(first!, scale, shift, rest);
  const systems = {'tfjs-splat': bind(ours), 'tfjs ops': bind(composed)} as const;
  await expectSame(systems['tfjs-splat'](...inputs), systems['tfjs ops'](...inputs), op);
  const records: OpsRecord[] = [];
  for (const pass of ['forward', 'training'] as const)
    for (const [system, compute] of Object.entries(systems) as [OpsRecord['system'], (typeof systems)['tfjs ops']][]) {
      const gradients = tf.grads(compute);
      const call = (): void => tf.dispose(tf.tidy(() => (pass === 'forward' ? compute(...inputs) : gradients(inputs))));
      call();
      const {ms, samples} = await timer.time((count) => {
        for (let i = 0; i < count; i++) call();
      });
      records.push({kind: 'ops', op, pass, rows, width, system, ms, samples});
    }
  tf.dispose([x, residual, gamma, beta]);
  return records;
}

/** A time of wrong numbers is worth nothing. */
async function expectSame(found: tf.Tensor, expected: tf.Tensor, op: string): Promise<void> {
  const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(found, expected))));
  const [most] = await difference.data();
  if (!(most! < 1e-4)) throw new Error(`${op} differs from the same in TensorFlow.js ops by ${most}`);
  tf.dispose([found, expected, difference]);
}

function opsText(records: readonly OpsRecord[]): string {
  const rows = records
    .filter(({system}) => system === 'tfjs-splat')
    .map((ours) => {
      const composed = records.find(
        (each) =>
          each.system === 'tfjs ops' && (['op', 'pass', 'rows', 'width'] as const).every((name) => each[name] === ours[name]),
      )!;
      const {op, pass, rows, width, ms} = ours;
      return [`${op}, ${pass}`, `${rows} × ${width}`, digits(ms), digits(composed.ms), times(composed.ms / ms)];
    });
  return textTable(['op', 'tensor', 'tfjs-splat ms', 'tfjs ops ms', 'faster'], rows);
}
