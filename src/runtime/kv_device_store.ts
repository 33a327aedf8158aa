import * as tf from '@tensorflow/tfjs-core';
import type {Tensor4D, TensorInfo} from '@tensorflow/tfjs-core';
import {refuse, SplatError} from '../support/index.js';
import {
  decodePlan,
  generateAppend,
  generateStep,
  PARAMS_BYTES,
  PLAIN,
  repeatRows,
  type Acsr,
  type BindingRole,
  type CallParams,
  type Step,
} from '../compile.js';
import {Host} from './backend.js';
import {showLaunches} from './debug.js';
import {debugLevel} from './debug_level.js';
import type {Scores} from './kv_check.js';
import {Frames} from './kv_frames.js';
import {capacityOf, type Arrival, type KvStore, type StepTensors, type StoreSizes} from './kv_store.js';
import {asStored, bytesOf, bytesToAllocate, checkFits, compileAhead, dispatchOf, scoped, type Binding} from './launch.js';

type Tensors = Partial<Record<BindingRole, TensorInfo>>;

/**
 * Two buffers of its own, [batch, keyHeads, capacity, dim], written in place: a step copies nothing of the past. Attention over them is
 * the kernel that all attention takes, with slots for keys and the query heads of a key head as rows of one tile.
 */
export class DeviceStore implements KvStore {
  readonly bytes: number;
  readonly #host: Host;
  readonly #sizes: StoreSizes;
  readonly #buffers: readonly [key: GPUBuffer, value: GPUBuffer];
  /** Programs that have run once inside an error scope. */
  readonly #tried = new Set<string>();

  constructor(host: Host, sizes: StoreSizes) {
    host.throwIfLost();
    this.#host = host;
    this.#sizes = sizes;
    const {batch, keyHeads, headDim, valueDim, precision} = sizes;
    // Rows of halves are padded to 16 of them.
    const rowBytes = (dim: number): number => (precision === 'float16' ? 32 * Math.ceil(dim / 16) : 4 * dim);
    const size = (dim: number): number => batch * keyHeads * capacityOf(sizes) * rowBytes(dim);
    const [keyBytes, valueBytes] = [size(headDim), size(valueDim)];
    const most = Math.min(host.device.limits.maxStorageBufferBindingSize, host.device.limits.maxBufferSize);
    if (Math.max(keyBytes, valueBytes) > most) {
      const cure = "Give a smaller maxLength, precision 'float16', or several caches of fewer sequences or heads.";
      refuse(
        'KvCache',
        `${Math.max(keyBytes, valueBytes)} bytes of keys or values`,
        `at most ${most}, a buffer of this device`,
        cure,
      );
    }
    this.bytes = keyBytes + valueBytes;
    this.#buffers = this.#allocate(keyBytes, valueBytes);
  }

  ready(): void {
    if (Host.of(tf.backend()) !== this.#host) {
      const cure = 'Set that backend again, or make a new cache: its memory is on that device.';
      refuse('KvCache', `the backend '${tf.getBackend()}'`, 'the WebGPU backend that the cache was made on', cure);
    }
    this.#host.throwIfLost();
    const error = this.#host.broken.get(this);
    if (error !== undefined) throw error;
  }

