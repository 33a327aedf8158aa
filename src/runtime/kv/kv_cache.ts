import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor4D} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import {isWide, type Pattern} from '../../pure.js';
import {sparseAttention} from '../call/attention.js';
import {fromHeads} from '../tf_ops/dense.js';
import {Host} from '../host/backend.js';
import type {Watcher} from '../host/watcher.js';
import type {NumberArray} from '../given/number_array.js';
import {wholeBiases} from './kv_bias.js';
import {checkCache, checkRollback, checkRoom, checkSequences, type CacheSizes} from './kv_check.js';
import {checkBytes} from './kv_device_memory.js';
import {watchStep} from './kv_captured.js';
import {comingOf, type CacheRules, type Coming} from './kv_coming.js';
import {DeviceStore} from './kv_device_store.js';
import type {KvAttendOptions, KvCacheOptions} from './kv_options.js';
import {Progress} from './kv_progress.js';
import {checkReach, checkStep, cutStep, type CacheStep} from './kv_step.js';
import {TensorStore, type KvStore, type StoreSizes} from './kv_store.js';
import {TapeLinks} from './kv_tape.js';

/**
 * Keys and values of the tokens so far, for decoding: each step brings the new tokens alone. Prefill and decoding together give what one
 * causal call over the whole sequence gives.
 *
 * It holds only what the pattern can still reach. A window takes a ring of its size, with slots of their own for the first tokens where
 * the pattern keeps those in reach, however long the sequence gets.
 *
 * Of a pattern for each head (`perHead`) it holds what the head that reaches furthest needs.
 *
 * A cache is for inference: a gradient through `attend` is refused. Train with `sparseAttention` over whole sequences.
 *
 * ```js
 * const cache = new KvCache(prefix(4).or(slidingWindow({left: 1023})).and(causal()), {keyHeads: 8, headDim: 64});
 * cache.attend(query, key, value);              // the prompt, [1, heads, length, 64] and [1, 8, length, 64] twice
 * cache.attend(nextQuery, nextKey, nextValue);  // one token more
 * ```
 */
export class KvCache {
  readonly pattern: Pattern;
  /** Slots per sequence. */
  readonly capacity: number;
  readonly #options: KvCacheOptions;
  readonly #sizes: CacheSizes;
  readonly #maxStep: number;
  readonly #precision: StoreSizes['precision'];
  readonly #rules: CacheRules;
  /** Tokens that a sequence may hold. */
  readonly #limit: number;
  #store: KvStore | null;
  #progress: Progress;
  #links = new TapeLinks();

  /**
   * @throws SplatError when the pattern is not causal, is written for certain lengths (`documents`, masks) or reaches back without end and
   *   no `maxLength` is given, and when an option is not as described.
   */
  constructor(pattern: Pattern, options: KvCacheOptions) {
    managed('new KvCache');
    const {reach, layout, limit, maxStep, precision, ...sizes} = checkCache(pattern, options);
    this.pattern = pattern;
    this.capacity = layout.sinks + layout.ring;
    this.#options = {...options};
    this.#rules = {pattern, reach, layout, keyHeads: sizes.keyHeads};
    this.#limit = limit;
    this.#maxStep = maxStep;
    this.#precision = precision;
    this.#sizes = sizes;
    const stored = {...sizes, layout, precision};
    const makeStore = (): KvStore => {
      const host = Host.of(tf.backend());
      if (host !== null && !isWide(sizes)) return new DeviceStore(host, stored);
      checkMemory(stored);
      return new TensorStore(stored);
    };
    this.#store = forked.get(options) ?? makeStore();
    this.#progress = new Progress(new Array<number>(sizes.batch).fill(0));
  }

