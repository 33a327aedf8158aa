import {appendFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {attentionWeights, sddmm, sparseAttention, sparseSoftmax, spmm, type SparseScores} from '../src/index.js';
import {mulberry32} from '../test/oracle.js';
import {finish, openGpu} from './gpu.js';
import {list, positive} from './options.js';
import type {ScoresRecord} from './records.js';
import {clockWords, describeRun, line} from './run_record.js';
import {CASES, type ScoreCase} from './score_cases.js';
import {digits, textTable, times} from './table.js';
import {openTimer, type Timer} from './timer.js';
import {variantsOf} from './score_variants.js';

const HELP = `npm run bench:scores -- [options]
  --size 256               the longest side of a table; default 16384, on a software adapter 128
  --only window,causal     cases whose name contains one of these words
  --gradients              with the gradients, too
  --variants               products with other limits of parts and other numbers a trip, too
  --json FILE              write the JSON lines to FILE`;

const OPTIONS = {
  help: {type: 'boolean', default: false},
  size: {type: 'string'},
  only: {type: 'string'},
  gradients: {type: 'boolean', default: false},
  variants: {type: 'boolean', default: false},
  json: {type: 'string'},
} as const;

const MOST = 16384;
const MOST_SOFTWARE = 128;
/** Scores of all pairs of longer sequences fit no binding. */
const MOST_DENSE = 4096;

/** Times packed scores, their softmax and products beside dense ones of TensorFlow.js, in one run; numbers are compared with float64 first. */
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
  for (const given of CASES.filter(({name}) => words.some((word) => name.includes(word)))) {
    const each = {...given, n: Math.min(most, given.n)};
    const records = await recordsOf(timer, each, values.gradients, values.variants);
    // As they come: whoever has no more time has what there is.
    if (values.json !== undefined) appendFileSync(values.json, records.map(line).join(''));
    console.log(`${scoresText(records)}\n`);
  }
  const error = gpu.takeErrors()[0];
  if (error !== undefined) throw new Error(`WebGPU said: ${error}`);
  await finish(gpu);
  return 0;
}

type Call = () => unknown;

async function recordsOf(timer: Timer, each: ScoreCase, gradients: boolean, variants: boolean): Promise<ScoresRecord[]> {
  const {name, n, heads, dim, productOnly = false} = each;
  const random = mulberry32(5);
  const draw = (): tf.Tensor4D =>
    tf.tensor4d(
      Float32Array.from({length: heads * n * dim}, () => 2 * random() - 1),
      [1, heads, n, dim],
    );
  const [query, key, value] = [draw(), draw(), draw()];
  const pattern = each.pattern(n);
  const started = performance.now();
  const scores = sddmm(query, key, pattern);
  const firstMs = performance.now() - started;
  const weights = sparseSoftmax(scores);
  const output = spmm(weights, value);
  await expectRows(scores, weights, output, [query, key, value]);
  output.dispose();

  const records: ScoresRecord[] = [];
  const sizes = {kind: 'scores', name, n, heads, dim, nnz: scores.nnz, firstMs} as const;
  const time = async (op: string, system: string, call: Call): Promise<void> => {
    const once = (): void => tf.dispose(tf.tidy(() => call() as tf.TensorContainer));
    once();
    const {ms, samples} = await timer.time((count) => {
      for (let i = 0; i < count; i++) once();
    });
    records.push({...sizes, op, system, ms, samples});
  };
  const own = 'tfjs-splat';
  const numbers = (table: SparseScores): tf.Tensor => table.values;
  if (!productOnly) {
    await time('sddmm', own, () => numbers(sddmm(query, key, pattern)));
    await time('softmax', own, () => numbers(sparseSoftmax(scores)));
    await time('weights', own, () => numbers(attentionWeights(query, key, pattern)));
    await time('all', own, () => spmm(attentionWeights(query, key, pattern), value));
    await time('all', 'sparseAttention', () => sparseAttention(query, key, value, pattern));
  }
  await time('spmm', own, () => spmm(weights, value));
  await time('spmm transposed', own, () => spmm(weights.transpose(), value));
  if (variants) for (const [what, call] of variantsOf(weights, value)) await time('spmm', what, call);
  if (gradients) {
    const training = tf.grads((q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) =>
      spmm(attentionWeights(q as tf.Tensor4D, k as tf.Tensor4D, pattern), v),
    );
    if (!productOnly) await time('training', own, () => training([query, key, value]));
    const product = tf.grads((w: tf.Tensor, v: tf.Tensor) => spmm(weights.withValues(w), v));
    await time('spmm training', own, () => product([weights.values, value]));
  }
  if (n <= MOST_DENSE || productOnly) {
    // What it holds changes no time, and those of 16,384 take a gigabyte to spread out.
    const dense = n <= MOST_DENSE ? weights.toDense() : tf.fill([1, heads, n, n], 1 / n);
    const scale = 1 / Math.sqrt(dim);
    const scored = (): tf.Tensor => tf.mul(tf.matMul(query, key, false, true), scale);
    if (!productOnly) {
      await time('sddmm', 'tfjs', scored);
      await time('softmax', 'tfjs', () => tf.softmax(dense));
      await time('all', 'tfjs', () => tf.matMul(tf.softmax(scored()), value));
    }
    await time('spmm', 'tfjs', () => tf.matMul(dense, value));
    dense.dispose();
  }
  tf.dispose([query, key, value, scores.values, weights.values]);
  return records;
}

