import * as tf from '@tensorflow/tfjs-core';
import {isPromise, oneOf, readOptions, refuse, say, type NamesOf, type OptionWords} from '../../support/index.js';
import {Host} from '../host/backend.js';
import {isTimed, watched} from '../host/watch.js';
import {Assembly} from './assembly.js';
import {difference} from './comparison.js';
import {InputSlots} from './inputs.js';
import {Recorder} from './recorder.js';
import type {Recording} from './recording.js';
import {refusal} from './refusals.js';
import {Replayer, type Replay} from './replay.js';
import {called, put, tensorsIn, type Tensors} from './structure.js';

/** Of `capture`. */
export interface CaptureOptions {
  /**
   * What `run` returns: `'copy'` (the default), tensors of their own; `'alias'`, tensors in the memory of the capture, which the next
   * replay overwrites: for outputs that are used up before.
   */
  readonly outputs?: 'copy' | 'alias' | null | undefined;
}

const NAMES: NamesOf<CaptureOptions> = {outputs: true};
const WORDS: OptionWords = {
  all: 'options',
  expected: "an object such as {outputs: 'copy'}",
  cure: 'Leave it out for defaults.',
  one: (name) => `option ${name}`,
};

/**
 * Runs a function, writes down what it has the GPU do, and gives something that does the same with new inputs. What TensorFlow.js does
 * around its kernels (11 µs a node, 8 a kernel, 60 a dispatch) is then done once: a replay costs 5 µs a dispatch. Outputs are the same bit for bit.
 *
 * ```js
 * const replay = await capture((inputs) => model.execute(inputs), {input_ids, attention_mask});
 * const output = replay.run({input_ids: nextIds, attention_mask: nextMask}); // tensors, as model.execute gives them
 * const values = await replay.read({input_ids: new Int32Array(512), attention_mask}); // typed arrays
 * replay.dispose();
 * ```
 *
 * The function is called three times with tensors of the shapes of the examples; the second and third time must agree. It must do the same
 * each time: no reads of tensors, no random numbers, no state. Variables that are assigned later (training, `setWeights`) are followed.
 * A capture is for one shape.
 *
 * Steps of a `KvCache` that has read its prompt may be among it. They are not run while the function is captured; each replay is one step
 * more, for the tokens that the cache holds by then.
 *
 * @param run Takes tensors in the places of the examples, returns one tensor, an array of tensors or tensors by name, at once.
 * @param examples One tensor, an array of tensors or tensors by name, of float32, int32 or bool. Their numbers do not matter.
 * @returns A promise of the replay. It holds weights of the function until it is disposed of, so that the model may go before.
 * @throws SplatError (as a rejection) when the backend is not WebGPU, an argument is not as described, or the function does what cannot be
 *   repeated; the message names the op. Nothing stays allocated, and no variable is changed. Errors of the function itself pass as they are.
 */
export async function capture<Inputs extends Tensors, Outputs extends Tensors>(
  run: (inputs: Inputs) => Outputs,
  examples: Inputs,
  options: CaptureOptions = {},
): Promise<Replay<Inputs, Outputs>> {
  const given = readOptions(options, NAMES, WORDS);
  const kind = oneOf('option outputs', given.outputs ?? 'copy', ['copy', 'alias'], "Leave it out for 'copy'.");
  if (typeof run !== 'function') refuse('capture', say(run), 'a function', 'Pass one such as (inputs) => model.execute(inputs).');
  const host = checkHost();
  const inputs = new InputSlots(host, examples);
  const {device} = host;
  // What the device complains of is told later than the calls return, and concerns nobody else.
  for (const errors of ['validation', 'out-of-memory'] as const) device.pushErrorScope(errors);
  const complaints = (): Promise<(GPUError | null)[]> => Promise.all([device.popErrorScope(), device.popErrorScope()]);
  let replayer: Replayer;
  try {
    replayer = record(host, inputs, run as (inputs: unknown) => unknown, kind === 'alias');
  } catch (error) {
    // Of a lost device it says nothing.
    complaints().catch(() => null);
    inputs.dispose();
    throw error;
  }
  const complaint = (await host.outcome(complaints())).find((found) => found !== null);
  if (complaint !== undefined) {
    replayer.dispose();
    refuse(
      'capture',
      `an error of the WebGPU device: ${complaint.message}`,
      'a function that runs here',
      'Run it without capture to see where.',
    );
  }
  return replayer as Replayer & Replay<Inputs, Outputs>;
}

