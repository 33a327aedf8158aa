import * as tf from '@tensorflow/tfjs-core';
import type {BenchPattern} from '../../bench/patterns.js';
import {benchInputs, sampledError, type Inputs} from '../../bench/reference.js';
import {median} from '../../bench/table.js';
import {planAttention, prepare, sparseAttention} from '../../src/index.js';
import {tfjsDense} from '../../test/tfjs_attention.js';
import {denseMisfit, scoreBytes} from '../shell/dense_limits.js';
import {whole} from '../shell/format.js';
import {finish, submit, type Machine} from '../shell/machine.js';
import {peakBytes, withGpuErrors} from '../shell/meters.js';
import type {Progress} from '../shell/progress.js';
import {callsOf, isAffordable, lengthsUpTo, type Known, type Pace} from './sizes.js';

export interface Job {
  readonly machine: Machine;
  readonly patterns: readonly BenchPattern[];
  readonly heads: number;
  readonly headDim: number;
  readonly longest: number;
  readonly pace: Pace;
  readonly progress: Progress;
}

/** One system at one length. `system` is `dense` or the name of a pattern. */
export interface Row {
  readonly system: string;
  readonly n: number;
  /** Milliseconds of a call, the median of the rounds; null: not measured, `reason` says why. */
  readonly ms: number | null;
  readonly rounds: number;
  readonly callsPerRound: number;
  /** The most GPU memory in use during a call beyond its inputs, with its output; null where nothing tells. */
  readonly bytes: number | null;
  /** Share of all pairs that attend. */
  readonly density: number;
  /** The largest difference of an element from float64, on sampled rows. */
  readonly maxError: number | null;
  readonly reason: string | null;
}

/** As in the benchmark: values lie in [−1, 1), and a single wrong key shows above this. */
export const LARGEST_ERROR = 1e-5;
/** From this size on dense attention submits after every call: TensorFlow.js would hold the scores of several calls until it does. */
const LARGE_SCORES = 2 ** 26;

interface System {
  readonly name: string;
  readonly pairs: number;
  readonly density: number;
  readonly attends: (query: number, key: number) => boolean;
  readonly prepare: () => Promise<void>;
  readonly attend: () => tf.Tensor;
}

/** Measures all lengths; `onRows` gets what is known after each. */
export async function measure(job: Job, onRows: (rows: readonly Row[]) => void): Promise<void> {
  const lengths = lengthsUpTo(job.pace.shortest, job.longest);
  const rows: Row[] = [];
  const history: History = {known: new Map(), gaveUp: new Map()};
  for (const [index, n] of lengths.entries()) {
    const say = (fraction: number, doing: string): Promise<void> =>
      job.progress.step((index + fraction) / lengths.length, `n = ${whole(n)}: ${doing}`);
    await say(0, 'making query, key and value');
    rows.push(...(await measureLength(job, n, history, say)));
    onRows(rows);
  }
}

type Say = (fraction: number, doing: string) => Promise<void>;

/** What is known of each system from the lengths before: how long it took, or why it is not asked again. */
interface History {
  readonly known: Map<string, Known>;
  readonly gaveUp: Map<string, string>;
}

