import {loadGraphModel, type GraphModel} from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import {median} from '../../bench/table.js';
import {full, sparseIOHandler, type Pattern} from '../../src/index.js';
import type {Machine} from '../shell/machine.js';
import {peakBytes, withGpuErrors} from '../shell/meters.js';
import {messageOf} from '../shell/page.js';
import {Cancelled, type Progress} from '../shell/progress.js';
import {makeInputs, planInputs} from './inputs.js';
import {RUNS, type Outcome, type RunName} from './outcomes.js';

export interface Job {
  readonly artifacts: tf.io.ModelArtifacts;
  readonly pattern: Pattern;
  readonly length: number;
  readonly machine: Machine;
  readonly repetitions: number;
  readonly progress: Progress;
}

/** Runs the model in all ways on the same inputs, each loaded afresh and disposed of before the next. */
export async function runAll(job: Job): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const [index, name] of RUNS.entries()) {
    const say = (fraction: number, doing: string): Promise<void> =>
      job.progress.step((index + fraction) / RUNS.length, `${index + 1} of ${RUNS.length}, ${name}: ${doing}`);
    outcomes.push(await runOne(name, job, say));
  }
  return outcomes;
}

async function runOne(name: RunName, job: Job, say: (fraction: number, doing: string) => Promise<void>): Promise<Outcome> {
  const {artifacts, pattern, machine, length, repetitions} = job;
  let model: GraphModel | null = null;
  let inputs: tf.NamedTensorMap = {};
  try {
    await say(0, 'loading');
    return await withGpuErrors(machine, async () => {
      const loaded = await loadGraphModel(LOADERS[name](tf.io.fromMemory(artifacts), pattern));
      model = loaded;
      inputs = makeInputs(planInputs(loaded.inputs, length));
      await say(0.1, 'first run');
      let start = performance.now();
      const values = await run(loaded, inputs);
      const firstMs = performance.now() - start;
      const times: number[] = [];
      const {peak} = await peakBytes(machine, async () => {
        for (let i = 0; i < repetitions; i++) {
          await say(0.4 + (0.6 * i) / repetitions, `timing, ${i + 1} of ${repetitions}`);
          start = performance.now();
          await run(loaded, inputs);
          times.push(performance.now() - start);
        }
      });
      const bad = values.findIndex((value) => !Number.isFinite(value));
      const reason = bad < 0 ? null : `element ${bad} of the output is ${values[bad]}`;
      return {name, ms: reason === null ? median(times) : null, firstMs, peak, values, reason};
    });
  } catch (thrown) {
    if (thrown instanceof Cancelled) throw thrown;
    return {name, ms: null, firstMs: 0, peak: null, values: new Float32Array(0), reason: messageOf(thrown)};
  } finally {
    (model as GraphModel | null)?.dispose();
    tf.dispose(inputs);
  }
}

/** How each is loaded. Whatever else can be done to a model is a line here, and a name in `RUNS`. */
const LOADERS: Readonly<Record<RunName, (stored: tf.io.IOHandler, pattern: Pattern) => tf.io.IOHandler>> = {
  'as it is': (stored) => stored,
  'swapped, full()': (stored) => sparseIOHandler(stored, {pattern: full(), fold: false}),
  'folded, full()': (stored) => sparseIOHandler(stored, {pattern: full()}),
  'folded, pattern': (stored, pattern) => sparseIOHandler(stored, {pattern}),
};

/** All outputs on the processor. */
async function run(model: GraphModel, inputs: tf.NamedTensorMap): Promise<Float32Array> {
  const found = await predict(model, inputs);
  const outputs = found instanceof tf.Tensor ? [found] : Array.isArray(found) ? found : Object.values(found);
  try {
    const parts = await Promise.all(outputs.map((output) => output.data()));
    const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      values.set(part, at);
      at += part.length;
    }
    return values;
  } finally {
    tf.dispose(outputs);
  }
}

async function predict(model: GraphModel, inputs: tf.NamedTensorMap): Promise<tf.Tensor | tf.Tensor[] | tf.NamedTensorMap> {
  try {
    return model.predict(inputs);
  } catch (error) {
    // Graphs with loops, branches or outputs of unknown size.
    if (/executeAsync|dynamic/i.test(messageOf(error))) return model.predictAsync(inputs);
    throw error;
  }
}
