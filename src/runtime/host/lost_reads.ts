import type {DataId} from '@tensorflow/tfjs-core';
import type {WebGPUBackend} from './tfjs_webgpu.js';

/**
 * Lets nobody read from a lost device: in browsers tfjs would read something synchronously, also to move a tensor to the backend that comes
 * next, and never notice. What the backend has on the CPU as well can still be read.
 */
export function refuseLostReads(backend: WebGPUBackend, throwIfLost: () => void): void {
  const {read, readSync} = backend;
  const throwIfGone = (id: DataId): void => {
    const {values, complexTensorInfos} = backend.tensorMap.has(id) ? backend.tensorMap.get(id) : {};
    if (values == null && complexTensorInfos == null) throwIfLost();
  };
  backend.readSync = (id) => {
    throwIfGone(id as DataId);
    return readSync.call(backend, id);
  };
  backend.read = async (id) => {
    throwIfGone(id as DataId);
    return read.call(backend, id);
  };
}
