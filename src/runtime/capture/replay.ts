import * as tf from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import type {Host} from '../host/backend.js';
import {StoredTensors} from '../host/stored_tensors.js';
import type {Assembly, CapturedConstant, Command} from './assembly.js';
import type {Fill, InputSlots} from './inputs.js';
import type {Output} from './recording.js';
import type {InputsLike, Numbers, ValuesOf} from './structure.js';

/** A captured function. */
export interface Replay<Inputs, Outputs> {
  /**
   * Runs the function with new inputs of the same shapes. Returns at once, as ops do; dispose of the outputs as of any tensor.
   *
   * @param inputs In the places of the examples: tensors, or typed arrays (Float32Array, Int32Array, for bool Uint8Array).
   * @throws SplatError when an input is not as its example was, with the input, what was found and what was expected; when the device is
   *   lost, the replay is disposed of, a weight cannot be followed, or a `KvCache` of the function cannot take its tokens: all caches are then
   *   as they were.
   */
  run(inputs: Inputs | InputsLike<Inputs>): Outputs;
  /** The same, and reads the outputs: the copy to the CPU is in the last submit. Gives typed arrays in the places of the tensors. */
  read(inputs: Inputs | InputsLike<Inputs>): Promise<ValuesOf<Outputs>>;
  /** Dispatches of a run; with steps of a `KvCache`, of the last one. */
  readonly dispatches: number;
  /** Bytes of GPU memory that the capture holds of its own: inputs, storage, constants, outputs. Weights and caches stay where they are. */
  readonly bytes: number;
  /** What the function brought itself (arrays, scalars, pictures): every replay computes with these, whatever has become of their source. */
  readonly constants: readonly CapturedConstant[];
  /** Frees the memory. Outputs of `outputs: 'alias'` are gone with it. */
  dispose(): void;
}

/** Dispatches that are submitted together: the GPU begins with them while the next are encoded (H200: 8.4 ms a BERT instead of 10.3 in one). */
const PER_SUBMIT = 64;
/** Of the first submit, before which an idle GPU waits: 64 take the CPU .4 ms to encode. */
const FIRST_SUBMIT = 16;

/** Staging memory of one read. */
interface Staging {
  readonly buffer: GPUBuffer;
  readonly places: readonly (number | null)[];
}

export class Replayer {
  readonly #host: Host;
  readonly #stored: StoredTensors;
  readonly #inputs: InputSlots;
  readonly #assembly: Assembly;
  readonly #aliases: boolean;
  readonly #build: (leaves: readonly unknown[]) => unknown;
  readonly #staging: Staging[] = [];
  #isDisposed = false;

  constructor(
    host: Host,
    inputs: InputSlots,
    assembly: Assembly,
    aliases: boolean,
    build: (leaves: readonly unknown[]) => unknown,
  ) {
    this.#host = host;
    this.#stored = new StoredTensors(host);
    this.#inputs = inputs;
    this.#assembly = assembly;
    this.#aliases = aliases;
    this.#build = build;
  }

  get dispatches(): number {
    return this.#assembly.dispatches;
  }

  get bytes(): number {
    return this.#assembly.bytes;
  }

  get constants(): readonly CapturedConstant[] {
    return this.#assembly.constants;
  }

  run(given: unknown): unknown {
    const outputs = this.#start(given, (encoder) => this.#assembly.outputs.map((output) => this.#tensorOf(output, encoder)));
    return this.#build(outputs);
  }