  write(key: Tensor4D, value: Tensor4D, arrival: Arrival): void {
    const {batch, keyHeads, headDim, valueDim, precision} = this.#sizes;
    const shape = {headDim, valueDim, halves: precision === 'float16', nativeHalves: this.#host.limits.float16};
    const sizes = {batch, keyHeads, capacity: capacityOf(this.#sizes), tokens: key.shape[2]};
    this.#run(generateAppend(shape, sizes, this.#held(arrival)), {newKey: key, newValue: value}, {}, {scale: 1});
  }

  step({query, key, value}: StepTensors, arrival: Arrival, rows: readonly Acsr[], scores: Scores): Tensor4D {
    const {batch, keyHeads, headDim, valueDim, precision} = this.#sizes;
    const [, heads, tokens] = query.shape;
    const packedHeads = heads / keyHeads;
    const {alibiSlopes, sinks, scale, softcap} = scores;
    // Query heads of one key head follow one another in memory, so they are rows of one head.
    const problem = {
      ...{batch, heads: keyHeads, keyHeads, packedHeads, queryLength: tokens * packedHeads, keyLength: capacityOf(this.#sizes)},
      ...{queryOffset: 0, headDim, valueDim},
    };
    const packed = packedHeads === 1 ? rows : rows.map((acsr) => repeatRows(acsr, packedHeads));
    const plan = decodePlan(packed, problem, this.#host.limits, precision);
    const features = {...PLAIN, softcap: softcap !== undefined, alibi: alibiSlopes !== undefined, sinks: sinks !== undefined};
    const step = generateStep(plan, {features, ragged: rows.length > 1, held: this.#held(arrival)});
    if (debugLevel() > 0) showLaunches(debugLevel(), {plan, launches: step.launches});
    const tensors = {query, newKey: key, newValue: value, ...(alibiSlopes && {alibiSlopes}), ...(sinks && {sinks})};
    const call = {scale, ...(softcap !== undefined && {softcap})};
    const [output] = this.#run(step, tensors, {output: [batch, heads, tokens, valueDim]}, call);
    return tf.engine().makeTensorFromTensorInfo(output!) as Tensor4D;
  }

  dispose(): void {
    this.#host.destroy(this.#buffers);
  }

  #held({first, counts}: Arrival) {
    return {...this.#sizes.layout, sequences: first.map((position, b) => [position + counts[b]!, position] as const)};
  }

  /** Runs the launches of a step, and returns new tensors of the given shapes. */
  #run(step: Step, tensors: Tensors, shapes: Partial<Record<BindingRole, number[]>>, call: CallParams): TensorInfo[] {
    const host = this.#host;
    const {launches, workBytes, words, tail} = step;
    checkFits(host, step, tensors, shapes);
    const {given, temporary} = asStored(host, tensors);
    host.beginCall(bytesToAllocate(host, given, Object.values(shapes)));
    const made = Object.entries(shapes).map(([role, shape]) => [role, host.makeTensor(shape, 'float32')] as const);
    const used = Object.entries({...given, ...Object.fromEntries(made)}) as [BindingRole, TensorInfo][];
    const touched = used.map(([, tensor]) => tensor);

    if (host.compileOnly) for (const {program} of launches) compileAhead(host, program);
    else {
      const frames = Frames.of(host);
      const frame = frames.next(8 * tail.pairs);
      const bindings = this.#bind(workBytes, used).set('schedule', {buffer: frame.schedule, size: frame.schedule.size});
      host.device.queue.writeBuffer(frame.schedule, 0, words);
      const uniforms = new Uint8Array(256 * launches.length);
      launches.forEach((launch, i) => uniforms.set(new Uint8Array(launch.params(call)), 256 * i));
      host.device.queue.writeBuffer(frame.uniforms, 0, uniforms);
      const encode = (): void => {
        const dispatches = launches.map((launch, i) =>
          dispatchOf(host, launch, {buffer: frame.uniforms, offset: 256 * i, size: PARAMS_BYTES}, bindings),
        );
        host.encode(dispatches, touched);
      };
      if (launches.every(({program}) => this.#tried.has(program.key) && host.pipelines.has(program))) encode();
      else {
        for (const {program} of launches) this.#tried.add(program.key);
        scoped(host, this, launches, encode);
      }
      frames.used(frame);
    }

    for (const tensor of temporary) tensor.dispose();
    host.endCall(new Set(touched.map(({shape}) => bytesOf(shape))));
    return made.map(([, tensor]) => tensor);
  }

  #bind(workBytes: Step['workBytes'], used: readonly (readonly [BindingRole, TensorInfo])[]): Map<BindingRole, Binding> {
    const host = this.#host;
    const bindings = new Map<BindingRole, Binding>();
    for (const [role, size] of Object.entries(workBytes) as [BindingRole, number][]) {
      bindings.set(role, {buffer: host.workBuffer(role, size), size});
    }
    for (const [role, tensor] of used) bindings.set(role, {buffer: host.buffer(tensor), size: bytesOf(tensor.shape)});
    const [key, value] = this.#buffers;
    const suffix = this.#sizes.precision === 'float16' ? 'Halves' : '';
    bindings.set(`key${suffix}`, {buffer: key, size: key.size});
    return bindings.set(`value${suffix}`, {buffer: value, size: value.size});
  }

  /** Where the device has no memory left, the cache throws from soon after on: buffers come at once, errors later. */
  #allocate(...sizes: [keyBytes: number, valueBytes: number]): readonly [key: GPUBuffer, value: GPUBuffer] {
    const {device} = this.#host;
    device.pushErrorScope('out-of-memory');
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const [key, value] = sizes.map((size) => device.createBuffer({label: 'SparseAttention.cache', size, usage}));
    device.popErrorScope().then(
      (found) => {
        if (found === null) return;
        this.#host.broken.set(
          this,
          new SplatError({
            thing: 'KvCache',
            found: `no memory for ${this.bytes} bytes: ${found.message}`,
            expected: 'a device that has them',
            cure: "Give a smaller maxLength or precision 'float16'.",
          }),
        );
      },
      () => undefined, // The device is lost, which every later call reports.
    );
    return [key!, value!];
  }
}
