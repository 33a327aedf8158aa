import {loadGraphModel, type GraphModel} from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import {median} from '../../bench/table.js';
import {capture, full, sparseIOHandler, type Pattern} from '../../src/index.js';
import {untilDone, type Machine} from '../shell/machine.js';
import {peakBytes, withGpuErrors} from '../shell/meters.js';
import {messageOf} from '../shell/page.js';
import {Cancelled, type Progress} from '../shell/progress.js';
import {makeInputs, planInputs} from './inputs.js';
import {RUNS, type Outcome, type ReplayCost, type RunName} from './outcomes.js';

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
  const names = RUNS.filter((name) => job.machine.backend === 'webgpu' || WAYS[name].start !== captured);
  for (const [index, name] of names.entries()) {
    const say = (fraction: number, doing: string): Promise<void> =>
      job.progress.step((index + fraction) / names.length, `${index + 1} of ${names.length}, ${name}: ${doing}`);
    outcomes.push(await runOne(name, job, say));
  }
  return outcomes;
}

async function runOne(name: RunName, job: Job, say: (fraction: number, doing: string) => Promise<void>): Promise<Outcome> {
  const {artifacts, pattern, machine, length, repetitions} = job;
  const {load, start} = WAYS[name];
  let model: GraphModel | null = null;
  let running: Running | null = null;
  let inputs: tf.NamedTensorMap = {};
  try {
    await say(0, 'loading');
    return await withGpuErrors(machine, async () => {
      const loaded = await loadGraphModel(load(tf.io.fromMemory(artifacts), pattern));
      model = loaded;
      inputs = makeInputs(planInputs(loaded.inputs, length));
      await say(0.1, 'first run');
      let begin = performance.now();
      const {run} = (running = await start(loaded, inputs));
      const values = await run();
      const firstMs = performance.now() - begin;
      const times: number[] = [];
      const {peak} = await peakBytes(machine, async () => {
        for (let i = 0; i < repetitions; i++) {
          await say(0.4 + (0.6 * i) / repetitions, `timing, ${i + 1} of ${repetitions}`);
          begin = performance.now();
          await run();
          times.push(performance.now() - begin);
        }
      });
      const bad = values.findIndex((value) => !Number.isFinite(value));
      const reason = bad < 0 ? null : `element ${bad} of the output is ${values[bad]}`;
      const ms = reason === null ? median(times) : null;
      const replay = await running.cost?.(repetitions);
      return {name, ms, firstMs, peak: peak === null ? null : peak + running.bytes, values, reason, ...(replay && {replay})};
    });
  } catch (thrown) {
    if (thrown instanceof Cancelled) throw thrown;
    return {name, ms: null, firstMs: 0, peak: null, values: new Float32Array(0), reason: messageOf(thrown)};
  } finally {
    (running as Running | null)?.dispose();
    (model as GraphModel | null)?.dispose();
    tf.dispose(inputs);
  }
}

/** A model that is ready to run on its inputs. */
interface Running {
  /** All outputs on the processor, one after the other. */
  run(): Promise<Float32Array>;
  /** GPU memory that it holds beside what TensorFlow.js counts. */
  readonly bytes: number;
  /** What a replay costs the processor, over so many. */
  cost?(repetitions: number): Promise<ReplayCost>;
  dispose(): void;
}

/** How each is loaded and called. Whatever else can be done to a model is a line here, and a name in `RUNS`. */
interface Way {
  readonly load: (stored: tf.io.IOHandler, pattern: Pattern) => tf.io.IOHandler;
  readonly start: (model: GraphModel, inputs: tf.NamedTensorMap) => Promise<Running>;
}

const called: Way['start'] = (model, inputs) =>
  Promise.resolve({
    async run() {
      const outputs = listed(await predict(model, inputs));
      try {
        return joined(await Promise.all(outputs.map((output) => output.data())));
      } finally {
        tf.dispose(outputs);
      }
    },
    bytes: 0,
    dispose() {},
  });

const captured: Way['start'] = async (model, inputs) => {
  const replay = await capture((given: tf.NamedTensorMap) => listed(model.predict(given)), inputs);
  return {
    run: async () => joined(await replay.read(inputs)),
    bytes: replay.bytes,
    async cost(repetitions) {
      const {dispatches} = replay;
      const times: number[] = [];
      for (let i = 0; i < repetitions; i++) {
        const begin = performance.now();
        const outputs = replay.run(inputs);
        times.push((1000 * (performance.now() - begin)) / dispatches);
        tf.dispose(outputs);
        await untilDone();
      }
      return {dispatches, dispatchUs: median(times)};
    },
    dispose: () => replay.dispose(),
  };
};

const WAYS: Readonly<Record<RunName, Way>> = {
  'as it is': {load: (stored) => stored, start: called},
  'swapped, full()': {load: (stored) => sparseIOHandler(stored, {pattern: full(), fold: false}), start: called},
  'folded, full()': {load: (stored) => sparseIOHandler(stored, {pattern: full()}), start: called},
  'folded, pattern': {load: (stored, pattern) => sparseIOHandler(stored, {pattern}), start: called},
  'captured, pattern': {load: (stored, pattern) => sparseIOHandler(stored, {pattern}), start: captured},
};

type Found = tf.Tensor | tf.Tensor[] | tf.NamedTensorMap;

const listed = (found: Found): tf.Tensor[] =>
  found instanceof tf.Tensor ? [found] : Array.isArray(found) ? found : Object.values(found);

function joined(parts: readonly ArrayLike<number>[]): Float32Array {
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  return values;
}

async function predict(model: GraphModel, inputs: tf.NamedTensorMap): Promise<Found> {
  try {
    return model.predict(inputs);
  } catch (error) {
    // Graphs with loops, branches or outputs of unknown size.
    if (/executeAsync|dynamic/i.test(messageOf(error))) return model.predictAsync(inputs);
    throw error;
  }
}
