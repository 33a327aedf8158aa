import {untilDone, webgpuBackend, type Machine} from './machine.js';

/**
 * The most bytes of GPU buffers in use at one time. tf.memory() tells what is in use now; intermediates of a run come and go before
 * anybody can ask, so the meter asks whenever the backend takes a buffer.
 *
 * @returns What `run` gave, and the bytes; null where there is nothing to ask.
 */
export async function peakBytes<T>({backend}: Machine, run: () => Promise<T>): Promise<{result: T; peak: number | null}> {
  if (backend !== 'webgpu') return {result: await run(), peak: null};
  const pool = webgpuBackend().bufferManager;
  const acquire = pool.acquireBuffer;
  // A replay takes no buffer.
  let peak = pool.numBytesUsed;
  pool.acquireBuffer = (...request) => {
    const buffer = acquire.apply(pool, request);
    peak = Math.max(peak, pool.numBytesUsed);
    return buffer;
  };
  try {
    return {result: await run(), peak};
  } finally {
    pool.acquireBuffer = acquire;
  }
}

/** WebGPU reports a failed dispatch or allocation as an event, and TensorFlow.js does not listen: its results are then old memory. */
export async function withGpuErrors<T>({backend}: Machine, run: () => Promise<T>): Promise<T> {
  if (backend !== 'webgpu') return run();
  const {device} = webgpuBackend();
  let message: string | null = null;
  const listen = ({error}: GPUUncapturedErrorEvent): void => {
    message ??= `${error.constructor.name}: ${error.message.split('\n')[0]}`;
  };
  device.addEventListener('uncapturederror', listen);
  try {
    const result = await run();
    await untilDone();
    if (message !== null) throw new Error(message);
    return result;
  } finally {
    device.removeEventListener('uncapturederror', listen);
  }
}
