import {loadGraphModel, type GraphModel} from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import {
  full,
  planAttention,
  sparseIOHandler,
  SplatError,
  type Pattern,
  type SparseIOHandler,
  type SwapReport,
} from '../src/index.js';
import {webgpuBackend, type Machine} from './machine.js';
import {DEMO_ENCODER} from './model.js';
import {whole} from './format.js';
import {gpuErrors, PeakMeter} from './meters.js';

export type RunName = 'asIs' | 'dense' | 'fused' | 'full';

export interface RunSpec {
  readonly name: RunName;
  readonly title: string;
  /** The title where there is little room. */
  readonly short: string;
  readonly detail: string;
}

export const RUNS: readonly RunSpec[] = [
  {name: 'asIs', title: 'The model as it is', short: 'as it is', detail: 'every query attends to every key'},
  {name: 'full', title: 'Swapped, full()', short: 'swapped, full()', detail: 'the same pairs in one kernel'},
  {
    name: 'dense',
    title: 'Swapped, pattern, dense',
    short: 'swapped, dense',
    detail: 'every pair computed, the mask hides the rest',
  },
  {name: 'fused', title: 'Swapped, pattern, fused', short: 'swapped, fused', detail: 'only the tiles the pattern touches'},
];

/** Sums over the kernels of a run, in milliseconds: without what JavaScript takes to issue them. */
export interface GpuTime {
  readonly totalMs: number;
  /** Of the kernels that compute attention: ours, or those that read or write a score matrix. */
  readonly attentionMs: number;
}

export interface Measured {
  readonly spec: RunSpec;
  readonly kind: 'measured';
  /** Milliseconds from the call until the last logit is on the CPU. */
  readonly medianMs: number;
  /** The same for the first run: planning, compiling shaders. */
  readonly firstMs: number;
  /** What the GPU's clock says; null where it has none. */
  readonly gpu: GpuTime | null;
  /** The most bytes of GPU buffers in use at one time, or null where the backend does not say. */
  readonly peakBytes: number | null;
  /** [tokens · 256] */
  readonly logits: Float32Array;
  /** What sparseIOHandler replaced; null for the model as it is. */
  readonly report: SwapReport | null;
}

/** A run that did not take place, or broke: `kind` says which, `reason` is a sentence. */
export interface NotMeasured {
  readonly spec: RunSpec;
  readonly kind: 'refused' | 'failed';
  readonly reason: string;
}

export type Outcome = Measured | NotMeasured;

export interface Job {
  readonly artifacts: tf.io.ModelArtifacts;
  readonly pattern: Pattern;
  /** Bytes of the text; its length is the number of tokens. */
  readonly tokens: Uint8Array;
  readonly machine: Machine;
  readonly onProgress: (done: number, doing: string) => void;
}

/** Runs the model in all ways, one after the other, each loaded afresh and disposed of before the next. */
export async function runAll(job: Job): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const [index, spec] of RUNS.entries()) {
    const progress = (done: number, doing: string) =>
      job.onProgress((index + done) / RUNS.length, `${index + 1} of ${RUNS.length} · ${spec.title}: ${doing}`);
    const reason = whyNot(spec.name, job);
    outcomes.push(reason === null ? await runOne(spec, job, progress) : {spec, kind: 'refused', reason});
  }
  job.onProgress(1, 'done');
  return outcomes;
}

const TRIAL_LENGTH = 256;
/** Of the model as it is, once compiled. All runs together take about six times as long, and compiling some seconds. */
const LONGEST_RUN_MS = 17_000;

/** The longest of `lengths` that is expected to finish all runs within two minutes, from a trial run of the model as it is. */
export async function findLength(artifacts: tf.io.ModelArtifacts, {lengths}: Machine): Promise<number> {
  const model = await loadGraphModel(tf.io.fromMemory(artifacts));
  const inputs = inputsOf(new Uint8Array(TRIAL_LENGTH));
  await readLast(model, inputs);
  const start = performance.now();
  await readLast(model, inputs);
  const trialMs = performance.now() - start;
  model.dispose();
  tf.dispose(inputs);
  // Between a work that grows with the length and one that grows with its square; SwiftShader, 2026-11-20: 6.5 s at 256, 27 to 50 s at 1,024.
  const expected = (length: number) => trialMs * (0.75 * (length / TRIAL_LENGTH) + 0.25 * (length / TRIAL_LENGTH) ** 2);
  return lengths.findLast((length) => expected(length) < LONGEST_RUN_MS) ?? lengths[0]!;
}

/** Why a run cannot take place here, or null. TensorFlow.js does not check: it would return wrong numbers without an error. */
function whyNot(name: RunName, {tokens, machine, pattern}: Job): string | null {
  const {heads, headDim} = DEMO_ENCODER;
  const {device} = machine;
  if (device === undefined) return name === 'fused' ? 'The fused kernel needs WebGPU.' : null;
  if (name === 'fused') {
    try {
      planAttention(pattern, {
        queryLength: tokens.length,
        keyLength: tokens.length,
        heads,
        headDim,
        device,
        implementation: 'fused',
      });
      return null;
    } catch (error) {
      return error instanceof SplatError ? `This pattern has no fused kernel. ${error.message}` : String(error);
    }
  }
  if (name !== 'asIs') return null;
  const rows = heads * tokens.length;
  const scoreBytes = 4 * rows * tokens.length;
  if (scoreBytes > device.maxBindingBytes) {
    return (
      `The model as it is cannot run at this length: its score matrix would need ${whole(scoreBytes)} bytes, ` +
      `the limit of a binding here is ${whole(device.maxBindingBytes)} bytes.`
    );
  }
  if (rows > 65535) {
    return `The model as it is cannot run at this length: tf.softmax on WebGPU is wrong above 65,535 rows, and this is ${whole(rows)}.`;
  }
  return null;
}

