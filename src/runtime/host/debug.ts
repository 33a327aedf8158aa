import * as tf from '@tensorflow/tfjs-core';
import {
  checkAcsr,
  checkGradientPlan,
  checkLaunches,
  checkPlan,
  isWide,
  launchesText,
  linesText,
  patternText,
  planText,
  type Launched,
  type Lines,
  type Pattern,
  type Plan,
  type Work,
  workText,
} from '../../pure.js';
import type {Host} from './backend.js';
import {waitFor} from './wait.js';

/** What there is to see of a call before anything is launched: without a plan TensorFlow.js ops compute it. */
interface Rooms {
  /** Null where the mask is a tensor. */
  readonly pattern: Pattern | null;
  readonly lines: Lines | null;
  readonly plan?: Plan;
}

/** Records that keep their laws. Checking a plan expands its mask, so each is checked once. */
const lawful = new WeakSet<object>();

function check<Record extends object>(record: Record, law: (record: Record) => void): void {
  if (lawful.has(record)) return;
  law(record);
  lawful.add(record);
}

/** Checks the records of a call, and prints its pattern (level 1) and its rows (2). Throws what a checker finds. */
export function showCall(level: number, what: string, {pattern, lines, plan}: Rooms): void {
  lines?.rows.forEach((acsr) => check(acsr, checkAcsr));
  if (plan !== undefined) check(plan, checkPlan);
  print(`${what}\n${patternText(pattern)}`);
  if (level >= 2 && lines !== null) print(linesText(lines));
  if (level < 3) return;
  if (plan === undefined) print(`plan     TensorFlow.js ops in chunks of queries, on the backend '${tf.getBackend()}'`);
  else if (isWide(plan.problem)) print(planText(plan));
}

const isReported = (plan: Plan | Work): plan is Plan => 'reason' in plan;

/** Checks launches and prints their plan (level 3) and their WGSL (4), of forward and backward passes and of decoding steps. */
export function showLaunches(level: number, launched: Launched): void {
  const {plan, launches, gradients} = launched;
  if (gradients !== undefined) check(gradients, checkGradientPlan);
  check(launched, checkLaunches);
  if (level >= 3 && plan !== null) print(isReported(plan) ? planText(plan) : workText(plan));
  if (level >= 4) print(launchesText(launches));
}

/**
 * At level 5: what is to be called once the work is encoded or computed. It prints the milliseconds until the GPU is done, what waited in
 * its queue before included, or those that TensorFlow.js ops took.
 */
export function stopwatch(level: number, what: string, host: Host | null): () => void {
  if (level < 5) return () => {};
  host?.flush();
  const start = performance.now();
  return () => {
    const tell = (): void => print(`time     ${what}: ${(performance.now() - start).toFixed(3)} ms`);
    if (host === null) return tell();
    host.flush();
    // A lost device tells of itself at the next call.
    waitFor(host.device.queue, host.device.queue.onSubmittedWorkDone()).then(tell, () => undefined);
  };
}

const print = (text: string): void => console.log(text);
