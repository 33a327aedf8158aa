import * as tf from '@tensorflow/tfjs-core';
import type {Tensor2D, Tensor4D, TensorInfo} from '@tensorflow/tfjs-core';
import {Recent, refuse} from '../../support/index.js';
import {
  compileStep,
  formatsOf,
  generateAppend,
  type Lines,
  type BindingRole,
  type HeldSequence,
  type DecodeStep,
  type Device,
  type Problem,
  type StepOptions,
} from '../../pure.js';
import {Host} from '../host/backend.js';
import type {PlannedStep} from '../host/cached_step.js';
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
export interface DeviceBias {
  readonly tensor: Tensor4D | Tensor2D;
  readonly strides: readonly [number, number, number, number];
  /** Added to the index, of each sequence. */
  readonly base: readonly number[];
}

/** Which row of the memory a sequence writes to, and the row that has its older tokens where that is another, else −1. */
type Place = Pick<HeldSequence, 'row' | 'source'>;

/** Where sequences lie. Never changed, but replaced: what a step brings can be put back. */
interface Standing {
  readonly memory: DeviceMemory;
  /** Of each sequence. */
  readonly rows: readonly number[];
  /** Of each row, one past the last position whose token may still lie there. */
  readonly written: readonly number[];
}

/** What a step finds, in memory that nobody else reads, and what it leaves. */
interface Move {
  readonly before: Standing;
  readonly places: readonly Place[];
  readonly after: Standing;
}

/** A step for the tokens held so far. Nothing has changed yet. */
export interface StorePlan extends Pick<PlannedStep, 'step' | 'call'> {
  readonly move: Move;
}

/**
 * Buffers on the device, written in place: a step copies nothing of the past. Attention over them is the kernel that all attention takes,
 * with slots for keys and the query heads of a key head as rows of one tile.
 *
 * Sequences lie in rows of the memory, any in any. Several may lie in one, and several stores in one memory, until one of them is written.
 */
export class DeviceStore implements KvStore {
  readonly host: Host;
  readonly #sizes: StoreSizes;
  #standing: Standing;
  /** Programs that have run once inside an error scope. */
  readonly tried = new Set<string>();

  constructor(host: Host, sizes: StoreSizes, shared?: Standing) {
    host.throwIfLost();
    this.host = host;
    this.#sizes = sizes;
    // One that shares will need memory of its own.
    checkBytes(host, sizes);
    const rows = Array.from({length: sizes.batch}, (_, b) => b);
    this.#standing = shared ?? {memory: new DeviceMemory(host, sizes), rows, written: rows.map(() => 0)};
  }

  get bytes(): number {
    return this.#standing.memory.bytes;
  }

  ready(): void {
    if (Host.of(tf.backend()) !== this.host) {
      const cure = 'Set that backend again, or make a new cache: its memory is on that device.';
      refuse('KvCache', `the backend '${tf.getBackend()}'`, 'the WebGPU backend that the cache was made on', cure);
    }
    this.host.throwIfLost();
    this.throwIfBroken();
  }

