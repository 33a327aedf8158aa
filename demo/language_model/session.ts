import * as tf from '@tensorflow/tfjs-core';
import {capture, KvCache, SplatError, type Replay} from '../../src/index.js';
import {patternsOf, type ModelConfig} from './config.js';
import {DenseCache} from './dense_cache.js';
import type {ByteModel} from './load.js';
import {mergeHeads, splitHeads} from './heads.js';
import {features, logits, type Attend} from './network.js';
import {sample, type Sampling} from './sample.js';

/** A text that is being written. */
export interface Session {
  /** Bytes so far. */
  readonly length: number;
  /** Memory that keys and values of all layers take. */
  readonly cacheBytes: number;
  /** The logits of the byte to come, [256], once a text was read. */
  logits(): Promise<Float32Array>;
  /** Reads the text to go on with, at least one byte; once, before the first `next`. */
  prefill(bytes: Uint8Array): Promise<void>;
  /** Writes the next byte and returns it. */
  next(sampling: Sampling): Promise<number>;
  dispose(): void;
}

/**
 * How a byte is made of the one before: `captured`, as a replay of the whole step, where this backend can (WebGPU, sparse), else `plain`, as
 * ops. The numbers are the same, bit for bit.
 */
export type Steps = 'captured' | 'plain';

/** `sparse`: this package's caches, which keep what the patterns reach. `dense`: TensorFlow.js ops over all keys so far. */
export type Mode = 'sparse' | 'dense';

/** What both kinds of cache do: query, key and value [1, heads, tokens, headDim]. */
interface Cache {
  attend(query: tf.Tensor4D, key: tf.Tensor4D, value: tf.Tensor4D): tf.Tensor4D;
  readonly bytes: number;
  dispose(): void;
}

/**
 * @param maxLength Bytes that the text may grow to.
 * @throws Error when a model with sparse patterns is to run densely: dense attention knows only `causal()`.
 */
export function startSession(model: ByteModel, mode: Mode, maxLength: number, steps: Steps = 'captured'): Session {
  const {config, weights} = model;
  if (mode === 'dense' && model.variant !== 'causal') {
    throw new Error("A dense session attends to every byte so far; give it the model that was trained with 'causal'.");
  }
  const caches = mode === 'dense' ? denseCaches(config) : sparseCaches(config, maxLength);
  const attend: Attend = (layer, projected) => mergeHeads(caches[layer]!.attend(...splitHeads(projected, config)));
  /** The logits after so many bytes, [1, 256]. */
  const run = ({bytes}: StepInputs): tf.Tensor2D => {
    const x = features(weights, config, bytes, attend);
    return logits(weights, bytes.size === 1 ? x : tf.slice(x, [bytes.size - 1, 0], [1, config.width]));
  };
  let length = 0;
  let isDisposed = false;
  /** The logits of the byte to come, which the GPU computes meanwhile. */
  let ahead: tf.Tensor2D | Promise<Float32Array> | undefined;
  /** Of one byte: null where it is not captured, undefined before the first. */
  let replay: Step | null | undefined = mode === 'sparse' && steps === 'captured' ? undefined : null;
  const values = async (): Promise<Float32Array> => {
    if (ahead === undefined) throw new Error('A session reads a text before it writes: call prefill.');
    return ahead instanceof tf.Tensor ? ahead.data<'float32'>() : ahead;
  };
  const read = async (bytes: Uint8Array): Promise<void> => {
    const given = Int32Array.from(bytes);
    const next = bytes.length === 1 && replay ? readAhead(replay, given) : tf.tidy(() => run({bytes: tf.tensor1d(given, 'int32')}));
    // A step that is refused, for want of room say, is refused at once; its numbers come later.
    if (next instanceof Promise) await Promise.race([next, Promise.resolve()]);
    if (ahead instanceof tf.Tensor) ahead.dispose();
    ahead = next;
    length += bytes.length;
  };
  return {
    get length() {
      return length;
    },
    get cacheBytes() {
      return caches.reduce((sum, {bytes}) => sum + bytes, 0);
    },
    logits: values,
    async prefill(bytes) {
      if (length > 0 || bytes.length === 0) throw new Error('A session reads one text of at least one byte, before it writes.');
      await read(bytes);
      await values();
    },
    async next(sampling) {
      const byte = sample(await values(), sampling, length);
      if (replay === undefined) {
        replay = await captureStep(run);
        if (isDisposed) replay?.dispose();
      }
      await read(Uint8Array.of(byte));
      return byte;
    },
    dispose() {
      isDisposed = true;
      if (ahead instanceof tf.Tensor) ahead.dispose();
      replay?.dispose();
      for (const cache of caches) cache.dispose();
    },
  };
}

type StepInputs = {bytes: tf.Tensor1D};
type Step = Replay<StepInputs, tf.Tensor2D>;

/** A step of one byte, or null where it cannot be captured: there its ops run as ever. */
async function captureStep(run: (inputs: StepInputs) => tf.Tensor2D): Promise<Step | null> {
  const bytes = tf.tensor1d([0], 'int32');
  try {
    return await capture(run, {bytes});
  } catch (error) {
    if (error instanceof SplatError) return null;
    throw error;
  } finally {
    bytes.dispose();
  }
}

function readAhead(replay: Step, bytes: Int32Array): Promise<Float32Array> {
  const numbers = replay.read({bytes}) as Promise<Float32Array>;
  // Who asks for the next byte hears of it.
  numbers.catch(() => undefined);
  return numbers;
}

function sparseCaches(config: ModelConfig, maxLength: number): Cache[] {
  const {heads, width, layers} = config;
  return patternsOf(config).map((pattern, layer) => {
    const cache = new KvCache(pattern, {keyHeads: heads, headDim: width / heads, maxLength});
    const slopes = tf.tensor1d([...layers[layer]!.alibiSlopes]);
    return {
      attend: (query, key, value) => cache.attend(query, key, value, {alibiSlopes: slopes}),
      get bytes() {
        return cache.bytes;
      },
      dispose() {
        cache.dispose();
        slopes.dispose();
      },
    };
  });
}

function denseCaches({layers}: ModelConfig): Cache[] {
  return layers.map(({alibiSlopes}) => new DenseCache(alibiSlopes));
}
