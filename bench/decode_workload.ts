import * as tf from '@tensorflow/tfjs-core';
import {causal, KvCache, prefix, slidingWindow, type Pattern} from '../src/index.js';
import {finish, type Gpu} from './gpu.js';
import {dense} from './peers/tfjs_dense.js';
import type {DecodeRecord} from './records.js';
import {halfInputs, rowErrors, type Inputs} from './reference.js';
import {median} from './table.js';
import type {Timer} from './timer.js';

export interface DecodeBench {
  readonly gpu: Gpu;
  readonly timer: Timer;
  readonly heads: number;
  readonly headDim: number;
}

/** One line of the table, measured when its turn comes. */
export interface DecodeRow {
  measure(): Promise<DecodeRecord>;
  skipped(error: string): DecodeRecord;
}

interface Case {
  readonly name: string;
  readonly pattern: Pattern;
  attends(query: number, key: number): boolean;
}

const LEFT = 511;
const SINKS = 4;
const CASES: readonly Case[] = [
  {
    name: `window ${LEFT + 1}, ${SINKS} sinks`,
    pattern: prefix(SINKS)
      .or(slidingWindow({left: LEFT}))
      .and(causal()),
    attends: (i, j) => j <= i && (j < SINKS || i - j <= LEFT),
  },
  {name: 'causal', pattern: causal(), attends: (i, j) => j <= i},
];

/** As in workload.ts; one wrong key of 131,072 shows above 1e-6. */
const LARGEST_ERROR = 1e-5;
/** Steps whose CPU time is taken. */
const CPU_STEPS = 200;
/** Tokens that a causal cache has room for beyond those before the step: the most between two rollbacks. */
const ROOM = 256;

/** One length: its tokens, and every system timed on the step after them. */
export class DecodeWorkload {
  /** Dense attention first: the others are compared with it. */
  readonly rows: readonly DecodeRow[];
  private readonly inputs: Inputs;
  private denseMs: number | undefined;

  constructor(
    private readonly bench: DecodeBench,
    private readonly n: number,
  ) {
    // One token more: the first step. Halves hold the numbers exactly.
    this.inputs = halfInputs(bench.heads, n + 1, bench.headDim);
    const cached = CASES.flatMap((each) => (['float32', 'float16'] as const).map((dtype) => this.cacheRow(each, dtype)));
    this.rows = [this.denseRow(), ...cached];
  }

  /** TensorFlow.js over keys and values that are there already; it masks nothing and appends nothing. */
  private denseRow(): DecodeRow {
    const row = this.row('tfjs dense', CASES[1]!, 'float32');
    return {
      skipped: (error) => ({...row, error}),
      measure: () =>
        this.caught(row, async () => {
          const [query, key, value] = [
            this.tokens('query', this.n, 1),
            this.tokens('key', 0, this.n + 1),
            this.tokens('value', 0, this.n + 1),
          ];
          const record = await this.timed(
            row,
            query,
            CASES[1]!,
            (next) => dense({query: next, key, value, mask: null}),
            () => {},
          );
          tf.dispose([query, key, value]);
          this.denseMs = record.ms ?? undefined;
          return {...record, bytes: 4 * (key.size + value.size)};
        }),
    };
  }

