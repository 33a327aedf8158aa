import * as tf from '@tensorflow/tfjs-core';
import type {Tensor4D} from '@tensorflow/tfjs-core';
import {positionOf, slotOf, type Lines, type SlotLayout, type Precision} from '../../pure.js';
import {checkBackendPrecision} from '../call/attention.js';
import {Host} from '../host/backend.js';
import {denseAttention} from '../tf_ops/dense.js';
import {termsBrought} from '../terms/terms.js';
import {biasRows} from './kv_bias.js';
import type {CacheSizes} from './kv_check.js';
import type {Scores} from './kv_step.js';

/** The sizes of a cache. */
export interface StoreSizes extends CacheSizes {
  readonly precision: Precision;
  readonly layout: SlotLayout;
}

/** New tokens of each sequence: the position of the first, and how many there are; what comes after those is padding. */
export interface Arrival {
  readonly first: readonly number[];
  readonly counts: readonly number[];
}

/** Where keys and values live, and how queries attend to them. It trusts its caller: what a slot loses was out of reach. */
export interface KvStore {
  /** Device memory held. */
  readonly bytes: number;
  /** Throws where it cannot be used now. */
  ready(): void;
  /** Puts new tokens, [batch, keyHeads, m, dim], into their slots. */
  write(key: Tensor4D, value: Tensor4D, arrival: Arrival): void;
  /** The same, and attends from query [batch, heads, m, headDim] over `lines` of slots: some for each sequence, or one entry for all. */
  step(tensors: StepTensors, arrival: Arrival, lines: readonly Lines[], scores: Scores): Tensor4D;
  /** Sequence b becomes what sequence `sequences[b]` is. */
  reorder(sequences: readonly number[]): void;
  /** Another store, whose sequence b is sequence `sequences[b]` of this one. */
  fork(sequences: readonly number[]): KvStore;
  dispose(): void;
}

export type StepTensors = Readonly<Record<'query' | 'key' | 'value', Tensor4D>>;

export const capacityOf = ({layout}: Pick<StoreSizes, 'layout'>): number => layout.sinks + layout.ring;

/** Whether sequences stay what and where they are. */
export const isIdentity = (sequences: readonly number[], batch: number): boolean =>
  sequences.length === batch && sequences.every((from, b) => from === b);

/**
 * Two tensors [batch, keyHeads, capacity, dim], on any backend. Tensors cannot be written to, so each write makes new ones: a step costs
 * a copy of the slots, as much memory traffic as attending to all of them.
 */
export class TensorStore implements KvStore {
  readonly bytes: number;
  readonly #sizes: StoreSizes;
  #key: Tensor4D;
  #value: Tensor4D;

  constructor(sizes: StoreSizes, held?: readonly [key: Tensor4D, value: Tensor4D]) {
    const {batch, keyHeads, headDim, valueDim} = sizes;
    checkBackendPrecision(sizes.precision);
    const capacity = capacityOf(sizes);
    this.bytes = 4 * batch * keyHeads * capacity * (headDim + valueDim);
    this.#sizes = sizes;
    this.#key = tf.keep(held?.[0] ?? tf.zeros([batch, keyHeads, capacity, headDim]));
    this.#value = tf.keep(held?.[1] ?? tf.zeros([batch, keyHeads, capacity, valueDim]));
  }

  /** Tensors move with the backend. */
  ready(): void {
    const host = Host.of(tf.backend());
    host?.throwIfLost();
    host?.watcher?.refuse('wide');
  }