async function measureLength(job: Job, n: number, history: History, say: Say): Promise<Row[]> {
  const {heads, headDim, machine, pace} = job;
  const inputs = benchInputs(heads, n, headDim);
  const shape: [number, number, number, number] = [1, heads, n, headDim];
  const [query, key, value] = [inputs.query, inputs.key, inputs.value].map((data) => tf.tensor4d(data, shape)) as [
    tf.Tensor4D,
    tf.Tensor4D,
    tf.Tensor4D,
  ];
  try {
    const rows: Row[] = [];
    const ready: {system: System; row: Row; times: number[]; calls: number}[] = [];
    const systems = [
      denseSystem(job, n, query, key, value),
      ...job.patterns.map((pattern) => sparseSystem(job, n, pattern, query, key, value)),
    ];
    for (const [index, system] of systems.entries()) {
      await say((0.6 * index) / systems.length, `${system.name}, first call`);
      const reason = whyNot(job, n, system, history);
      const row = reason === null ? await first(job, n, inputs, system) : missing(system, n, reason);
      rows.push(row);
      if (row.ms === null) history.gaveUp.set(system.name, row.reason!);
      else ready.push({system, row, times: [], calls: callsOf(row.ms, pace.roundMs)});
    }
    // In turns, so that a machine that gets hot or busy is so for all of them.
    for (let round = 0; round < pace.rounds; round++) {
      for (const {system, times, calls} of ready) {
        await say(0.6 + (0.4 * round) / pace.rounds, `round ${round + 1} of ${pace.rounds}`);
        times.push(await timeRound(job, n, system, calls));
      }
    }
    for (const {system, row, times, calls} of ready) {
      const ms = median(times);
      history.known.set(system.name, {ms, pairs: system.pairs});
      rows[rows.indexOf(row)] = {...row, ms, rounds: times.length, callsPerRound: calls};
    }
    await finish(machine);
    return rows;
  } finally {
    tf.dispose([query, key, value]);
  }
}

/** Without a mask: the cheapest way to write dense attention. A mask takes another n × n matrix and another pass over the scores. */
function denseSystem({headDim}: Job, n: number, query: tf.Tensor4D, key: tf.Tensor4D, value: tf.Tensor4D): System {
  return {
    name: 'dense',
    pairs: n * n,
    density: 1,
    attends: () => true,
    prepare: async () => {},
    attend: () => tfjsDense(query, key, value, null, 1 / Math.sqrt(headDim)),
  };
}

function sparseSystem(
  {heads, headDim, machine}: Job,
  n: number,
  {name, pattern, attends}: BenchPattern,
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
): System {
  const shape = {queryLength: n, keyLength: n, headDim, heads};
  const {nnz, density} = planAttention(pattern, {...shape, ...(machine.device && {device: machine.device})});
  return {
    name,
    pairs: nnz,
    density,
    attends,
    prepare: () => prepare(pattern, shape),
    attend: () => sparseAttention(query, key, value, pattern),
  };
}

function whyNot({heads, machine, pace}: Job, n: number, {name, pairs}: System, {known, gaveUp}: History): string | null {
  const misfit = name === 'dense' && machine.device !== undefined ? denseMisfit(heads, n, machine.device.maxBindingBytes) : null;
  if (misfit !== null) return `does not fit: ${misfit}`;
  return gaveUp.get(name) ?? (isAffordable(known.get(name), pairs, pace.mostMs) ? null : 'too slow here');
}

const missing = ({name, density}: System, n: number, reason: string): Row => ({
  system: name,
  n,
  ms: null,
  rounds: 0,
  callsPerRound: 0,
  bytes: null,
  density,
  maxError: null,
  reason,
});

/** Compiles, checks the answer, and estimates how long a call takes. */
async function first({machine}: Job, n: number, inputs: Inputs, system: System): Promise<Row> {
  try {
    return await withGpuErrors(machine, async () => {
      await system.prepare();
      const output = system.attend();
      const maxError = sampledError(inputs, system.attends, await output.data());
      output.dispose();
      await finish(machine);
      const before = tf.memory().numBytes;
      const start = performance.now();
      const {peak} = await peakBytes(machine, async () => {
        system.attend().dispose();
        await finish(machine);
      });
      const ms = performance.now() - start;
      const row = {...missing(system, n, ''), reason: null, ms, maxError, bytes: peak === null ? null : Math.max(0, peak - before)};
      return maxError <= LARGEST_ERROR ? row : {...row, ms: null, reason: `wrong by ${maxError.toExponential(1)}`};
    });
  } catch (error) {
    return missing(system, n, error instanceof Error ? error.message : String(error));
  }
}

async function timeRound({heads, machine}: Job, n: number, {name, attend}: System, calls: number): Promise<number> {
  const submits = name === 'dense' && scoreBytes(heads, n) >= LARGE_SCORES;
  const start = performance.now();
  for (let call = 0; call < calls; call++) {
    attend().dispose();
    if (submits) submit(machine);
  }
  await finish(machine);
  return (performance.now() - start) / calls;
}
