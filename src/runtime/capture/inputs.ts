import * as tf from '@tensorflow/tfjs-core';
import type {DataId, Tensor} from '@tensorflow/tfjs-core';
import {refuse, say} from '../../support/index.js';
import type {Host} from '../host/backend.js';
import {StoredTensors} from '../host/stored_tensors.js';
import {called, isTensor, put, shapeOfStructure, tensorsIn, type Leaves, type Numbers} from './structure.js';

interface Slot {
  readonly name: string;
  readonly buffer: GPUBuffer;
  /** In `buffer`, for the recording. */
  readonly tensor: Tensor;
  readonly example: Tensor;
}

/** What goes where before the dispatches. */
export interface Fill {
  readonly slot: Slot;
  readonly from: GPUBuffer | Numbers;
}

const ARRAYS = {float32: [Float32Array], int32: [Int32Array], bool: [Uint8Array, Int32Array]} as const;

/** Buffers of a capture's own for its inputs. Every replay fills them. */
export class InputSlots {
  readonly #host: Host;
  readonly #stored: StoredTensors;
  readonly #slots: readonly Slot[];
  readonly #shape: ReturnType<typeof tensorsIn>['shape'];
  readonly #names: Leaves<Tensor>['names'];

  /** @throws SplatError when an example is no tensor of numbers, or disposed of. */
  constructor(host: Host, examples: unknown) {
    this.#host = host;
    this.#stored = new StoredTensors(host);
    const {shape, names, leaves} = tensorsIn('example', examples);
    this.#shape = shape;
    this.#names = names;
    leaves.forEach((example, i) => {
      const name = called('example', names[i]!);
      if (!(example.dtype in ARRAYS))
        refuse(name, `dtype ${example.dtype}`, 'float32, int32 or bool', 'Make such inputs from others inside the function.');
      if (example.isDisposed) refuse(name, 'a tensor that was disposed of', 'a living one', 'Make it anew.');
    });
    this.#slots = leaves.map((example, i) => {
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const buffer = host.device.createBuffer({label: 'capture.input', size: Math.max(4, 4 * example.size), usage});
      const tensor = tf.keep(this.#stored.lend(buffer, example.shape, example.dtype, example.dtype));
      return {name: called('input', names[i]!), buffer, tensor, example};
    });
    try {
      this.#fillNow(this.#slots.map(({example}) => example));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** What the function is called with. */
  get tensors(): unknown {
    return put(
      this.#shape,
      this.#names,
      this.#slots.map(({tensor}) => tensor),
    );
  }

  get buffers(): readonly GPUBuffer[] {
    return this.#slots.map(({buffer}) => buffer);
  }

  /** The place of an input among them, or −1. */
  indexOf(id: DataId): number {
    return this.#slots.findIndex(({tensor}) => tensor.dataId === id);
  }

  #fillNow(tensors: readonly Tensor[]): void {
    const {fills, temporary} = this.#fillsOf(tensors);
    this.#host.flush();
    const encoder = this.#host.device.createCommandEncoder();
    this.encode(fills, encoder);
    this.#host.device.queue.submit([encoder.finish()]);
    tf.dispose(temporary);
  }

  /**
   * What fills the buffers, and tensors to be disposed of once that is submitted.
   *
   * @throws SplatError when an input is not as its example was.
   */
  prepare(given: unknown): {readonly fills: readonly Fill[]; readonly temporary: Tensor[]} {
    return this.#fillsOf(this.#leavesOf(given));
  }