async function runOne(spec: RunSpec, job: Job, progress: (done: number, doing: string) => void): Promise<Outcome> {
  const {machine, tokens} = job;
  const steps = machine.warmUps + machine.repetitions + 3;
  const errors = gpuErrors(machine);
  const peak = new PeakMeter(machine);
  let model: GraphModel | null = null;
  const inputs: tf.NamedTensorMap = {};
  try {
    await tell(progress, 0, 'loading');
    const handler = handlerFor(spec.name, job);
    model = await loadGraphModel(handler);
    const report = ('report' in handler && handler.report) || null;
    Object.assign(inputs, inputsOf(tokens));

    await tell(progress, 1 / steps, 'first run');
    let start = performance.now();
    const logits = await readAll(model, inputs);
    const firstMs = performance.now() - start;
    for (let i = 0; i < machine.warmUps; i++) {
      await tell(progress, (2 + i) / steps, 'warming up');
      await readLast(model, inputs);
    }
    peak.start();
    const times: number[] = [];
    for (let i = 0; i < machine.repetitions; i++) {
      await tell(
        progress,
        (2 + machine.warmUps + i) / steps,
        machine.repetitions > 1 ? `timing, ${i + 1} of ${machine.repetitions}` : 'timing',
      );
      start = performance.now();
      await readLast(model, inputs);
      times.push(performance.now() - start);
    }
    const peakBytes = peak.stop();
    await tell(progress, (steps - 1) / steps, "asking the GPU's clock");
    const gpu = await gpuTime(model, inputs);
    const broken = (await errors.first()) ?? notFinite(logits);
    if (broken !== null) {
      // Score matrices that one binding could hold may still be too many for the device: 2 GiB at 4,096 tokens.
      const tooLarge = spec.name === 'asIs' && broken.startsWith('GPUOutOfMemoryError');
      if (tooLarge) return {spec, kind: 'refused', reason: `The model as it is runs out of GPU memory at this length. ${broken}`};
      return {spec, kind: 'failed', reason: broken};
    }
    return {spec, kind: 'measured', medianMs: median(times), firstMs, peakBytes, gpu, logits, report};
  } catch (error) {
    return {spec, kind: 'failed', reason: error instanceof Error ? error.message : String(error)};
  } finally {
    peak.stop();
    errors.stop();
    model?.dispose();
    tf.dispose(inputs);
  }
}

function handlerFor(name: RunName, {artifacts, pattern}: Job): tf.io.IOHandler | SparseIOHandler {
  const stored = tf.io.fromMemory(artifacts);
  switch (name) {
    case 'asIs':
      return stored;
    case 'full':
      return sparseIOHandler(stored, {pattern: full()});
    case 'dense':
      return sparseIOHandler(stored, {pattern, implementation: 'dense'});
    case 'fused':
      return sparseIOHandler(stored, {pattern, implementation: 'fused'});
  }
}

function inputsOf(tokens: Uint8Array): tf.NamedTensorMap {
  return {
    'input_ids:0': tf.tensor2d(Int32Array.from(tokens), [1, tokens.length], 'int32'),
    'attention_mask:0': tf.ones([1, tokens.length], 'int32'),
  };
}

async function readAll(model: GraphModel, inputs: tf.NamedTensorMap): Promise<Float32Array> {
  const logits = model.predict(inputs) as tf.Tensor;
  try {
    return (await logits.data()) as Float32Array;
  } finally {
    logits.dispose();
  }
}

/** Runs the whole model and waits for it, but reads only the logits after the last token: 1 KB, so that the copy costs nothing. */
async function readLast(model: GraphModel, inputs: tf.NamedTensorMap): Promise<void> {
  const last = tf.tidy(() => {
    const logits = model.predict(inputs) as tf.Tensor3D;
    return tf.slice(logits, [0, logits.shape[1] - 1, 0], [1, 1, logits.shape[2]]);
  });
  try {
    await last.data();
  } finally {
    last.dispose();
  }
}

/** One more run, with a timestamp before and after each kernel. */
async function gpuTime(model: GraphModel, inputs: tf.NamedTensorMap): Promise<GpuTime | null> {
  if (tf.getBackend() !== 'webgpu' || !webgpuBackend().device.features.has('timestamp-query')) return null;
  const {kernels, result} = await tf.profile(() => tf.tidy(() => model.predict(inputs) as tf.Tensor));
  tf.dispose(result);
  const length = inputs['input_ids:0']!.shape[1]!;
  const isScores = (shape: readonly number[] | null) => shape?.length === 4 && shape[2] === length && shape[3] === length;
  let totalMs = 0;
  let attentionMs = 0;
  for (const {name, kernelTimeMs, inputShapes, outputShapes} of kernels) {
    // Typed as a number, it is a promise, too, and { error } for a kernel that ran on the CPU.
    const time = await kernelTimeMs;
    if (typeof time !== 'number') continue;
    totalMs += time;
    if (name === 'SparseAttention' || [...inputShapes, ...outputShapes].some(isScores)) attentionMs += time;
  }
  return {totalMs, attentionMs};
}

/** Shows the step and lets the browser paint it. */
async function tell(progress: (done: number, doing: string) => void, done: number, doing: string): Promise<void> {
  progress(done, doing);
  await new Promise((resolve) => setTimeout(resolve));
}

function notFinite(logits: Float32Array): string | null {
  const bad = logits.findIndex((logit) => !Number.isFinite(logit));
  return bad < 0 ? null : `Logit ${bad} is ${logits[bad]}.`;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
