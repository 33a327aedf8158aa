// Trains the byte model on the GPU, as far as the given minutes reach; run again, it goes on where it was.
//   node --import ./test/support/node_webgpu.mjs --import tsx demo/language_model/train/train.ts --variant sparse --corpus FOLDER --folder FOLDER
import {appendFileSync, existsSync, mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
// For a bundle, where it runs first; without one, --import above has done it.
import '../../../test/support/node_webgpu.mjs';
import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-webgpu';
import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import {byteModelConfig, CONTEXT, VOCABULARY, type Variant} from '../config.js';
import {features, logits, weightShapes, type Attend, type Weights} from '../network.js';
import {trainingBatch, type Batch} from './batches.js';
import {loadCheckpoint, saveCheckpoint, type State} from './checkpoint.js';
import {heldOutBits, wholeContexts} from './evaluate.js';
import {exportModel} from './export.js';

const {values: options} = parseArgs({
  options: {
    variant: {type: 'string', default: 'sparse'},
    /** Where corpus.ts wrote. */
    corpus: {type: 'string', default: '.cache/corpus'},
    /** Checkpoint, log.jsonl and, at the end, model/. */
    folder: {type: 'string', default: '.cache/byte_model'},
    steps: {type: 'string', default: '2000'},
    sequences: {type: 'string', default: '4'},
    minutes: {type: 'string', default: '9'},
    /** How many contexts of held-out text to measure. */
    held: {type: 'string', default: '96'},
  },
});

const PEAK_RATE = 2e-3;
const WARM_UP = 100;
const LONGEST_GRADIENT = 1;
const LOG_EVERY = 20;

const start = performance.now();
const seconds = (): number => (performance.now() - start) / 1000;
const variant = options.variant as Variant;
const [steps, sequences] = [Number(options.steps), Number(options.sequences)];
await tf.setBackend('webgpu');
// TensorFlow.js listens to no WebGPU error and would train on.
(tf.backend() as WebGPUBackend).device.addEventListener('uncapturederror', ({error}) => {
  console.error(error.message);
  process.exit(1);
});
const config = byteModelConfig(variant);
const variables = Object.entries(weightShapes(config)).map(([name, shape]) => tf.variable(initial(name, shape), true, name));
const weights = Object.fromEntries(variables.map((variable) => [variable.name, variable])) as unknown as Weights;
const optimizer = tf.train.adam(PEAK_RATE, 0.9, 0.98);
const folder = join(options.folder, variant);
mkdirSync(folder, {recursive: true});
const resumed = await loadCheckpoint(folder, optimizer, variables);
console.log(`${variant}: ${variables.reduce((sum, {size}) => sum + size, 0)} parameters, step ${resumed.step} of ${steps}`);

const corpus = readFileSync(join(options.corpus, 'training.bin'));
const state = await train(resumed);
await saveCheckpoint(folder, state, optimizer, variables);
if (state.step === steps) {
  const heldOut = readFileSync(join(options.corpus, 'held_out.bin'));
  const bits = await heldOutBits({config, weights}, heldOut, Number(options.held));
  log({step: state.step, heldOutBitsPerByte: bits});
  const about = existsSync(join(options.corpus, 'corpus.json')) ? join(options.corpus, 'corpus.json') : undefined;
  await exportModel(join(folder, 'model'), config, weights, {
    variant,
    steps,
    sequences,
    context: CONTEXT,
    ...bits,
    ...(about && {corpus: 'corpus.json'}),
  });
}
console.log(`${variant}: step ${state.step}, ${seconds().toFixed(0)} s of this run`);
process.exit(0);

async function train({step: first, seconds: before}: State): Promise<State> {
  const attend = wholeContexts(config, sequences);
  let step = first;
  let pending: Promise<void> = Promise.resolve();
  for (; step < steps && seconds() < 60 * Number(options.minutes); step++) {
    (optimizer as unknown as {learningRate: number}).learningRate = learningRate(step);
    const at = step;
    const loss = tf.tidy(() => {
      const batch = trainingBatch(corpus, at, sequences);
      const {value, grads} = tf.variableGrads(() => meanLoss(batch, attend), variables);
      optimizer.applyGradients(Object.entries(clipped(grads)).map(([name, tensor]) => ({name, tensor})));
      return value;
    });
    // One step ahead of the GPU and no further: what it has not done yet holds memory.
    await pending;
    pending = report(loss, at, before);
    if (step === first + 3) console.log(`${((seconds() * 1000) / 4).toFixed(0)} ms a step at first`);
  }
  await pending;
  return {step, seconds: before + seconds()};
}

async function report(loss: tf.Scalar, step: number, before: number): Promise<void> {
  const bits = (await loss.data())[0]! / Math.LN2;
  loss.dispose();
  if (!Number.isFinite(bits)) throw new Error(`The loss of step ${step} is ${bits}.`);
  if ((step + 1) % LOG_EVERY === 0) log({step: step + 1, bitsPerByte: bits, rate: learningRate(step), seconds: before + seconds()});
}

function log(entry: object): void {
  const line = JSON.stringify({variant, ...entry}, (_, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(6)) : value,
  );
  appendFileSync(join(folder, 'log.jsonl'), `${line}\n`);
  console.log(line);
}

/** Linear to the peak, then along a cosine down to a twentieth. */
function learningRate(step: number): number {
  if (step < WARM_UP) return (PEAK_RATE * (step + 1)) / WARM_UP;
  const progress = (step - WARM_UP) / Math.max(1, steps - WARM_UP);
  return PEAK_RATE * (0.05 + 0.475 * (1 + Math.cos(Math.PI * progress)));
}

function meanLoss(batch: Batch, attend: Attend): tf.Scalar {
  const scores = logits(weights, features(weights, config, tf.tensor1d(batch.inputs, 'int32'), attend));
  const targets = tf.oneHot(tf.tensor1d(batch.targets, 'int32'), VOCABULARY, 1, 0, 'float32');
  return tf.losses.softmaxCrossEntropy(targets, scores);
}

function clipped(grads: tf.NamedTensorMap): tf.NamedTensorMap {
  const squares = Object.values(grads).map((grad) => tf.sum(tf.square(grad)));
  // Two at a time: tf.addN binds all at once, more than a shader may have.
  const norm = tf.sqrt(squares.reduce((sum, square) => tf.add(sum, square)));
  const factor = tf.minimum(1, tf.div(LONGEST_GRADIENT, tf.add(norm, 1e-6)));
  return Object.fromEntries(Object.entries(grads).map(([name, grad]) => [name, tf.mul(grad, factor)]));
}

/** Normal of a spread that keeps the size of what goes through; what a block adds starts at zero, so that each begins as the identity. */
function initial(name: string, shape: [number, number]): tf.Tensor2D {
  if (/output|down|logits/.test(name)) return tf.zeros(shape);
  const seed = [...name].reduce((hash, letter) => Math.imul(hash, 31) + letter.charCodeAt(0), 7);
  return tf.randomNormal(shape, 0, name === 'embedding' ? 1 : 1 / Math.sqrt(shape[0]), 'float32', seed);
}
