import {refuse, SplatError} from '../../support/index.js';
import {formatsOf, rowBytes} from '../../pure.js';
import type {Host} from '../host/backend.js';
import {capacityOf, type StoreSizes} from './kv_store.js';

/**
 * Keys and values of some sequences on the device, a row for each: two buffers [rows, keyHeads, capacity, dim]. Caches that were forked
 * share one, and read it alone.
 */
export class DeviceMemory {
  readonly buffers: readonly [key: GPUBuffer, value: GPUBuffer];
  readonly bytes: number;
  /** Of each row, one past the last position whose token may still lie there. */
  readonly written: number[];
  owners = 1;
  readonly #host: Host;
  readonly #sizes: StoreSizes;

  constructor(host: Host, sizes: StoreSizes) {
    this.#host = host;
    this.#sizes = sizes;
    const [keyBytes, valueBytes] = checkBytes(host, sizes);
    this.bytes = keyBytes + valueBytes;
    this.buffers = this.#allocate(keyBytes, valueBytes);
    this.written = new Array<number>(sizes.batch).fill(0);
  }

  /** Row b gets the tokens that row `rows[b]` of another memory holds, `lengths[b]` of them. */
  copyFrom({buffers, written}: DeviceMemory, rows: readonly number[], lengths: readonly number[]): void {
    const {keyHeads} = this.#sizes;
    const capacity = capacityOf(this.#sizes);
    // What writes to them may still wait.
    this.#host.flush();
    const {device} = this.#host;
    const encoder = device.createCommandEncoder();
    rows.forEach((row, b) => {
      const slots = Math.min(lengths[b]!, capacity);
      this.written[b] = slots === capacity ? written[row]! : slots;
      if (slots === 0) return;
      tokenBytes(this.#sizes).forEach((bytes, i) => {
        for (let head = 0; head < keyHeads; head++) {
          const [from, to] = [row, b].map((each) => (each * keyHeads + head) * capacity * bytes);
          encoder.copyBufferToBuffer(buffers[i]!, from!, this.buffers[i]!, to!, slots * bytes);
        }
      });
    });
    device.queue.submit([encoder.finish()]);
  }

  /** The last one destroys it. */
  release(): void {
    this.owners--;
    if (this.owners === 0) this.#host.destroy(this.buffers);
  }

  /** Where the device has no memory left, the cache throws from soon after on: buffers come at once, errors later. */
  #allocate(...sizes: [keyBytes: number, valueBytes: number]): readonly [key: GPUBuffer, value: GPUBuffer] {
    const {device} = this.#host;
    device.pushErrorScope('out-of-memory');
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const [key, value] = sizes.map((size) => device.createBuffer({label: 'SparseAttention.cache', size, usage}));
    device.popErrorScope().then(
      (found) => {
        if (found === null) return;
        this.#host.broken.set(
          this,
          new SplatError({
            thing: 'KvCache',
            found: `no memory for ${this.bytes} bytes: ${found.message}`,
            expected: 'a device that has them',
            cure: "Give a smaller maxLength or precision 'float16'.",
          }),
        );
      },
      () => undefined, // The device is lost, which every later call reports.
    );
    return [key!, value!];
  }
}

/** Of one token of a head. */
function tokenBytes({headDim, valueDim, precision}: StoreSizes): [key: number, value: number] {
  const {key, value} = formatsOf(precision);
  return [rowBytes(key, headDim), rowBytes(value, valueDim)];
}

/** Bytes of keys and of values, or a refusal. */
export function checkBytes(host: Host, sizes: StoreSizes): [key: number, value: number] {
  const lines = sizes.batch * sizes.keyHeads * capacityOf(sizes);
  const [key, value] = tokenBytes(sizes).map((bytes) => lines * bytes) as [number, number];
  const {limits} = host.device;
  const most = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  if (Math.max(key, value) > most) {
    const cure = "Give a smaller maxLength, precision 'float16', or several caches of fewer sequences or heads.";
    refuse('KvCache', `${Math.max(key, value)} bytes of keys or values`, `at most ${most}, a buffer of this device`, cure);
  }
  return [key, value];
}