  write(key: Tensor4D, value: Tensor4D, {first, counts}: Arrival): void {
    const placements = counts.flatMap((count, b) => placementsOf(b, first[b]!, count, this.#sizes.layout));
    if (placements.length === 0) return;
    this.#replace(() => [place(this.#key, key, placements), place(this.#value, value, placements)]);
  }

  step({query, key, value}: StepTensors, arrival: Arrival, lines: readonly Lines[], scores: Scores): Tensor4D {
    const host = Host.of(tf.backend());
    // On WebGPU, where features are too wide for our kernels, the pool of TensorFlow.js keeps buffers of every size that a step has.
    host?.beginCall(2 * this.bytes);
    this.write(key, value, arrival);
    const output = this.#attend(query, arrival, lines, scores);
    host?.endCall(() => new Set());
    return output;
  }

  #attend(query: Tensor4D, arrival: Arrival, lines: readonly Lines[], scores: Scores): Tensor4D {
    const {layout} = this.#sizes;
    const {scale, numbers} = scores;
    // Those that add to rows whose columns stand anywhere are part of the bias.
    const own = Object.fromEntries(
      termsBrought(scores.tensors, numbers)
        .filter(({cached}) => cached?.rows === undefined)
        .flatMap(({roles}) => roles.map((role) => [role, scores.tensors[role]])),
    );
    const attend = (b: number, inputs: StepTensors, scores: Scores): Tensor4D => {
      const tokens = arrival.first[b]! + arrival.counts[b]!;
      const positions = Int32Array.from({length: capacityOf({layout})}, (_, slot) => positionOf(slot, tokens, layout));
      const bias = biasRows(scores, {first: arrival.first[b]!, tokens: query.shape[2], positions});
      const {output} = denseAttention(
        {...inputs, ...own, ...(bias && {bias})},
        {lines: lines[b]!, scale, queryOffset: 0, layout: 'bhld', ...numbers},
      );
      return output as Tensor4D;
    };
    return tf.tidy(() => {
      if (lines.length === 1) return attend(0, {query, key: this.#key, value: this.#value}, scores);
      const only = (tensor: Tensor4D, b: number): Tensor4D => (tensor.shape[0] === 1 ? tensor : slice(tensor, 0, b, 1));
      const outputs = lines.map((_, b) =>
        attend(
          b,
          {query: only(query, b), key: only(this.#key, b), value: only(this.#value, b)},
          {...scores, ...(scores.bias && {bias: only(scores.bias, b)})},
        ),
      );
      return tf.concat(outputs, 0);
    });
  }

  reorder(sequences: readonly number[]): void {
    if (!isIdentity(sequences, this.#sizes.batch)) this.#replace(() => this.#gathered(sequences));
  }

  /** Without another order the tensors of both are one, until either writes. */
  fork(sequences: readonly number[]): TensorStore {
    const held = tf.tidy(() =>
      isIdentity(sequences, this.#sizes.batch) ? [tf.clone(this.#key), tf.clone(this.#value)] : this.#gathered(sequences),
    );
    return new TensorStore({...this.#sizes, batch: sequences.length}, held as [Tensor4D, Tensor4D]);
  }

  dispose(): void {
    this.#key.dispose();
    this.#value.dispose();
  }

  #gathered(sequences: readonly number[]): Tensor4D[] {
    const order = tf.tensor1d([...sequences], 'int32');
    return [tf.gather(this.#key, order), tf.gather(this.#value, order)];
  }

  #replace(make: () => Tensor4D[]): void {
    const next = tf.tidy(make);
    this.dispose();
    [this.#key, this.#value] = next.map((tensor) => tf.keep(tensor)) as [Tensor4D, Tensor4D];
  }
}

/** New tokens `from ≤ i < from + count` of sequence `batch`, and the first of the slots they go to. */
interface Placement {
  readonly batch: number;
  readonly from: number;
  readonly slot: number;
  readonly count: number;
}

/** Where the tokens of the positions `first … first + count − 1` go, those left out that others of them would overwrite. */
function placementsOf(batch: number, first: number, count: number, layout: SlotLayout): Placement[] {
  const {sinks, ring} = layout;
  const end = first + count;
  const placements: Placement[] = [];
  const add = (from: number, to: number): void => {
    if (from < to) placements.push({batch, from: from - first, slot: slotOf(from, layout), count: to - from});
  };
  add(first, Math.min(end, sinks));
  for (let from = Math.max(first, sinks, end - ring); from < end;) {
    const lapEnd = from + ring - ((from - sinks) % ring);
    add(from, Math.min(end, lapEnd));
    from = lapEnd;
  }
  return placements;
}

/** `held` with the new tokens in their slots. */
function place(held: Tensor4D, fresh: Tensor4D, placements: readonly Placement[]): Tensor4D {
  const [batch] = held.shape;
  const of = (b: number): Placement[] => placements.filter((each) => each.batch === b).sort((a, b) => a.slot - b.slot);
  const perSequence = Array.from({length: batch}, (_, b) => of(b));
  const spelled = perSequence.map((each) => each.map(({from, slot, count}) => [from, slot, count].join()).join(';'));
  if (spelled.every((text) => text === spelled[0])) return placeAll(held, fresh, perSequence[0]!);
  return tf.concat(
    perSequence.map((each, b) => placeAll(slice(held, 0, b, 1), slice(fresh, 0, b, 1), each)),
    0,
  );
}

function placeAll(held: Tensor4D, fresh: Tensor4D, placements: readonly Placement[]): Tensor4D {
  const pieces: Tensor4D[] = [];
  let next = 0;
  for (const {from, slot, count} of placements) {
    if (slot > next) pieces.push(slice(held, 2, next, slot - next));
    pieces.push(slice(fresh, 2, from, count));
    next = slot + count;
  }
  const [, , capacity] = held.shape;
  if (next < capacity) pieces.push(slice(held, 2, next, capacity - next));
  return tf.concat(pieces, 2);
}

function slice(tensor: Tensor4D, axis: number, begin: number, count: number): Tensor4D {
  const size = tensor.shape.map((full, i) => (i === axis ? count : full)) as Tensor4D['shape'];
  return tf.slice(tensor, tensor.shape.map((_, i) => (i === axis ? begin : 0)) as Tensor4D['shape'], size);
}
