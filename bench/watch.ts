import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import type {Gpu} from './gpu.js';

/** What a piece of work asked of the device. */
export interface Use {
  /** The most device memory in use at one time, in bytes above what was in use before. */
  readonly peakBytes: number;
  /** Compute pipelines created. */
  readonly pipelines: number;
}

/**
 * Counts device memory and pipelines, whoever creates them: `tf.memory()` knows only the backend's own buffers, and only between ops.
 *
 * A buffer of the backend's pool counts while an op or a tensor holds it; any other buffer from its creation to its destruction.
 */
export class DeviceWatch {
  private readonly backend: WebGPUBackend;
  private otherBytes = 0;
  private peakBytes = 0;
  private pipelines = 0;

  constructor({backend, device}: Gpu) {
    this.backend = backend;
    const manager = backend.bufferManager;
    const acquire = manager.acquireBuffer.bind(manager);
    let pooled = false;
    manager.acquireBuffer = (...args) => {
      pooled = true;
      try {
        return acquire(...args);
      } finally {
        pooled = false;
        this.note();
      }
    };
    const createBuffer = device.createBuffer.bind(device);
    device.createBuffer = (descriptor) => {
      const buffer = createBuffer(descriptor);
      if (pooled) return buffer;
      this.otherBytes += descriptor.size;
      this.note();
      const destroy = buffer.destroy.bind(buffer);
      buffer.destroy = () => {
        this.otherBytes -= descriptor.size;
        buffer.destroy = destroy;
        return destroy();
      };
      return buffer;
    };
    const createPipeline = device.createComputePipeline.bind(device);
    device.createComputePipeline = (descriptor) => {
      this.pipelines++;
      return createPipeline(descriptor);
    };
    const createPipelineAsync = device.createComputePipelineAsync.bind(device);
    device.createComputePipelineAsync = (descriptor) => {
      this.pipelines++;
      return createPipelineAsync(descriptor);
    };
  }

  /** What `work` used until its promise resolved. */
  async use(work: () => Promise<void>): Promise<Use> {
    const before = this.bytes();
    const pipelinesBefore = this.pipelines;
    this.peakBytes = before;
    await work();
    return {peakBytes: this.peakBytes - before, pipelines: this.pipelines - pipelinesBefore};
  }

  private bytes(): number {
    return this.backend.bufferManager.numBytesUsed + this.otherBytes;
  }

  private note(): void {
    this.peakBytes = Math.max(this.peakBytes, this.bytes());
  }
}
