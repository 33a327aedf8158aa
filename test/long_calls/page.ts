import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';
import {causal, createWebGPUBackend, sparseAttention} from '../../src/index.js';
import {attentionRow} from '../support/attention_row.js';

/** What scripts/test_long_calls.mjs reads. */
export interface Told {
  readonly error: string | null;
  readonly losses: readonly string[];
  /** Of sampled rows. */
  readonly largestError: number;
  /** Milliseconds: of all calls, without an answer of the page's clock, between two submits that were done, and what the flag allows one. */
  readonly took: number;
  readonly longestPause: number;
  readonly longestWork: number;
  readonly most: number;
  readonly submits: number;
  readonly ticks: number;
}

const DIM = 64;
/** Rows that are compared, of each output. */
const ROWS = 40;

/** Issues all calls at once, as a model of many layers does, and watches the page meanwhile. */
export async function run(n: number, calls: number): Promise<void> {
  const losses: string[] = [];
  const {name} = await createWebGPUBackend({onLost: ({message}) => void losses.push(message)});
  await tf.setBackend(name);
  const {device} = tf.backend() as unknown as {device: GPUDevice};
  const x = tf.randomNormal([1, n, DIM], 0, 1, 'float32', 7) as tf.Tensor3D;
  const values = (await x.data()) as Float32Array;

  // Compiles the kernel, which is no dispatch.
  const few = tf.slice(x, [0, 0, 0], [1, 64, DIM]);
  await sparseAttention(few, few, few, causal()).data();

  const start = performance.now();
  let [last, longestPause, ticks] = [start, 0, 0];
  const clock = setInterval(() => {
    const now = performance.now();
    [longestPause, last, ticks] = [Math.max(longestPause, now - last), now, ticks + 1];
  }, 20);
  // When each submit of ours was done: the queue does them one after another.
  const {submit} = device.queue;
  const done: Promise<number>[] = [];
  device.queue.submit = (commands) => {
    submit.call(device.queue, commands);
    if ([...commands].length > 0) done.push(device.queue.onSubmittedWorkDone().then(() => performance.now()));
  };

  let error: string | null = null;
  let largestError = 0;
  let outputs: tf.Tensor[] = [];
  try {
    // The first is awaited: what it takes is how the others know what to expect.
    for (let call = 0; call < calls; call++) {
      outputs.push(sparseAttention(x, x, x, causal()));
      if (call === 0) await outputs[0]!.data();
    }
    for (const output of outputs) {
      const found = (await output.data()) as Float32Array;
      for (let sample = 0; sample < ROWS; sample++) {
        const row = Math.round((sample * (n - 1)) / (ROWS - 1));
        const right = attentionRow(values, row, DIM, row + 1);
        largestError = right.reduce((most, value, i) => Math.max(most, Math.abs(value - found[row * DIM + i]!)), largestError);
      }
    }
  } catch (reason) {
    error = String(reason);
  }
  clearInterval(clock);
  const times = [start, ...(await Promise.all(done))];
  const longestWork = times.reduce((most, time, i) => (i === 0 ? most : Math.max(most, time - times[i - 1]!)), 0);
  const took = performance.now() - start;
  const most = tf.env().getNumber('SPLAT_DISPATCH_MS');
  tf.dispose(outputs);
  outputs = [];
  Object.assign(globalThis, {
    told: {error, losses, largestError, took, longestPause, longestWork, most, submits: done.length, ticks},
  });
}

Object.assign(globalThis, {run});
