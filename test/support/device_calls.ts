/** What a run asks of a device. */
export interface DeviceCalls {
  createBindGroup: number;
  /** But those of uploads, which tfjs makes for each. */
  createBuffer: number;
  /** Of the queue. */
  writeBuffer: number;
  /** Of the same buffers. */
  destroy: number;
}

/** Counts what is asked of the device while `run` runs. */
export async function deviceCalls(device: GPUDevice, run: () => Promise<unknown> | void): Promise<DeviceCalls> {
  const calls: DeviceCalls = {createBindGroup: 0, createBuffer: 0, writeBuffer: 0, destroy: 0};
  const counted = (name: 'createBuffer' | 'destroy', {usage}: GPUBufferDescriptor | GPUBuffer): void => {
    if ((usage & GPUBufferUsage.MAP_WRITE) === 0) calls[name]++;
  };
  const spied = [
    spyOnce(device, 'createBindGroup', () => calls.createBindGroup++),
    spyOnce(device, 'createBuffer', (_, descriptor) => counted('createBuffer', descriptor as GPUBufferDescriptor)),
    spyOnce(device.queue, 'writeBuffer', () => calls.writeBuffer++),
    spyOnce(GPUBuffer.prototype, 'destroy', (buffer) => counted('destroy', buffer as GPUBuffer)),
  ];
  try {
    await run();
  } finally {
    for (const restore of spied) restore();
  }
  return calls;
}

function spyOnce(on: object, name: string, heard: (self: object, first: unknown) => void): () => void {
  const before = Object.getOwnPropertyDescriptor(on, name);
  const original = Reflect.get(on, name) as (...given: unknown[]) => unknown;
  const value = function (this: object, ...given: unknown[]): unknown {
    heard(this, given[0]);
    return original.apply(this, given);
  };
  Object.defineProperty(on, name, {value, configurable: true, writable: true});
  return () => {
    if (before === undefined) Reflect.deleteProperty(on, name);
    else Object.defineProperty(on, name, before);
  };
}
