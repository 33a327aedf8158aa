import * as tf from '@tensorflow/tfjs-core';
import type {Tensor2D, Tensor4D, TensorInfo} from '@tensorflow/tfjs-core';
import {Recent, refuse} from '../../support/index.js';
import {
  compileStep,
  formatsOf,
  generateAppend,
  type Lines,
  type BindingRole,
  type CallParams,
  type HeldSequence,
  type DecodeStep,
  type Device,
  type Problem,
  type StepOptions,
} from '../../pure.js';
import {Host} from '../host/backend.js';
import {relativeRows} from './kv_bias.js';
import {checkBytes, DeviceMemory} from './kv_device_memory.js';
import type {Scores} from './kv_step.js';
import {capacityOf, type Arrival, type KvStore, type StepTensors, type StoreSizes} from './kv_store.js';
import {stepwise} from '../launch/frames.js';
import {broadcastStrides} from '../terms/bias.js';
import {featuresOf} from '../terms/terms.js';
import {run} from '../launch/run.js';

type Tensors = Partial<Record<BindingRole, TensorInfo>>;

/** A bias as kernels read it: where a pair of positions has its entry. */
interface DeviceBias {
  readonly tensor: Tensor4D | Tensor2D;
  readonly strides: readonly [number, number, number, number];
  /** Added to the index, of each sequence. */
  readonly base: readonly number[];
}

/** Which row of the memory a sequence writes to, and the row that has its older tokens where that is another, else −1. */
type Place = Pick<HeldSequence, 'row' | 'source'>;

/**
 * Buffers on the device, written in place: a step copies nothing of the past. Attention over them is the kernel that all attention takes,
 * with slots for keys and the query heads of a key head as rows of one tile.
 *
 * Sequences lie in rows of the memory, any in any. Several may lie in one, and several stores in one memory, until one of them is written.
 */
export class DeviceStore implements KvStore {
  readonly #host: Host;
  readonly #sizes: StoreSizes;
  #memory: DeviceMemory;
  /** Of each sequence. */
  #rows: readonly number[];
  /** Programs that have run once inside an error scope. */
  readonly #tried = new Set<string>();

  constructor(host: Host, sizes: StoreSizes, shared?: {readonly memory: DeviceMemory; readonly rows: readonly number[]}) {
    host.throwIfLost();
    this.#host = host;
    this.#sizes = sizes;
    // One that shares will need memory of its own.
    checkBytes(host, sizes);
    this.#memory = shared?.memory ?? new DeviceMemory(host, sizes);
    this.#rows = shared?.rows ?? Array.from({length: sizes.batch}, (_, b) => b);
  }

  get bytes(): number {
    return this.#memory.bytes;
  }

  ready(): void {
    if (Host.of(tf.backend()) !== this.#host) {
      const cure = 'Set that backend again, or make a new cache: its memory is on that device.';
      refuse('KvCache', `the backend '${tf.getBackend()}'`, 'the WebGPU backend that the cache was made on', cure);
    }
    this.#host.throwIfLost();
    this.#host.watcher?.refuse('cached');
    const error = this.#host.broken.get(this) ?? this.#host.broken.get(this.#memory);
    if (error !== undefined) throw error;
  }