  private cacheRow(each: Case, dtype: 'float32' | 'float16'): DecodeRow {
    const row = this.row('KvCache', each, dtype);
    return {
      skipped: (error) => ({...row, error}),
      measure: () =>
        this.caught(row, async () => {
          const {heads, headDim} = this.bench;
          const isCausal = each.name === 'causal';
          const cache = new KvCache(each.pattern, {
            ...{keyHeads: heads, headDim, precision: dtype},
            ...(isCausal && {maxLength: this.n + 1 + ROOM}),
          });
          tf.tidy(
            () =>
              void cache.attend(this.tokens('query', 0, this.n), this.tokens('key', 0, this.n), this.tokens('value', 0, this.n)),
          );
          const [query, key, value] = (['query', 'key', 'value'] as const).map((name) => this.tokens(name, this.n, 1)) as [
            tf.Tensor4D,
            tf.Tensor4D,
            tf.Tensor4D,
          ];
          const step = (next: tf.Tensor4D): tf.Tensor4D => cache.attend(next, key, value);
          // A window costs the same wherever it is; of a causal cache the tokens are taken back.
          const back = (): void => {
            if (isCausal) cache.rollback(cache.lengths[0]! - this.n - 1);
          };
          const record = await this.timed(row, query, each, step, back);
          const {bytes} = cache;
          cache.dispose();
          tf.dispose([query, key, value]);
          return {
            ...record,
            bytes,
            ...(this.denseMs !== undefined && record.ms !== null && {timesDense: this.denseMs / record.ms}),
          };
        }),
    };
  }

  /** Checks the first step, then times steps of which each takes the output of the one before as its query. `back` undoes them. */
  private async timed(
    row: DecodeRecord,
    query: tf.Tensor4D,
    {attends}: Case,
    step: (query: tf.Tensor4D) => tf.Tensor4D,
    back: () => void,
  ): Promise<DecodeRecord> {
    const {gpu, timer} = this.bench;
    const first = step(query);
    const maxError = this.errorOf(await first.data(), attends);
    first.dispose();
    const enqueue = (count: number): void => {
      let next = query;
      for (let i = 0; i < count; i++) {
        const output = step(next);
        if (next !== query) next.dispose();
        next = output;
      }
      next.dispose();
      back();
    };
    const timing = await timer.time(enqueue);
    await finish(gpu);
    const cpu: number[] = [];
    for (let i = 0; i < CPU_STEPS; i++) {
      const start = performance.now();
      const output = step(query);
      cpu.push((performance.now() - start) * 1000);
      output.dispose();
    }
    back();
    await finish(gpu);
    const [fault] = gpu.takeErrors();
    const wrong = maxError <= LARGEST_ERROR ? undefined : `wrong: max error ${maxError.toExponential(1)}`;
    const error = fault === undefined ? wrong : `device error: ${fault.split('\n')[0]}`;
    return {...row, ...timing, cpuUs: median(cpu), maxError, ...(error !== undefined && {error})};
  }

  private async caught(row: DecodeRecord, measure: () => Promise<DecodeRecord>): Promise<DecodeRecord> {
    try {
      return await measure();
    } catch (error) {
      return {...row, error: String(error)};
    }
  }

  private row(system: string, {name}: Case, dtype: 'float32' | 'float16'): DecodeRecord {
    const {heads, headDim} = this.bench;
    return {kind: 'decode', system, pattern: name, dtype, tokens: this.n, heads, headDim, ms: null};
  }

  /** The tokens `from ≤ i < from + count`, [1, heads, count, headDim]. */
  private tokens(name: 'query' | 'key' | 'value', from: number, count: number): tf.Tensor4D {
    const {heads, headDim} = this.bench;
    const data = new Float32Array(heads * count * headDim);
    for (let h = 0; h < heads; h++) {
      const at = (h * (this.n + 1) + from) * headDim;
      data.set(this.inputs[name].subarray(at, at + count * headDim), h * count * headDim);
    }
    return tf.tensor4d(data, [1, heads, count, headDim]);
  }

  /** Of the first step, whose output is [1, heads, 1, headDim]. */
  private errorOf(output: ArrayLike<number>, attends: Case['attends']): number {
    const {heads, headDim} = this.bench;
    let largest = 0;
    for (let h = 0; h < heads; h++) {
      const found = Array.from({length: headDim}, (_, d) => output[h * headDim + d]!);
      largest = Math.max(largest, rowErrors(this.inputs, h, this.n, attends, found).absolute);
    }
    return largest;
  }
}
