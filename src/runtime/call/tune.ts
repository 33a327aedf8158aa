import * as tf from '@tensorflow/tfjs-core';
import {refuse, say} from '../../support/index.js';
import {
  compile,
  TILES_VERSION,
  tuningOf,
  type Compiled,
  type Device,
  type Features,
  type Pattern,
  type Problem,
} from '../../pure.js';
import {deviceText} from '../host/adapter_text.js';
import {Host} from '../host/backend.js';
import {defaultNumbers} from './check_scoring.js';
import {broughtBy, CALL_TERMS} from '../terms/terms.js';
import {launch, type CallNumbers, type CallTensors} from '../launch/launch.js';
import {checkPrepare, type PrepareShape} from './prepare.js';
import {waitFor} from '../host/wait.js';

/** What was found fastest on a device: plain data, to be kept wherever an app keeps its settings. */
export interface Tuning {
  /** Of the tile shapes it chose from. */
  readonly version: string;
  /** The adapter, in its own words; where it has none, its limits and the browser. */
  readonly device: string;
  /** Names of tile shapes by the kind of call they were timed for. */
  readonly choices: Readonly<Record<string, string>>;
}

/** What `tune` measured. */
export interface TuneReport {
  /** The kind of call: `float32, medium rows, 64 → 64 features`. */
  readonly kind: string;
  readonly chosen: string;
  /** Milliseconds of a call with each candidate, fastest first; empty when there is only one. */
  readonly timings: readonly {readonly tile: string; readonly ms: number}[];
  /** Everything tuned on this backend so far. */
  readonly tuning: Tuning;
}

/** Each sample takes about this long; shorter ones drown in what a submit costs. */
const SAMPLE_MS = 25;
const ROUNDS = 6;
const MAX_CALLS = 200;

/**
 * Times the two or three kernels that suit calls of this kind on the user's device, and takes the fastest from now on: kernels were
 * measured on one GPU, and others differ.
 *
 * ```js
 * const {tuning} = await tune(pattern, {queryLength: 4096, keyLength: 4096, headDim: 64, heads: 8});
 * localStorage.setItem('attention', JSON.stringify(tuning)); // at the next start: applyTuning(JSON.parse(…))
 * ```
 *
 * @param shape As for `prepare`. What is learnt holds for all calls of the same precision, features and kind of rows.
 * @throws SplatError (as a rejection) when an argument is not as described, or the backend is not WebGPU.
 */
export async function tune(pattern: Pattern, shape: PrepareShape): Promise<TuneReport> {
  const {problem, gradients: _, ...options} = checkPrepare(pattern, shape);
  await tf.ready();
  const host = webgpuHost('tune');
  host.throwIfLost();
  const {key: kind, names} = tuningOf(pattern, problem, host.limits, options);
  // Where only one suits there is nothing to time: software adapters, very wide values.
  const compete = names.length > 1 ? names : [];
  const plans = compete.map((tile) => compile(pattern, problem, tunedDevice(host.limits, {[kind]: tile}), options));
  const programs = new Map(plans.flatMap(({launches}) => launches.map(({program}) => [program.key, program])));
  await host.outcome(Promise.all([...programs.values()].map((program) => host.pipelines.compile(program))));
  const milliseconds = plans.length === 0 ? [] : await host.outcome(time(host, plans, callFor(problem, options.features)));
  host.throwIfLost();
  const timings = compete.map((tile, i) => ({tile, ms: milliseconds[i]!})).sort((x, y) => x.ms - y.ms);
  const chosen = timings[0]?.tile ?? names[0]!;
  host.limits = tunedDevice(host.limits, {[kind]: chosen});
  return {kind, chosen, timings, tuning: tuningOn(host)};
}

/**
 * Takes up what `tune` found in an earlier session. A tuning from another version of the package or another device is left aside with a
 * warning, and the defaults stay.
 *
 * @returns Whether it was taken.
 * @throws SplatError when it is no tuning, or the backend is not WebGPU.
 */
