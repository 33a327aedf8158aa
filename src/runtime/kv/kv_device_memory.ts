import {refuse, SplatError} from '../../support/index.js';
import {formatsOf, rowBytes} from '../../pure.js';
import type {Host} from '../host/backend.js';
import {capacityOf, type StoreSizes} from './kv_store.js';

type Buffers = readonly [key: GPUBuffer, value: GPUBuffer];

/** Where a memory takes its tokens from: row b those of row `rows[b]`, the first `slots[b]` slots. */
interface Origin {
  readonly memory: DeviceMemory;
  readonly rows: readonly number[];
  readonly slots: readonly number[];
}

/**
 * Keys and values of some sequences on the device, a row for each: two buffers [rows, keyHeads, capacity, dim]. Caches that were forked
 * share one, and read it alone.
 */
export class DeviceMemory {
  readonly bytes: number;
  owners = 1;
  readonly #host: Host;
  readonly #sizes: StoreSizes;
  readonly #bytes: [key: number, value: number];
  #buffers: Buffers | null = null;
  #origin: Origin | null;

  /** One that goes on from another is made when its buffers are asked for: a step that is only planned takes none. */
  constructor(host: Host, sizes: StoreSizes, origin: Origin | null = null) {
    this.#host = host;
    this.#sizes = sizes;
    this.#bytes = checkBytes(host, sizes);
    this.bytes = this.#bytes[0] + this.#bytes[1];
    this.#origin = origin;
    if (origin === null) this.#buffers = this.#allocate(...this.#bytes);
  }

  buffers(): Buffers {
    this.#buffers ??= this.#allocate(...this.#bytes);
    if (this.#origin !== null) {
      const {memory} = this.#origin;
      this.#copy(this.#origin, this.#buffers);
      this.#origin = null;
      memory.release();
    }
    return this.#buffers;
  }

  #copy({memory, rows, slots}: Origin, to: Buffers): void {
    const {keyHeads} = this.#sizes;
    const capacity = capacityOf(this.#sizes);
    const from = memory.buffers();
    // What writes to them may still wait.
    this.#host.flush();
    const {device} = this.#host;
    const encoder = device.createCommandEncoder();
    rows.forEach((row, b) => {
      if (slots[b] === 0) return;
      tokenBytes(this.#sizes).forEach((bytes, i) => {
        for (let head = 0; head < keyHeads; head++) {
          const [source, target] = [row, b].map((each) => (each * keyHeads + head) * capacity * bytes);
          encoder.copyBufferToBuffer(from[i]!, source!, to[i]!, target!, slots[b]! * bytes);
        }
      });
    });
    device.queue.submit([encoder.finish()]);
  }

  /** The last one destroys it. */
  release(): void {
    this.owners--;
    if (this.owners === 0 && this.#buffers !== null) this.#host.destroy(this.#buffers);
  }

  /** Where the device has no memory left, the cache throws from soon after on: buffers come at once, errors later. */
  #allocate(...sizes: [keyBytes: number, valueBytes: number]): Buffers {
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