function checkHost(): Host {
  const host = Host.of(tf.backend());
  if (host === null || !host.seesAll) {
    refuse(
      'capture',
      host === null ? `the backend '${tf.getBackend()}'` : 'a WebGPU backend whose inside is not that of 4.22',
      'the WebGPU backend of TensorFlow.js',
      host === null
        ? "await tf.setBackend('webgpu') where navigator.gpu exists; elsewhere call the function itself."
        : 'Call the function itself, or take the versions that package.json names.',
    );
  }
  host.throwIfLost();
  if (host.watcher !== null) host.watcher.refuse('captured');
  if (isTimed(host)) throw refusal('timed', 'around the capture');
  if (host.compileOnly) throw refusal('unseen', 'around the capture');
  return host;
}

/** Warm-up, two recordings and their comparison: all at once, so that nothing else can come between. */
function record(host: Host, inputs: InputSlots, run: (inputs: unknown) => unknown, aliases: boolean): Replayer {
  // The first time uploads weights and compiles, and the function may make what it keeps for later.
  pass(host, inputs, run, false);
  const first = pass(host, inputs, run, true);
  awaitNextMillisecond();
  const second = pass(host, inputs, run, true);
  const found = difference(first.recording, second.recording);
  if (found !== null) {
    const expected = 'the same twice';
    refuse('capture', `two runs that differ: ${found}`, expected, 'Give what changes (counters, arrays, seeds, times) as inputs.');
  }
  const {recording, build} = second;
  return new Replayer(host, inputs, new Assembly(host, inputs, recording), aliases, build);
}

/** A function that looks at the clock shall see another time. Where somebody holds the clock, as tests do, it does not. */
function awaitNextMillisecond(): void {
  const now = Date.now();
  let looks = 0;
  while (Date.now() === now && looks < 1e6) looks++;
}

interface Pass {
  readonly recording: Recording;
  readonly build: (leaves: readonly unknown[]) => unknown;
}

/** Runs the function once. What it made is gone afterwards. */
function pass(host: Host, inputs: InputSlots, run: (inputs: unknown) => unknown, isStrict: boolean): Pass {
  const lastId = tf.tidy(() => tf.scalar(0).id);
  const before = tf.memory().numTensors;
  const recorder = new Recorder(host, inputs, lastId);
  const engine = tf.engine();
  return watched(host, recorder, () => {
    // Not tf.tidy, which writes to the console where a promise comes out.
    engine.startScope('capture');
    let result: unknown;
    let done: Pass;
    try {
      try {
        result = run(inputs.tensors);
      } catch (error) {
        recorder.throwIfFaulty();
        throw error;
      }
      if (isPromise(result)) {
        // Nobody else hears of its end.
        Promise.resolve(result).catch(() => undefined);
        recorder.note('promise');
      }
      recorder.throwIfFaulty();
      const {shape, names, leaves} = tensorsIn('output', result);
      const titles = names.map((name) => called('output', name));
      done = {recording: recorder.finish(titles, leaves), build: (outputs) => put(shape, names, outputs)};
      for (const tensor of new Set(leaves)) if (recorder.isNew(tensor)) tensor.dispose();
    } finally {
      engine.endScope();
      recorder.putBack();
      host.flush();
    }
    recorder.throwIfFaulty();
    const more = tf.memory().numTensors - before;
    if (isStrict && (more > 0 || recorder.alive > 0)) recorder.note('kept');
    if (more < 0) recorder.note('disposed');
    recorder.throwIfFaulty();
    return done;
  });
}
