import type {DataId, DataType, Tensor, Variable} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import type {Host} from '../host/backend.js';
import {StoredTensors} from '../host/stored_tensors.js';
import type {WeightUse} from './recording.js';

/** A tensor from outside that the capture reads, kept alive whatever becomes of its owner. */
interface Weight {
  readonly use: WeightUse;
  readonly stored: DataType;
  tensor: Tensor;
  buffer: GPUBuffer;
}

export class HeldWeights {
  readonly #stored: StoredTensors;
  /** By the data that they had in the recording. */
  readonly #weights = new Map<DataId, Weight>();

  constructor(host: Host, ids: Iterable<DataId>, uses: ReadonlyMap<DataId, WeightUse>) {
    this.#stored = new StoredTensors(host);
    for (const id of ids) {
      const use = uses.get(id)!;
      const tensor = this.#stored.hold(id);
      this.#weights.set(id, {use, stored: this.#stored.data(id)!.dtype, tensor, buffer: this.#stored.buffer(id)});
    }
  }

  buffer(id: DataId): GPUBuffer {
    return this.#weights.get(id)!.buffer;
  }

  /**
   * Looks whether variables were assigned, and takes their new data. Returns which weights those are, by their data in the recording.
   *
   * @throws SplatError when a weight cannot be followed, with all weights as they were.
   */
  refresh(): ReadonlySet<DataId> {
    const changed = new Map<DataId, DataId>();
    for (const [id, weight] of this.#weights) {
      const now = this.#dataOf(weight);
      if (now !== weight.tensor.dataId) changed.set(id, now);
    }
    for (const [id, now] of changed) {
      const weight = this.#weights.get(id)!;
      const before = weight.tensor;
      weight.tensor = this.#stored.hold(now);
      weight.buffer = this.#stored.buffer(now);
      before.dispose();
    }
    return new Set(changed.keys());
  }

  #dataOf({use: {variables, asTensor}, tensor, buffer, stored}: Weight): DataId {
    let now = tensor.dataId;
    const again = 'Capture again.';
    if (variables.size > 0) {
      const [first, ...others] = [...variables] as [Variable, ...Variable[]];
      const thing = `variable '${first.name}'`;
      if (first.isDisposed) refuse(thing, 'one that was disposed of', 'a living one', again);
      const isOne = !asTensor && others.every(({dataId}) => dataId === first.dataId);
      if (first.dataId === now && isOne) return this.#checked(now, buffer);
      if ([first, ...others].some(({dataId}) => dataId !== now)) {
        if (!isOne) refuse(thing, 'a new value', 'the one that it shared with another tensor in the function', again);
        now = first.dataId;
        const data = this.#stored.data(now);
        if (data?.dtype !== stored)
          refuse(thing, data === undefined ? 'a value on another backend' : `a value stored as ${data.dtype}`, stored, again);
        return now;
      }
    }
    return this.#checked(now, buffer);
  }

  #checked(id: DataId, buffer: GPUBuffer): DataId {
    if (this.#stored.data(id)?.resource === buffer) return id;
    return refuse(
      'a weight of the capture',
      'it on another backend',
      'it where it was',
      'Capture again, and leave weights on this backend.',
    );
  }

  dispose(): void {
    for (const {tensor} of this.#weights.values()) tensor.dispose();
  }
}
