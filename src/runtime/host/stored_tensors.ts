import * as tf from '@tensorflow/tfjs-core';
import type {DataId, DataType, Tensor} from '@tensorflow/tfjs-core';
import type {Host} from './backend.js';
import type {TensorData, WebGPUBackend} from './tfjs_webgpu.js';

/** Tensors of a backend by what they are stored in. */
export class StoredTensors {
  readonly #backend: WebGPUBackend;

  constructor(host: Host) {
    this.#backend = host.inside((backend) => backend);
  }

  /** Whether the backend was removed, and its buffers destroyed. */
  get areGone(): boolean {
    return this.#backend.disposed === true;
  }

  /** What the backend has of a tensor; nothing where it is disposed of, or on another backend. */
  data(id: DataId): TensorData | undefined {
    const {tensorMap} = this.#backend;
    return tensorMap.has(id) ? tensorMap.get(id) : undefined;
  }

  /** The buffer of a tensor, uploaded when there is none yet. */
  buffer(id: DataId): GPUBuffer {
    this.#backend.uploadToGPU(id);
    return this.#backend.tensorMap.get(id).resource as GPUBuffer;
  }

  /** One more tensor of the same data, which then outlive their owner. */
  hold(id: DataId): Tensor {
    const {shape, dtype} = this.#backend.tensorMap.get(id);
    this.#backend.incRef(id);
    return tf.keep(this.#tensor(id, shape, dtype));
  }

  /** A tensor in a buffer that stays its owner's. */
  lend(buffer: GPUBuffer, shape: readonly number[], stored: DataType, dtype: DataType): Tensor {
    const lent = this.#backend.createTensorFromGPUData({buffer, zeroCopy: true}, [...shape], stored);
    if (stored === dtype) return lent;
    this.#backend.incRef(lent.dataId);
    const tensor = this.#tensor(lent.dataId, shape, dtype);
    lent.dispose();
    return tensor;
  }

  /** A new tensor in a buffer of the pool, to be written. */
  fresh(shape: readonly number[], stored: DataType, dtype: DataType): {readonly tensor: Tensor; readonly buffer: GPUBuffer} {
    const {dataId} = this.#backend.makeTensorInfo([...shape], stored);
    return {buffer: this.buffer(dataId), tensor: this.#tensor(dataId, shape, dtype)};
  }

  /** A new tensor of values on the CPU. */
  ofValues(values: ArrayLike<number>, shape: readonly number[], dtype: DataType): Tensor {
    const {dataId} = this.#backend.makeTensorInfo([...shape], dtype, values);
    return this.#tensor(dataId, shape, dtype);
  }

  #tensor(dataId: DataId, shape: readonly number[], dtype: DataType): Tensor {
    // The backend is named, since another one may be active.
    return tf.engine().makeTensorFromTensorInfo({dataId, shape: [...shape], dtype}, this.#backend);
  }
}