  /** Tokens so far, per sequence. */
  get lengths(): readonly number[] {
    watcher()?.refuse('counted');
    return [...this.#progress.lengths];
  }

  /** Device memory held; what a fork shares counts for both. */
  get bytes(): number {
    return this.#store?.bytes ?? 0;
  }

  /**
   * Appends the keys and values of new tokens and attends from their queries, to the past and to each other.
   *
   * @param query float32 [batch, heads, tokens, headDim], or [batch, tokens, heads, headDim] with layout `blhd`; heads is a multiple of
   *   keyHeads.
   * @param key float32 [batch, keyHeads, tokens, headDim], of the same layout.
   * @param value float32 [batch, keyHeads, tokens, valueDim], of the same layout.
   * @returns float32 [batch, heads, tokens, valueDim], of the same layout.
   * @throws SplatError, with the cache as it was, when an argument is not as described or the tokens are more than `maxLength` allows.
   *   Also where a gradient through the output is asked for, when that is computed.
   */
  attend(
    query: Tensor | NumberArray,
    key: Tensor | NumberArray,
    value: Tensor | NumberArray,
    options: KvAttendOptions = {},
  ): Tensor4D {
    const store = this.#alive();
    store.ready();
    return tf.tidy(() => {
      const first = this.#progress.lengths;
      const step = checkStep({query, key, value}, options, this.#sizes, first);
      this.#checkRoom(step.counts);
      const output = this.#attend(store, step);
      const [batch, heads, tokens, dim] = output.shape;
      const {layout, scores} = step;
      const given =
        layout === 'blhd' && tokens <= 1 ? tf.reshape(output, [batch, tokens, heads, dim]) : fromHeads(output, layout, 4);
      const {bias, relative, tensors} = scores;
      const inputs = [step.query, step.key, step.value, bias, relative?.entries, ...Object.values(tensors)];
      return this.#links.link(
        given as Tensor4D,
        inputs.filter((tensor) => tensor !== undefined),
        first,
      );
    });
  }

  /**
   * Forgets the newest tokens, as many in each sequence, or as many as the list says for each. The next ones take their places.
   *
   * @throws SplatError, with the cache as it was, when there are not so many, or older tokens that would come into reach again were given up.
   */
  rollback(tokens: number | ArrayLike<number | bigint>): void {
    managed('rollback');
    this.#alive();
    const {lengths} = this.#progress;
    const counts = checkRollback(tokens, this.#progress, this.#rules.layout, this.#rules.reach, this.pattern);
    this.#goBack(lengths.map((length, b) => length - counts[b]!));
  }

  /**
   * Forgets all tokens and keeps the memory: of every sequence, or of those that are named, so that others may take their places while
   * the rest of the batch goes on.
   *
   * ```js
   * cache.reset(2); // sequence 2 has come to its end
   * ```
   */
  reset(sequences?: number | ArrayLike<number | bigint>): void {
    managed('reset');
    this.#alive();
    const {batch} = this.#sizes;
    const all = Array.from({length: batch}, (_, b) => b);
    const given: unknown = sequences ?? all;
    const named = new Set(checkSequences('reset', typeof given === 'number' ? [given] : given, batch));
    this.#goBack(this.#progress.lengths.map((length, b) => (named.has(b) ? 0 : length)));
  }

  /**
   * Sequence b goes on as what sequence `sequences[b]` is now, as beam search wants it: some are dropped, others go on several times.
   *
   * On WebGPU nothing is copied where each goes on once at most; of one that goes on several times the next `attend` copies the tokens
   * held, on the device, into the places of those that were dropped. Elsewhere all slots are copied at once.
   *
   * ```js
   * cache.reorder([0, 0, 1]); // beam 0 goes on twice, beam 2 is dropped
   * ```
   *
   * @param sequences batch numbers, each from 0 to batch − 1. Indices in a tensor: `await indices.data()` first.
   * @throws SplatError, with the cache as it was, when they are not as described.
   */
  reorder(sequences: ArrayLike<number | bigint>): void {
    managed('reorder');
    const store = this.#alive();
    store.ready();
    const {batch} = this.#sizes;
    const order = checkSequences('reorder', sequences, batch, batch);
    store.reorder(order);
    this.#take(this, order);
  }

  /**
   * A cache of its own with the same tokens. Both share memory until one of them appends, which then copies the tokens held to memory of
   * its own, on the device; so a prompt is computed once for all that go on from it.
   *
   * ```js
   * const answers = prompt.fork([0, 0, 0, 0]); // four sequences that begin with the one of `prompt`
   * ```
   *
   * @param sequences Which sequence of this cache each one of the new cache is. Default: all of them, as they are.
   * @throws SplatError when they are not as described, or when the device cannot hold so many.
   */
  fork(sequences?: ArrayLike<number | bigint>): KvCache {
    managed('fork');
    const store = this.#alive();
    store.ready();
    const {batch} = this.#sizes;
    const order = checkSequences('fork', sequences ?? Array.from({length: batch}, (_, b) => b), batch);
    const options = {...this.#options, batch: order.length};
    checkMemory(checkCache(this.pattern, options));
    forked.set(options, store.fork(order));
    const fork = new KvCache(this.pattern, options);
    fork.#take(this, order);
    return fork;
  }

  /** Releases the memory. The cache cannot be used any more. */
  dispose(): void {
    managed('dispose');
    this.#store?.dispose();
    this.#store = null;
  }

  #alive(): KvStore {
    return (
      this.#store ?? refuse('KvCache', 'a disposed cache', 'a living one', 'Make a new one; reset() empties a cache and keeps it.')
    );
  }

  #checkRoom(counts: readonly number[]): void {
    checkRoom(this.#progress.lengths, counts, this.#limit, this.pattern, this.#rules.reach);
  }

  #attend(store: KvStore, step: CacheStep): Tensor4D {
    const [batch, heads, tokens] = step.query.shape;
    if (tokens === 0) return tf.zeros([batch, heads, 0, this.#sizes.valueDim]);
    if (this.#isPrompt(tokens)) return this.#prefill(store, step);
    const outputs: Tensor4D[] = [];
    for (let from = 0; from < tokens; from += this.#maxStep) {
      const part = cutStep(step, from, Math.min(this.#maxStep, tokens - from));
      outputs.push(this.#append(store, part, tokens));
    }
    return outputs.length === 1 ? outputs[0]! : tf.concat(outputs, 2);
  }

  /** A pattern that lists tokens past the prompt fits no call over the prompt alone. */
  #isPrompt(tokens: number): boolean {
    return this.#progress.isEmpty && tokens >= this.#rules.reach.leastLength;
  }

  #prefill(store: KvStore, {query, key, value, counts, scores}: CacheStep): Tensor4D {
    watcher()?.refuse('prompt');
    const {scale, tensors, numbers} = scores;
    const tokens = query.shape[2];
    const isPadded = counts.some((count) => count < tokens);
    const output = sparseAttention(query, key, value, this.pattern, {
      ...{scale, queryOffset: 0, precision: this.#precision},
      ...tensors,
      ...numbers,
      // The padding comes after the tokens, so these never attend to it, but rows of a tile share a NaN in a value.
      ...(isPadded && {keyLengths: counts}),
      ...wholeBiases(scores, tokens),
    }) as Tensor4D;
    store.write(key, value, {first: this.#progress.lengths, counts});
    this.#progress = this.#progress.plus(counts);
    if (!isPadded) return output;
    const isToken = counts.flatMap((count) => Array.from({length: tokens}, (_, i) => i < count));
    return tf.where(tf.tensor4d(isToken, [counts.length, 1, tokens, 1], 'bool'), output, tf.zerosLike(output));
  }

  /** A part of a step of so many tokens. */
  #append(store: KvStore, part: CacheStep, tokens: number): Tensor4D {
    const {counts, scores} = part;
    const watched = watcher();
    if (watched !== null && store instanceof DeviceStore) {
      return watchStep(watched, store, part, {
        cache: this,
        coming: () => this.#replayed(part, tokens),
        count: () => this.#count(counts),
      });
    }
    const {arrival, lines} = comingOf(part, this.#progress.lengths, this.#rules);
    const output = store.step(part, arrival, lines, scores);
    this.#progress = this.#progress.plus(counts);
    return output;
  }

  /** What a part of a captured step is by now. */
  #replayed(part: CacheStep, tokens: number): Coming {
    this.#alive();
    if (this.#isPrompt(tokens)) refuse('KvCache', 'an empty cache in a replay', 'one that has read a prompt', PROMPT);
    this.#checkRoom(part.counts);
    checkReach(part, this.#progress.lengths);
    return comingOf(part, this.#progress.lengths, this.#rules);
  }

  /** Counts new tokens, until the function is called that this returns. */
  #count(counts: readonly number[]): () => void {
    const [progress, links] = [this.#progress, this.#links];
    this.#progress = progress.plus(counts);
    this.#links = links.of(counts.map((_, b) => b));
    return () => {
      this.#progress = progress;
      this.#links = links;
    };
  }

  #goBack(lengths: readonly number[]): void {
    this.#progress = this.#progress.backTo(lengths, this.#rules.layout);
    this.#links.rolledBack(lengths);
  }

  /** Sequence b holds what sequence `sequences[b]` of `from` does. */
  #take(from: KvCache, sequences: readonly number[]): void {
    this.#progress = from.#progress.of(sequences);
    this.#links = from.#links.of(sequences);
  }
}

const PROMPT = 'Read the prompt outside of the replay: call attend before it.';

/** Hears of what happens while a function is captured. */
const watcher = (): Watcher | null => Host.of(tf.backend())?.watcher ?? null;

/** What is no step may happen between replays, not in one. */
const managed = (what: string): void => void watcher()?.refuse('managed', what);

/** TensorFlow.js checks no limit of a device. */
function checkMemory(sizes: StoreSizes): void {
  const host = Host.of(tf.backend());
  if (host !== null) checkBytes(host, sizes);
}

/** The stores of caches that are about to be made, by their options. */
const forked = new WeakMap<KvCacheOptions, KvStore>();
