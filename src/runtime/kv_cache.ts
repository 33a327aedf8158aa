import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor4D} from '@tensorflow/tfjs-core';
import {refuse} from '../support/index.js';
import {compress, toSlots, type Acsr, type Pattern, type Reach, type SlotLayout} from '../compile.js';
import {sparseAttention} from './attention.js';
import {Host} from './backend.js';
import type {NumberArray, Precision} from './options.js';
import {checkCache, checkCounts, checkStep, type KvAttendOptions, type KvCacheOptions, type Sizes, type Step} from './kv_check.js';
import {DeviceStore} from './kv_device_store.js';
import {TensorStore, type KvStore} from './kv_store.js';

/**
 * Keys and values of the tokens so far, for decoding: each step brings the new tokens alone. Prefill and decoding together give what one
 * causal call over the whole sequence gives.
 *
 * It holds only what the pattern can still reach. A window takes a ring of its size, with slots of their own for the first tokens where
 * the pattern keeps those in reach, however long the sequence gets.
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
  readonly #sizes: Sizes;
  readonly #maxStep: number;
  readonly #precision: Precision;
  readonly #reach: Reach;
  readonly #layout: SlotLayout;
  /** Tokens that a sequence may hold. */
  readonly #limit: number;
  #store: KvStore | null;
  readonly #lengths: number[];
  /** One past the last position ever written, per sequence: what lies a ring before it is gone, also after a rollback. */
  readonly #written: number[];

  /**
   * @throws SplatError when the pattern is not causal, is written for certain lengths (`documents`, masks) or reaches back without end and
   *   no `maxLength` is given, and when an option is not as described.
   */
  constructor(pattern: Pattern, options: KvCacheOptions) {
    const {reach, layout, limit, maxStep, precision, ...sizes} = checkCache(pattern, options);
    this.pattern = pattern;
    this.capacity = layout.sinks + layout.ring;
    this.#reach = reach;
    this.#layout = layout;
    this.#limit = limit;
    this.#maxStep = maxStep;
    this.#precision = precision;
    this.#sizes = sizes;
    const host = Host.of(tf.backend());
    const stored = {...sizes, layout, precision};
    this.#store = host === null ? new TensorStore(stored) : new DeviceStore(host, stored);
    this.#lengths = new Array<number>(sizes.batch).fill(0);
    this.#written = new Array<number>(sizes.batch).fill(0);
  }

  /** Tokens so far, per sequence. */
  get lengths(): readonly number[] {
    return [...this.#lengths];
  }

  /** Device memory held. */
  get bytes(): number {
    return this.#store?.bytes ?? 0;
  }

  /**
   * Appends the keys and values of new tokens and attends from their queries, to the past and to each other.
   *
   * @param query float32 [batch, heads, tokens, headDim]; heads is a multiple of keyHeads.
   * @param key float32 [batch, keyHeads, tokens, headDim].
   * @param value float32 [batch, keyHeads, tokens, valueDim].
   * @returns float32 [batch, heads, tokens, valueDim].
   * @throws SplatError, with the cache as it was, when an argument is not as described or the tokens are more than `maxLength` allows.
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
      const step = checkStep({query, key, value}, options, this.#sizes);
      this.#checkRoom(step.counts);
      const [batch, heads, tokens] = step.query.shape;
      if (tokens === 0) return tf.zeros([batch, heads, 0, this.#sizes.valueDim]);
      // A pattern that lists tokens past the prompt fits no call over the prompt alone.
      if (this.#lengths.every((length) => length === 0) && tokens >= this.#reach.leastLength) return this.#prefill(store, step);
      const outputs: Tensor4D[] = [];
      for (let from = 0; from < tokens; from += this.#maxStep) {
        outputs.push(this.#append(store, cut(step, from, Math.min(this.#maxStep, tokens - from))));
      }
      return outputs.length === 1 ? outputs[0]! : tf.concat(outputs, 2);
    });
  }

  /**
   * Forgets the newest tokens, as many in each sequence, or as many as the list says for each. The next ones take their places.
   *
   * @throws SplatError, with the cache as it was, when there are not so many, or older tokens that would come into reach again were given up.
   */
  rollback(tokens: number | ArrayLike<number | bigint>): void {
    this.#alive();
    const counts = checkCounts('rollback', tokens, this.#lengths, (b, most) => `0 to ${most}, the tokens of sequence ${b}`);
    counts.forEach((count, b) => {
      const most = this.#rollbackOf(b);
      // Back inside the sinks nothing of the ring is in reach.
      if (count <= most || this.#lengths[b]! - count <= this.#layout.sinks) return;
      refuse(
        'rollback',
        `${count} tokens of sequence ${b}, past the window`,
        `at most ${most}, for tokens that ${String(this.pattern)} would reach again are overwritten`,
        'Make the cache with the option rollback: the tokens to forget at most.',
      );
    });
    counts.forEach((count, b) => {
      this.#lengths[b]! -= count;
      // Nothing of the ring is left, so nothing of it is missing.
      if (this.#lengths[b]! <= this.#layout.sinks) this.#written[b] = this.#lengths[b]!;
    });
  }

  /** Forgets all tokens and keeps the memory. */
  reset(): void {
    this.#alive();
    this.#lengths.fill(0);
    this.#written.fill(0);
  }

  /** Releases the memory. The cache cannot be used any more. */
  dispose(): void {
    this.#store?.dispose();
    this.#store = null;
  }

  #alive(): KvStore {
    return (
      this.#store ?? refuse('KvCache', 'a disposed cache', 'a living one', 'Make a new one; reset() empties a cache and keeps it.')
    );
  }

  #checkRoom(counts: readonly number[]): void {
    counts.forEach((count, b) => {
      const length = this.#lengths[b]!;
      if (length + count <= this.#limit) return;
      const why = this.#reach.back === Infinity ? `, for ${String(this.pattern)} reaches back without end` : '';
      refuse(
        `tokens of sequence ${b}`,
        `${length} held and ${count} new`,
        `at most ${this.#limit} together, the maxLength of the cache${why}`,
        this.#reach.back === Infinity
          ? 'Give a larger maxLength, or bound the pattern: the ring of slidingWindow({left}) never fills up.'
          : 'Give a larger maxLength, or none: this pattern takes a ring that never fills up.',
      );
    });
  }

  /** How many of the newest tokens can go so that everything still in reach is there. */
  #rollbackOf(b: number): number {
    const {sinks, ring} = this.#layout;
    const length = this.#lengths[b]!;
    const oldest = this.#written[b]! - ring; // of the ring
    if (oldest <= sinks) return length;
    return Math.max(0, length - (oldest + this.#reach.back));
  }

  #prefill(store: KvStore, {query, key, value, counts, scores}: Step): Tensor4D {
    const output = sparseAttention(query, key, value, this.pattern, {
      ...scores,
      queryOffset: 0,
      precision: this.#precision,
    }) as Tensor4D;
    store.write(key, value, {first: this.#lengths, counts});
    this.#count(counts);
    const tokens = query.shape[2];
    if (counts.every((count) => count === tokens)) return output;
    // The padding comes after the tokens, so these never see it.
    const isToken = counts.flatMap((count) => Array.from({length: tokens}, (_, i) => i < count));
    return tf.where(tf.tensor4d(isToken, [counts.length, 1, tokens, 1], 'bool'), output, tf.zerosLike(output));
  }

  #append(store: KvStore, {query, key, value, counts, scores}: Step): Tensor4D {
    const first = [...this.#lengths];
    const isSame = first.every((length, b) => length === first[0] && counts[b] === counts[0]);
    const sequences = isSame ? [0] : first.map((_, b) => b);
    const rows = sequences.map((b) => this.#rowsOf(first[b]!, counts[b]!, query.shape[2]));
    const output = store.step({query, key, value}, {first, counts}, rows, scores);
    this.#count(counts);
    return output;
  }

  /** The slots that `count` new tokens after the first `length` attend to, and empty rows for padding. */
  #rowsOf(length: number, count: number, queryLength: number): Acsr {
    // Later keys make no difference to a causal pattern, but tokens that it lists have to be among the keys.
    const keyLength = Math.max(length + count, this.#reach.leastLength);
    return toSlots(compress(this.pattern, {queryLength: count, keyLength, queryOffset: length}), this.#layout, queryLength);
  }

  #count(counts: readonly number[]): void {
    counts.forEach((count, b) => {
      this.#lengths[b]! += count;
      this.#written[b] = Math.max(this.#written[b]!, this.#lengths[b]!);
    });
  }
}

function cut(step: Step, from: number, tokens: number): Step {
  const part = (tensor: Tensor4D): Tensor4D => {
    const [batch, heads, all, dim] = tensor.shape;
    return tokens === all ? tensor : tf.slice(tensor, [0, 0, from, 0], [batch, heads, tokens, dim]);
  };
  const counts = step.counts.map((count) => Math.min(Math.max(count - from, 0), tokens));
  return {...step, query: part(step.query), key: part(step.key), value: part(step.value), counts};
}
