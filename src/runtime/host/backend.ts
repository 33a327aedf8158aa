import type {DataType, KernelBackend, TensorInfo} from '@tensorflow/tfjs-core';
import {Lru, refuse, type SplatError} from '../../support/index.js';
import type {BindingRole, Device} from '../../pure.js';
import {deviceRecord, type AdapterWords} from './device.js';
import {grantedFeatures} from './granted.js';
import {record, type Dispatch} from './dispatch.js';
import {refuseLostReads} from './lost_reads.js';
import {Memory} from './memory.js';
import {Pace} from './pace.js';
import {Pins} from './pins.js';
import {Pipelines} from './pipelines.js';
import {Pool} from './pool.js';
import {canRemember, rememberPrograms} from './remember.js';
import {canBatch, canTrim, flag, isWebGPU, type WebGPUBackend} from './tfjs_webgpu.js';
import {untilLossIsTold, waitFor} from './wait.js';
import type {Watcher} from './watcher.js';

/** What stays on the device for a plan, uploaded once. */
export interface Resident {
  readonly schedule: GPUBuffer;
  /** Of the schedule: each read of a buffer's own goes through its binding to native code. */
  readonly bytes: number;
  /** The plan has run once inside an error scope. */
  scoped: boolean;
}

const MAX_RESIDENT_PLANS = 64;
/** Mask bits take n²/8 bytes a plan (32 MiB at n = 16384), everything else is small: 256 MiB hold eight of those. */
const MAX_RESIDENT_BYTES = 2 ** 28;

/** A tfjs WebGPU backend as this package uses it: where tensors live, how dispatches join the command queue, what stays resident. */
export class Host {
  static readonly #hosts = new WeakMap<object, Host>();

  /** The host of a backend, or null when the backend does not run on WebGPU. */
  static of(backend: KernelBackend): Host | null {
    let host = Host.#hosts.get(backend);
    if (host === undefined && isWebGPU(backend)) Host.#hosts.set(backend, (host = new Host(backend)));
    return host ?? null;
  }

  /** Of `device.adapterInfo` where the browser has it, else from tfjs. */
  readonly adapter: AdapterWords;
  limits: Device;
  pace: Pace;
  pipelines: Pipelines;
  /** Uniforms and bind groups, also of the programs of tfjs. */
  memory: Memory;
  residents = this.#noResidents();
  /** What has no schedule and has run once inside an error scope. */
  readonly scopedOnce = new WeakSet<object>();
  /** Plans the device refused. */
  readonly broken = new WeakMap<object, SplatError>();
  /** Hears of all that runs, while a function is captured. */
  watcher: Watcher | null = null;
  /** Whether every program of the backend passes here. */
  readonly seesAll: boolean;
  readonly #work = new Map<BindingRole, {readonly buffer: GPUBuffer; readonly bytes: number}>();
  readonly #pins = new Pins();
  readonly #backend: WebGPUBackend;
  readonly #canBatch: boolean;
  /** Null where the pool looks different. */
  readonly #pool: Pool | null;
  /** Why the device is gone, from soon after the loss on. */
  lost: string | null = null;
  /** The batch of commands that our last call joined: tfjs makes a new set for each batch. */
  #lastBatch: object | null = null;

  private constructor(backend: WebGPUBackend) {
    this.#backend = backend;
    const {device} = backend;
    this.adapter = device.adapterInfo ?? backend.adapterInfo ?? {};
    this.limits = deviceRecord(device.limits, this.adapter, grantedFeatures(device));
    this.pace = new Pace(device.queue, this.limits.software);
    this.pipelines = new Pipelines(device);
    this.#canBatch = canBatch(backend);
    this.memory = this.#noMemory();
    const queue = {
      oursWait: () => this.#oursWait,
      flush: () => this.flush(),
      forget: (buffer: GPUBuffer) => this.memory.forget(buffer),
      acquired: (buffer: GPUBuffer) => this.watcher?.acquired(buffer),
    };
    this.#pool = canTrim(backend.bufferManager) ? new Pool(backend.bufferManager, queue) : null;
    this.seesAll = this.#canBatch && this.#pool !== null && canRemember(backend);
    if (this.seesAll) {
      rememberPrograms(
        backend,
        () => this.memory,
        (dispatch, touched) => {
          this.#encodeInBatch(dispatch, touched);
          this.#flushIfMany();
        },
        () => this.watcher?.note('unseen'),
      );
    }
    // `lost` never rejects, and a device may live as long as the page.
    void device.lost.then(({reason, message}) => {
      this.lost = message === '' ? reason : message;
      this.#forget();
    });
  }

