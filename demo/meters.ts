import {webgpuBackend, type Machine} from './machine.js';

/**
 * The most bytes of GPU buffers in use at one time. tf.memory() tells what is in use now; intermediates of a run come and go before
 * anybody can ask, so the meter asks whenever the backend takes a buffer.
 */
export class PeakMeter {
  private peak = 0;
  private restore: (() => void) | null = null;

  constructor(private readonly machine: Machine) {}

  start(): void {
    if (this.machine.backend !== 'webgpu') return;
    const pool = webgpuBackend().bufferManager;
    const acquire = pool.acquireBuffer;
    pool.acquireBuffer = (...request) => {
      const buffer = acquire.apply(pool, request);
      this.peak = Math.max(this.peak, pool.numBytesUsed);
      return buffer;
    };
    this.restore = () => {
      pool.acquireBuffer = acquire;
    };
  }

  /** Bytes, or null where there is nothing to ask. */
  stop(): number | null {
    this.restore?.();
    this.restore = null;
    return this.peak > 0 ? this.peak : null;
  }
}

/** WebGPU reports a failed dispatch or allocation as an event, and TensorFlow.js does not listen: its results are then old memory. */
export function gpuErrors(machine: Machine): {first: () => Promise<string | null>; stop: () => void} {
  if (machine.backend !== 'webgpu') return {first: async () => null, stop: () => {}};
  const {device, queue} = webgpuBackend();
  let message: string | null = null;
  const listen = ({error}: GPUUncapturedErrorEvent) => {
    message ??= `${error.constructor.name}: ${error.message.split('\n')[0]}`;
  };
  device.addEventListener('uncapturederror', listen);
  return {
    first: async () => {
      await queue.onSubmittedWorkDone();
      return message;
    },
    stop: () => device.removeEventListener('uncapturederror', listen),
  };
}
