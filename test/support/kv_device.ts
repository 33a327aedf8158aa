// What caches ask of a device, and devices that are not what they are.
import {backend, host} from './attend.js';

/** As if the device were no CPU: steps are cut into parts. Not for prompts, whose kernels then take minutes to compile. */
export function inParts<T>(step: () => T): T {
  const {limits} = host();
  host().limits = {...limits, software: false};
  try {
    return step();
  } finally {
    host().limits = limits;
  }
}

/** Runs `run` with caches whose buffers begin as NaN. */
export async function poisoned(run: () => Promise<void>): Promise<void> {
  const {device} = backend();
  const original = device.createBuffer;
  device.createBuffer = (descriptor) => {
    const buffer = original.call(device, descriptor);
    if (descriptor.label === 'SparseAttention.cache')
      device.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(0x7fff7fff)); // NaN, as one float and as two halves
    return buffer;
  };
  try {
    await run();
  } finally {
    delete (device as Partial<GPUDevice>).createBuffer;
  }
}

/** What `run` makes on the device, by label. */
export async function madeBy(run: () => Promise<void>): Promise<string[]> {
  const {device} = backend();
  const {createBuffer, createComputePipeline} = device;
  const labels: string[] = [];
  device.createBuffer = (descriptor) => {
    labels.push(`buffer ${descriptor.label ?? 'of tfjs'}`);
    return createBuffer.call(device, descriptor);
  };
  device.createComputePipeline = (descriptor) => {
    labels.push(`pipeline ${descriptor.label}`);
    return createComputePipeline.call(device, descriptor);
  };
  try {
    await run();
  } finally {
    delete (device as Partial<GPUDevice>).createBuffer;
    delete (device as Partial<GPUDevice>).createComputePipeline;
  }
  return labels;
}