  write(key: Tensor4D, value: Tensor4D, arrival: Arrival): void {
    const {batch, keyHeads, headDim, valueDim, precision} = this.#sizes;
    const shape = {headDim, valueDim, formats: formatsOf(precision), nativeHalves: this.#host.limits.float16};
    const sizes = {batch, keyHeads, capacity: capacityOf(this.#sizes), tokens: key.shape[2]};
    const places = this.#ownRows(arrival);
    const step = generateAppend(shape, sizes, this.#held(arrival, places));
    this.#run(step, {newKey: key, newValue: value}, {}, {scale: 1});
    this.#wrote(arrival, places);
  }

  step({query, key, value}: StepTensors, arrival: Arrival, lines: readonly Lines[], scores: Scores): Tensor4D {
    const {batch, keyHeads, headDim, valueDim, precision} = this.#sizes;
    const [, heads, tokens] = query.shape;
    const packedHeads = heads / keyHeads;
    // Query heads of one key head follow one another in memory, so they are rows of one head.
    const problem = {
      ...{batch, heads: keyHeads, keyHeads, packedHeads, queryLength: tokens * packedHeads, keyLength: capacityOf(this.#sizes)},
      ...{queryOffset: 0, headDim, valueDim},
    };
    const bias = biasOf(scores, arrival, tokens);
    const {scale, numbers} = scores;
    const terms = {...scores.tensors, ...(bias && {bias: bias.tensor})};
    const features = featuresOf(terms, numbers, scale);
    const places = this.#ownRows(arrival);
    const held = this.#held(arrival, places, bias?.base);
    const step = stepOfLayers({held, problem, lines, device: this.#host.limits, features, precision});
    const tensors = {query, newKey: key, newValue: value, ...terms};
    const call = {scale, ...numbers, ...(bias && {biasStrides: bias.strides})};
    const [output] = this.#run(step, tensors, {output: [batch, heads, tokens, valueDim]}, call);
    this.#wrote(arrival, places);
    return tf.engine().makeTensorFromTensorInfo(output!) as Tensor4D;
  }

  reorder(sequences: readonly number[]): void {
    this.#rows = sequences.map((b) => this.#rows[b]!);
  }

  fork(sequences: readonly number[]): DeviceStore {
    const rows = sequences.map((b) => this.#rows[b]!);
    const fork = new DeviceStore(this.#host, {...this.#sizes, batch: sequences.length}, {memory: this.#memory, rows});
    this.#memory.owners++;
    return fork;
  }

  dispose(): void {
    this.#memory.release();
  }

  /** A row for each sequence that nobody else reads: of those that share one, the first keeps it and others go to rows that nobody has. */
  #ownRows({first}: Arrival): Place[] {
    const {batch} = this.#sizes;
    const memory = this.#memory;
    if (memory.owners > 1 || memory.written.length !== batch) {
      const own = new DeviceMemory(this.#host, this.#sizes);
      own.copyFrom(memory, this.#rows, first);
      memory.release();
      this.#memory = own;
      this.#rows = first.map((_, b) => b);
    }
    const taken = new Set(this.#rows);
    if (taken.size === batch) return this.#rows.map((row) => ({row, source: -1}));
    const free = first.map((_, row) => row).filter((row) => !taken.has(row));
    return this.#rows.map((row) => (taken.delete(row) ? {row, source: -1} : {row: free.pop()!, source: row}));
  }

  #held({first, counts}: Arrival, places: readonly Place[], biasBase?: readonly number[]) {
    const {layout} = this.#sizes;
    const capacity = capacityOf(this.#sizes);
    const {written} = this.#memory;
    const sequences = places.map(({row, source}, b): HeldSequence => {
      const begin = first[b]!;
      // A copy brings the slots that the tokens so far may have, and leaves the others as the row had them.
      const end = source < 0 ? written[row]! : begin >= capacity ? written[source]! : Math.min(written[row]!, capacity);
      // A ring later lie the new tokens themselves.
      const deadEnd = Math.min(end, Math.max(layout.sinks, begin) + layout.ring);
      return {tokens: begin + counts[b]!, first: begin, row, source, deadEnd, biasBase: biasBase?.[b] ?? 0};
    });
    return {...layout, sequences};
  }

  /** A step has written its tokens, and zeros to all that is dead. */
  #wrote({first, counts}: Arrival, places: readonly Place[]): void {
    this.#rows = places.map(({row}) => row);
    places.forEach(({row}, b) => (this.#memory.written[row] = first[b]! + counts[b]!));
  }

  #run(step: DecodeStep, tensors: Tensors, shapes: Partial<Record<BindingRole, number[]>>, call: CallParams): TensorInfo[] {
    const held = step.memory.map((role, i) => [role, this.#memory.buffers[i]!] as const);
    return run(this.#host, stepwise(step, this, this.#tried), {tensors, shapes, held, call});
  }
}

type StepRequest = {readonly lines: readonly Lines[]; readonly problem: Problem; readonly device: Device} & StepOptions;

/** Layers of a model alternate between a few patterns. */
const MOST_STEPS = 4;
const planned = new Recent<StepRequest, DecodeStep>(MOST_STEPS);

/** Layers that share a pattern plan a step once. */
function stepOfLayers(request: StepRequest): DecodeStep {
  const {lines, problem, device, ...options} = request;
  return planned.get(request) ?? planned.set(request, compileStep(lines, problem, device, options));
}

/** The bias of positions. A relative one is one by strides: a query later means an entry before, a key later an entry after. */
function biasOf({bias, relative}: Scores, {first}: Arrival, tokens: number): DeviceBias | null {
  if (relative === undefined) {
    return bias === undefined ? null : {tensor: bias, strides: broadcastStrides(bias.shape), base: first.map(() => 0)};
  }
  const {entries, zero} = relative;
  const [heads, count] = entries.shape;
  if (bias === undefined) {
    return {tensor: entries, strides: [0, heads === 1 ? 0 : count, -1, 1], base: first.map((position) => zero - position)};
  }
  // Kernels have one binding for both.
  const columns = bias.shape[3] === 1 ? Math.max(...first) + tokens : bias.shape[3];
  const positions = Int32Array.from({length: columns}, (_, k) => k);
  const isSame = first.every((position) => position === first[0]);
  const parts = (isSame ? [first[0]!] : first).map((position) => relativeRows(relative, {first: position, tokens, positions}));
  const sum = tf.add(bias, parts.length === 1 ? parts[0]! : tf.concat(parts, 0)) as Tensor4D;
  return {tensor: sum, strides: broadcastStrides(sum.shape), base: first.map(() => 0)};
}