  async read(given: unknown): Promise<unknown> {
    const staging = this.#start(given, (encoder) => this.#stage(encoder));
    const {buffer} = staging;
    const mapped = this.#host.outcome(buffer.mapAsync(GPUMapMode.READ));
    // Whoever reads waits for the GPU, and most likely goes on.
    this.#assembly.cached.planAhead();
    await mapped;
    const read = buffer.getMappedRange();
    const numbers = this.#assembly.outputs.map((output, i) => this.#numbersOf(output, staging.places[i]!, read));
    buffer.unmap();
    if (this.#isDisposed) buffer.destroy();
    else this.#staging.push(staging);
    return this.#build(numbers);
  }

  /** Encodes and submits a run; `end` adds to the last submit. */
  #start<T>(given: unknown, end: (encoder: GPUCommandEncoder) => T): T {
    const host = this.#host;
    if (this.#isDisposed) refuse('replay', 'one that was disposed of', 'a living one', 'Capture again.');
    host.throwIfLost();
    if (this.#stored.areGone)
      refuse(
        'replay',
        'its backend removed',
        'the backend that it was captured on',
        'Capture again, on the backend that took its place.',
      );
    if (host.watcher !== null) host.watcher.refuse('replayed');
    const {fills, temporary} = this.#inputs.prepare(given);
    try {
      const assembly = this.#assembly;
      assembly.refresh();
      const plans = assembly.cached.plan();
      // Inputs may be results that are not computed yet, and a training step may be about to write weights.
      host.flush();
      return assembly.cached.guarded(plans, () => this.#encode(fills, assembly.planned(plans), end));
    } finally {
      tf.dispose(temporary);
    }
  }

  #encode<T>(fills: readonly Fill[], commands: readonly Command[], end: (encoder: GPUCommandEncoder) => T): T {
    const {device} = this.#host;
    let encoder = device.createCommandEncoder();
    this.#inputs.encode(fills, encoder);
    let pass: GPUComputePassEncoder | null = null;
    let count = 0;
    let most = FIRST_SUBMIT;
    for (const {restores, dispatches} of commands) {
      if (restores.length > 0) {
        pass?.end();
        pass = null;
        for (const {from, to, bytes} of restores) encoder.copyBufferToBuffer(from, 0, to, 0, bytes);
      }
      for (const {pipeline, group, grid, endsTurn} of dispatches) {
        pass ??= encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...grid);
        if (++count < most && !endsTurn) continue;
        pass.end();
        device.queue.submit([encoder.finish()]);
        [encoder, pass, count, most] = [device.createCommandEncoder(), null, 0, PER_SUBMIT];
      }
    }
    pass?.end();
    const ended = end(encoder);
    device.queue.submit([encoder.finish()]);
    return ended;
  }

  #tensorOf({shape, dtype, stored, source}: Output, encoder: GPUCommandEncoder): tf.Tensor {
    const tensors = this.#stored;
    if (source.kind === 'numbers') return tensors.ofValues(typed(source.numbers, stored), shape, dtype);
    const from = this.#assembly.buffer(source);
    if (this.#aliases && source.kind === 'value') return tensors.lend(from, shape, stored, dtype);
    const {tensor, buffer} = tensors.fresh(shape, stored, dtype);
    encoder.copyBufferToBuffer(from, 0, buffer, 0, buffer.size);
    return tensor;
  }

  #stage(encoder: GPUCommandEncoder): Staging {
    const staging = this.#staging.pop() ?? this.#newStaging();
    this.#assembly.outputs.forEach(({shape, source}, i) => {
      if (source.kind === 'numbers') return;
      const from = this.#assembly.buffer(source);
      encoder.copyBufferToBuffer(from, 0, staging.buffer, staging.places[i]!, bytesOf(shape));
    });
    return staging;
  }

  #newStaging(): Staging {
    let size = 0;
    const places = this.#assembly.outputs.map(({shape, source}) => {
      if (source.kind === 'numbers') return null;
      size += bytesOf(shape);
      return size - bytesOf(shape);
    });
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    return {buffer: this.#host.device.createBuffer({label: 'capture.read', size: Math.max(4, size), usage}), places};
  }

  #numbersOf({shape, stored, source}: Output, place: number | null, read: ArrayBuffer): Numbers {
    if (source.kind === 'numbers') return typed(source.numbers, stored);
    const bytes = read.slice(place!, place! + bytesOf(shape));
    return typed(stored === 'float32' ? new Float32Array(bytes) : new Int32Array(bytes), stored);
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    // Ordinary commands that wait may read outputs that lie here.
    this.#host.flush();
    this.#assembly.dispose();
    for (const {buffer} of this.#staging) buffer.destroy();
  }
}

const bytesOf = (shape: readonly number[]): number => 4 * tf.util.sizeFromShape([...shape]);

/** Numbers as `tensor.data()` gives them, in an array of their own. */
function typed(numbers: ArrayLike<number>, stored: tf.DataType): Numbers {
  if (stored === 'float32') return Float32Array.from(numbers);
  return stored === 'bool' ? Uint8Array.from(numbers) : Int32Array.from(numbers);
}