  throwIfBroken(): void {
    const error = this.host.broken.get(this) ?? this.host.broken.get(this.#standing.memory);
    if (error !== undefined) throw error;
  }

  write(key: Tensor4D, value: Tensor4D, arrival: Arrival): void {
    const {batch, keyHeads, headDim, valueDim, precision} = this.#sizes;
    const shape = {headDim, valueDim, formats: formatsOf(precision), nativeHalves: this.host.limits.float16};
    const sizes = {batch, keyHeads, capacity: capacityOf(this.#sizes), tokens: key.shape[2]};
    const move = this.#moveOf(arrival);
    const step = generateAppend(shape, sizes, this.#held(arrival, move));
    this.#run({step, call: {scale: 1}, move}, {newKey: key, newValue: value}, {});
  }

  step({query, key, value}: StepTensors, arrival: Arrival, lines: readonly Lines[], scores: Scores): Tensor4D {
    const [batch, heads, tokens] = query.shape;
    const bias = biasOf(scores, arrival, tokens);
    const plan = this.plan(heads, tokens, arrival, lines, scores, bias);
    const tensors = {query, newKey: key, newValue: value, ...scores.tensors, ...(bias && {bias: bias.tensor})};
    const [output] = this.#run(plan, tensors, {output: [batch, heads, tokens, this.#sizes.valueDim]});
    return tf.engine().makeTensorFromTensorInfo(output!) as Tensor4D;
  }

  plan(
    heads: number,
    tokens: number,
    arrival: Arrival,
    lines: readonly Lines[],
    {scale, tensors, numbers}: Scores,
    bias: DeviceBias | null,
  ): StorePlan {
    const {batch, keyHeads, headDim, valueDim, precision} = this.#sizes;
    const packedHeads = heads / keyHeads;
    // Query heads of one key head follow one another in memory, so they are rows of one head.
    const problem = {
      ...{batch, heads: keyHeads, keyHeads, packedHeads, queryLength: tokens * packedHeads, keyLength: capacityOf(this.#sizes)},
      ...{queryOffset: 0, headDim, valueDim},
    };
    const features = featuresOf({...tensors, ...(bias && {bias: bias.tensor})}, numbers, scale);
    const move = this.#moveOf(arrival);
    const held = this.#held(arrival, move, bias?.base);
    const step = stepOfLayers({held, problem, lines, device: this.host.limits, features, precision});
    return {step, move, call: {scale, ...numbers, ...(bias && {biasStrides: bias.strides})}};
  }

  /** Counts the tokens of a step as written. Returns what takes that back. */
  wrote({after}: Move): () => void {
    const before = this.#standing;
    this.#standing = after;
    return () => (this.#standing = before);
  }

  reorder(sequences: readonly number[]): void {
    const {rows} = this.#standing;
    this.#standing = {...this.#standing, rows: sequences.map((b) => rows[b]!)};
  }

  fork(sequences: readonly number[]): DeviceStore {
    const {memory, rows, written} = this.#standing;
    const shared = {memory, written, rows: sequences.map((b) => rows[b]!)};
    const fork = new DeviceStore(this.host, {...this.#sizes, batch: sequences.length}, shared);
    memory.owners++;
    return fork;
  }

  dispose(): void {
    this.#standing.memory.release();
  }

  /** A row for each sequence that nobody else reads: of those that share one, the first keeps it and others go to rows that nobody has. */
  #moveOf({first, counts}: Arrival): Move {
    const before = this.#alone(first);
    const {rows} = before;
    const taken = new Set(rows);
    const free = first.map((_, row) => row).filter((row) => !taken.has(row));
    const places = rows.map((row) => (taken.delete(row) ? {row, source: -1} : {row: free.pop()!, source: row}));
    const written = [...before.written];
    // A step writes its tokens, and zeros to all that is dead.
    places.forEach(({row}, b) => (written[row] = first[b]! + counts[b]!));
    return {before, places, after: {...before, rows: places.map(({row}) => row), written}};
  }

  /** The same tokens in memory that no other store has. */
  #alone(first: readonly number[]): Standing {
    const {memory, rows, written} = this.#standing;
    if (memory.owners === 1 && written.length === this.#sizes.batch) return this.#standing;
    const capacity = capacityOf(this.#sizes);
    const slots = first.map((length) => Math.min(length, capacity));
    return {
      memory: new DeviceMemory(this.host, this.#sizes, {memory, rows, slots}),
      rows: first.map((_, b) => b),
      written: slots.map((count, b) => (count === capacity ? written[rows[b]!]! : count)),
    };
  }

  #held({first, counts}: Arrival, {before: {written}, places}: Move, biasBase?: readonly number[]) {
    const {layout} = this.#sizes;
    const capacity = capacityOf(this.#sizes);
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

  #run({step, call, move}: StorePlan, tensors: Tensors, shapes: Partial<Record<BindingRole, number[]>>): TensorInfo[] {
    const held = memoryOf(step, move);
    // Also where the run throws: the memory that it took this one for is gone.
    this.#standing = move.before;
    const outputs = run(this.host, stepwise(step, this, this.tried), {tensors, shapes, held, call});
    this.#standing = move.after;
    return outputs;
  }
}

/** The memory that a step reads and writes, made now where it needs one of its own. */
export const memoryOf = ({memory}: DecodeStep, {before}: Move): (readonly [BindingRole, GPUBuffer])[] => {
  const buffers = before.memory.buffers();
  return memory.map((role, i) => [role, buffers[i]!]);
};

type StepRequest = {readonly lines: readonly Lines[]; readonly problem: Problem; readonly device: Device} & StepOptions;

/** Layers of a model alternate between a few patterns, and replays plan two steps of each. */
const MOST_STEPS = 12;
const planned = new Recent<StepRequest, DecodeStep>(MOST_STEPS);

/** Layers that share a pattern plan a step once. */
function stepOfLayers(request: StepRequest): DecodeStep {
  const {lines, problem, device, ...options} = request;
  return planned.get(request) ?? planned.set(request, compileStep(lines, problem, device, options));
}

/** The bias of positions. A relative one is one by strides: a query later means an entry before, a key later an entry after. */
export function biasOf({bias, relative}: Scores, {first}: Arrival, tokens: number): DeviceBias | null {
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