  #noMemory(): Memory {
    return new Memory(this.device, () => this.waiting);
  }

  #noResidents(): Lru<object, Resident> {
    return new Lru({
      entries: MAX_RESIDENT_PLANS,
      weight: MAX_RESIDENT_BYTES,
      weigh: ({bytes}) => bytes,
      evicted: ({schedule}) => this.destroy([schedule]),
    });
  }

  /** Lets go of everything on the lost device. */
  #forget(): void {
    this.pipelines = new Pipelines(this.device);
    this.residents = this.#noResidents();
    this.memory = this.#noMemory();
    this.#work.clear();
    refuseLostReads(this.#backend, () => this.throwIfLost());
  }

  get device(): GPUDevice {
    return this.#backend.device;
  }

  /** tfjs itself goes on silently after device loss, until data() rejects with an empty message. */
  throwIfLost(): void {
    if (this.lost === null) return;
    refuse(
      'WebGPU device',
      `a lost one (${this.lost})`,
      'a living device',
      'Its tensors are gone. Call createWebGPUBackend() and tf.setBackend() again, or tf.removeBackend() and register the stock backend ' +
        'anew; then load the model again.',
    );
  }

  /** What work on the device comes to. Where it fails because the device is lost meanwhile, the error says that, whatever the work says. */
  outcome<T>(work: Promise<T>): Promise<T> {
    return waitFor(this.device.queue, work).catch(async (error: unknown) => {
      await untilLossIsTold(this.device);
      this.throwIfLost();
      throw error;
    });
  }

  /** While tfjs compiles pipelines in parallel (`WEBGPU_ENGINE_COMPILE_ONLY`), nothing may be dispatched. */
  get compileOnly(): boolean {
    return flag('WEBGPU_ENGINE_COMPILE_ONLY') === true;
  }

  /** Makes `checkCompileCompletionAsync` of the backend wait for this pipeline. */
  awaitInCompileOnly(key: string, compiling: Promise<GPUComputePipeline>): void {
    if (this.#canBatch) this.#backend.pipelineCache[key] = compiling;
    // tfjs awaits it later, and a failure is remembered by `pipelines`: this only keeps it from counting as unhandled until then.
    compiling.catch(() => undefined);
  }

  makeTensor(shape: number[], dtype: 'float32' | 'int32'): TensorInfo {
    return this.#backend.makeTensorInfo(shape, dtype);
  }

  /** Releases a tensor of ours; its buffer returns to the pool once the commands that use it are submitted. */
  disposeTensor(tensor: TensorInfo): void {
    this.#backend.disposeData(tensor.dataId);
  }

  /**
   * The dtype of the stored elements. A cast to a wider type keeps the buffer, so a "float32" tensor made from a bool one holds int32.
   */
  storedDtype(tensor: TensorInfo): DataType {
    return this.#backend.tensorMap.get(tensor.dataId).dtype;
  }

  /** Whether the tensor lives in a buffer of the device already; otherwise `buffer` uploads it. */
  isOnDevice(tensor: TensorInfo): boolean {
    return this.#backend.tensorMap.get(tensor.dataId).resource != null;
  }

  /** The buffer of a tensor, uploaded or allocated when there is none yet. */
  buffer({dataId}: TensorInfo): GPUBuffer {
    const {tensorMap} = this.#backend;
    let data = tensorMap.get(dataId);
    if (data.resource == null) {
      this.#backend.uploadToGPU(dataId);
      data = tensorMap.get(dataId);
    }
    const buffer = data.resource as GPUBuffer;
    if (data.external) this.memory.lend(buffer);
    return buffer;
  }

  /** Data on the device, outside of the pool and of tf.memory(). */
  upload(
    words: Int32Array | Uint32Array,
    label: string,
    bytes = words.byteLength,
    usage: GPUBufferUsageFlags = GPUBufferUsage.STORAGE,
  ): GPUBuffer {
    const buffer = this.device.createBuffer({
      label,
      size: Math.max(16, bytes),
      usage,
      mappedAtCreation: true,
    });
    new Uint32Array(buffer.getMappedRange()).set(words);
    buffer.unmap();
    return buffer;
  }

  /**
   * A buffer that a call needs for itself: scratch, packed masks, converted tensors. One for all calls, for the queue runs them in turn.
   * From the pool every call between two submits had its own, and they left the cache (H200: causal n = 1024 .056 instead of .052 ms).
   */
  workBuffer(role: BindingRole, bytes: number): GPUBuffer {
    let work = this.#work.get(role);
    if (work === undefined || work.bytes < bytes) {
      if (work !== undefined) this.destroy([work.buffer]);
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
      this.#work.set(role, (work = {buffer: this.device.createBuffer({label: role, size: bytes, usage}), bytes}));
    }
    this.watcher?.acquired(work.buffer);
    return work.buffer;
  }

  /** Destroys buffers of our own. Commands that read them may still wait in the queue; after submit it is safe. */
  destroy(buffers: readonly GPUBuffer[]): void {
    this.flush();
    for (const buffer of buffers) {
      if (this.#pins.giveUp(buffer)) continue;
      this.memory.forget(buffer);
      buffer.destroy();
    }
  }

  /** Keeps buffers of our own alive until the function is called that this returns, whatever becomes of their owner. */
  pin(buffers: readonly GPUBuffer[]): () => void {
    for (const buffer of buffers) this.#pins.pin(buffer);
    return () => this.destroy(buffers.filter((buffer) => this.#pins.unpin(buffer)));
  }

  /** For what this room makes of the backend, and calls do not need. */
  inside<T>(make: (backend: WebGPUBackend) => T): T {
    return make(this.#backend);
  }

  /** The commands that wait in tfjs's queue: another object after each submit, null where ours never wait. */
  get waiting(): object | null {
    return this.#canBatch ? this.#backend.commandQueueOwnedIds : null;
  }

  /** Submits what waits in tfjs's queue. */
  flush(): void {
    if (this.#canBatch && this.#backend.commandEncoder === null) return;
    this.#backend.ensureCommandEncoderReady();
    this.#backend.endComputePassEncoder();
    this.#backend.submitQueue();
  }

  /** Adds dispatches to tfjs's current pass, in order; each sees what the earlier ones wrote. `touched` are the tensors they use. */
  encode(dispatches: readonly Dispatch[], touched: readonly TensorInfo[]): void {
    for (const dispatch of dispatches) {
      if (this.#canBatch) this.#encodeInBatch(dispatch, touched);
      else this.#encodeAlone(dispatch);
    }
    if (!this.#canBatch) return;
    this.#lastBatch = this.#backend.commandQueueOwnedIds;
    this.#flushIfMany();
  }

  #flushIfMany(): void {
    if (this.#backend.dispatchCountInPass >= Number(flag('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE') ?? 15)) this.flush();
  }

  /** As `recordAndSubmit` of the backend does, so that batching, tf.time and tf.profile see our dispatches like its own. */
  #encodeInBatch(dispatch: Dispatch, touched: readonly TensorInfo[]): void {
    const backend = this.#backend;
    this.watcher?.dispatched(dispatch, touched);
    // A submit below forgets these, and the next dispatch may use the same tensors: said again each time.
    for (const tensor of touched) backend.commandQueueOwnedIds.add(tensor.dataId);
    if (dispatch.uniform !== undefined) dispatch.uniform.batch = backend.commandQueueOwnedIds;

    const timers = backend.activeTimers ?? null;
    backend.ensureCommandEncoderReady();
    if (timers !== null && backend.supportTimestampQuery) {
      backend.endComputePassEncoder();
      backend.querySet ??= this.device.createQuerySet({type: 'timestamp', count: backend.querySetCount});
      backend.computePassEncoder = backend.commandEncoder!.beginComputePass({
        timestampWrites: {querySet: backend.querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1},
      });
    } else {
      backend.computePassEncoder ??= backend.commandEncoder!.beginComputePass();
    }
    record(backend.computePassEncoder, dispatch);
    backend.dispatchCountInPass++;
    if (timers !== null) {
      backend.endComputePassEncoder();
      timers.push({name: dispatch.name, query: backend.getQueryTime()});
    }
  }

  /** With public members only: right, but one submit more per dispatch, and invisible to tf.time. */
  #encodeAlone(dispatch: Dispatch): void {
    this.flush();
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    record(pass, dispatch);
    pass.end();
    this.device.queue.submit([encoder.finish()]);
  }

  get #oursWait(): boolean {
    return this.#canBatch && this.#lastBatch === this.#backend.commandQueueOwnedIds;
  }

  /** Before a call takes `bytes` from the pool. */
  beginCall(bytes: number): void {
    this.#pool?.beginCall(bytes);
  }

  /** After the dispatches of a call are encoded and its scratch is disposed of. `sizes` (bytes) are those of the buffers that it took. */
  endCall(sizes: () => ReadonlySet<number>): void {
    this.#pool?.endCall(sizes);
  }
}