export function applyTuning(tuning: Tuning): boolean {
  const {version, device, choices} = checkTuning(tuning);
  const host = webgpuHost('applyTuning');
  const here = tuningOn(host);
  if (version === here.version && device === here.device) {
    host.limits = tunedDevice(host.limits, choices);
    return true;
  }
  const reason =
    version === here.version
      ? `it was made on '${device}', and this is '${here.device}'`
      : 'it was made by another version of tfjs-splat';
  console.warn(`SparseAttention: the tuning is left aside, for ${reason}. The defaults stay; call tune() again.`);
  return false;
}

const tunedDevice = (device: Device, choices: Tuning['choices']): Device =>
  Object.freeze({...device, tuned: Object.freeze({...device.tuned, ...choices})});

function tuningOn({device, adapter, limits}: Host): Tuning {
  return {version: TILES_VERSION, device: deviceText(device, adapter), choices: limits.tuned};
}

function checkTuning(tuning: Tuning): Tuning {
  const isText = (value: unknown): boolean => typeof value === 'string';
  const {version, device, choices} = (tuning ?? {}) as Partial<Tuning>;
  const right = isText(version) && isText(device) && typeof choices === 'object' && Object.values(choices ?? {}).every(isText);
  if (!right || choices === null) {
    refuse('tuning', say(tuning), 'the `tuning` of a report that tune() gave', 'Parse the JSON first, or call tune() again.');
  }
  return tuning;
}

function webgpuHost(what: string): Host {
  const host = Host.of(tf.backend());
  if (host !== null) return host;
  return refuse(
    what,
    `the backend '${tf.getBackend()}'`,
    'a WebGPU backend',
    'There is nothing to tune elsewhere: leave the call out, or set the backend first.',
  );
}

/**
 * Milliseconds of a call of each plan: the fastest of some samples. The plans take turns, for the clock of an idle GPU takes a while to
 * rise: one after the other, the first of two equal kernels looked twice as slow (H200, 2026-11-20).
 */
async function time(host: Host, plans: readonly Compiled[], {tensors, numbers}: TimedCall): Promise<number[]> {
  const sample = async (compiled: Compiled, calls: number): Promise<number> => {
    const start = performance.now();
    for (let call = 0; call < calls; call++)
      launch(host, compiled, tensors, numbers).forEach((output) => host.disposeTensor(output));
    host.flush();
    await waitFor(host.device.queue, host.device.queue.onSubmittedWorkDone());
    return (performance.now() - start) / calls;
  };
  try {
    // The first call uploads, the next say how long one takes.
    const calls: number[] = [];
    for (const plan of plans) {
      await sample(plan, 1);
      calls.push(Math.min(MAX_CALLS, Math.ceil(SAMPLE_MS / (await sample(plan, 3)))));
    }
    const best = plans.map(() => Infinity);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, plan] of plans.entries()) best[i] = Math.min(best[i]!, await sample(plan, calls[i]!));
    }
    return best;
  } finally {
    tf.dispose(Object.values(tensors));
  }
}

/** What a timed call brings: TensorFlow.js tensors, to be disposed. */
interface TimedCall {
  readonly tensors: {readonly [Role in keyof CallTensors]: tf.Tensor};
  readonly numbers: CallNumbers;
}

const NOTHING = {};

function callFor(problem: Problem, features: Features): TimedCall {
  const {batch, heads, keyHeads, queryLength, keyLength, headDim, valueDim} = problem;
  const {tensors, numbers} = broughtBy(CALL_TERMS, (term) => (features[term.name] ? term.example(problem) : NOTHING));
  return {
    tensors: {
      query: tf.zeros([batch, heads, queryLength, headDim]),
      key: tf.zeros([batch, keyHeads, keyLength, headDim]),
      value: tf.zeros([batch, keyHeads, keyLength, valueDim]),
      ...tensors,
    },
    numbers: {...defaultNumbers(problem), ...numbers},
  };
}