/** Some rows of the first and last head against float64. */
async function expectRows(
  scores: SparseScores,
  weights: SparseScores,
  output: tf.Tensor,
  tensors: readonly tf.Tensor4D[],
): Promise<void> {
  const [, heads, n, dim] = tensors[0]!.shape;
  const [q, k, v] = (await Promise.all(tensors.map((tensor) => tensor.data()))) as [Float32Array, Float32Array, Float32Array];
  const [found, shares, sums] = (await Promise.all([scores.values, weights.values, output].map((tensor) => tensor.data()))) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const columns = scores.columns();
  const offsets = scores.rowOffsets;
  const expectNear = (what: string, actual: number, expected: number): void => {
    if (Math.abs(actual - expected) > 1e-4) throw new Error(`${what}: ${actual}, expected ${expected}`);
  };
  for (const head of new Set([0, heads - 1]))
    for (const row of new Set([0, 5, Math.floor(n / 3), n - 1])) {
      const own = Array.from(columns.subarray(offsets[row], offsets[row + 1]));
      const exact = own.map((column) => {
        let dot = 0;
        for (let d = 0; d < dim; d++) dot += q[(head * n + row) * dim + d]! * k[(head * n + column) * dim + d]!;
        return dot / Math.sqrt(dim);
      });
      const most = exact.reduce((a, b) => Math.max(a, b), -Infinity);
      const total = exact.reduce((sum, score) => sum + Math.exp(score - most), 0);
      own.forEach((_, i) => {
        const at = head * scores.nnz + offsets[row]! + i;
        expectNear(`score of row ${row}`, found[at]!, exact[i]!);
        expectNear(`weight of row ${row}`, shares[at]!, Math.exp(exact[i]! - most) / total);
      });
      for (let d = 0; d < dim; d++) {
        const sum = own.reduce(
          (all, column, i) => all + (Math.exp(exact[i]! - most) / total) * v[(head * n + column) * dim + d]!,
          0,
        );
        expectNear(`output of row ${row}`, sums[(head * n + row) * dim + d]!, sum);
      }
    }
}

function scoresText(records: readonly ScoresRecord[]): string {
  const rows = records.map(({name, n, heads, dim, nnz, op, system, ms, firstMs}) => {
    const dense = records.find((each) => each.op === op && each.system === 'tfjs');
    const sizes = `${heads} × ${n} × ${dim}, ${nnz} pairs`;
    return [name, sizes, op, system, digits(ms), dense === undefined ? '' : times(dense.ms / ms), digits(firstMs)];
  });
  return textTable(['case', 'sizes', 'op', 'system', 'ms', 'faster than tfjs', 'first sddmm, ms on the CPU'], rows);
}