  #leavesOf(given: unknown): unknown[] {
    const isLeaf = (leaf: unknown): boolean => isTensor(leaf) || ArrayBuffer.isView(leaf);
    const words = {one: 'one tensor', list: `a list of ${this.#slots.length}`, names: `the names ${this.#names.join(', ')}`};
    const expected = `${words[this.#shape]}, as in the examples`;
    const cure = 'Give what the capture was made with, in the same places.';
    if (shapeOfStructure(given, isLeaf) !== this.#shape) refuse('inputs', say(given), expected, cure);
    if (this.#shape === 'one') return [given];
    const entries = new Map<string, unknown>(Object.entries(given as object));
    const unknown = [...entries.keys()].find((name) => !this.#names.some((known) => String(known) === name));
    if (unknown !== undefined) refuse('inputs', `an unknown one, '${unknown}'`, expected, cure);
    return this.#names.map((name, i) => {
      const leaf = entries.get(String(name));
      return leaf ?? refuse(this.#slots[i]!.name, say(leaf), this.#wish(this.#slots[i]!), cure);
    });
  }

  #wish({example: {dtype, shape}}: Slot): string {
    return `${dtype} [${shape.join(', ')}]`;
  }

  #fillsOf(leaves: readonly unknown[]): {readonly fills: readonly Fill[]; readonly temporary: Tensor[]} {
    this.#slots.forEach((slot, i) => this.#check(slot, leaves[i]));
    const temporary: Tensor[] = [];
    const fills = this.#slots.flatMap((slot, i) => {
      if (slot.example.size === 0) return [];
      const leaf = leaves[i];
      return [{slot, from: isTensor(leaf) ? this.#inMemory(leaf, temporary) : (leaf as Numbers)}];
    });
    return {fills, temporary};
  }

  #check(slot: Slot, leaf: unknown): void {
    const {dtype, shape, size} = slot.example;
    const cure = 'A capture is for one shape: capture again for others, and keep both.';
    if (isTensor(leaf)) {
      if (leaf.isDisposed) refuse(slot.name, 'a tensor that was disposed of', 'a living one', 'Make it anew.');
      if (leaf.dtype === dtype && leaf.shape.join() === shape.join()) return;
      refuse(slot.name, `${leaf.dtype} [${leaf.shape.join(', ')}]`, this.#wish(slot), cure);
    }
    const arrays: readonly (new (length: number) => Numbers)[] = ARRAYS[dtype as keyof typeof ARRAYS];
    const found = arrays.find((type) => leaf instanceof type);
    const expected = `${this.#wish(slot)}, as a tensor or a ${arrays[0]!.name} of ${size}`;
    if (found === undefined) refuse(slot.name, say(leaf), expected, 'Give a tensor or such an array.');
    if ((leaf as Numbers).length !== size) refuse(slot.name, `${(leaf as Numbers).length} numbers`, expected, cure);
  }

  /** Where the numbers of a tensor lie, in the dtype that it has for everybody to see. */
  #inMemory(tensor: Tensor, temporary: Tensor[]): GPUBuffer | Numbers {
    const tensors = this.#stored;
    const data = tensors.data(tensor.dataId);
    const numbers = data?.resource == null ? (data?.values as ArrayLike<number> | undefined) : undefined;
    if (numbers != null) return tensor.dtype === 'float32' ? Float32Array.from(numbers) : Int32Array.from(numbers);
    // What lies on another backend comes here, as for any op.
    if (tensor.dtype !== 'float32' || data === undefined || data.dtype === 'float32') return tensors.buffer(tensor.dataId);
    // A product is stored as what it is said to be.
    const made = tf.mul(tensor, 1);
    temporary.push(made);
    return tensors.buffer(made.dataId);
  }

  encode(fills: readonly Fill[], encoder: GPUCommandEncoder): void {
    const {queue} = this.#host.device;
    for (const {slot, from} of fills) {
      const {buffer, example} = slot;
      if (from instanceof GPUBuffer) encoder.copyBufferToBuffer(from, 0, buffer, 0, 4 * example.size);
      // Booleans take four bytes on the device.
      else queue.writeBuffer(buffer, 0, from instanceof Uint8Array ? Int32Array.from(from) : (from as Float32Array<ArrayBuffer>));
    }
  }

  dispose(): void {
    for (const {tensor, buffer} of this.#slots) {
      tensor.dispose();
      buffer.destroy();
    }
  }
}
