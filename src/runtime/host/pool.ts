import {identity} from './identity.js';
import type {BufferManager} from './tfjs_webgpu.js';

/** What a pool has to know of the commands that wait. */
interface PoolQueue {
  /** Whether calls of this package are among them. */
  oursWait(): boolean;
  flush(): void;
  /** A buffer is about to be destroyed. */
  forget(buffer: GPUBuffer): void;
  /** A buffer went out, with contents that nobody wants. */
  acquired(buffer: GPUBuffer): void;
}

/**
 * The pool of tfjs, which keeps freed buffers by exact size and usage, in order and within bounds.
 *
 * In order: of buffers that fit, the one that was made first goes out first. A model that runs again then meets the same buffers in the same
 * places, and all its bind groups; the pool by itself gives out what came back last, which permutes them from run to run (lab on an H200:
 * 40 % instead of 100 % of the bind groups).
 */
export class Pool {
  readonly #manager: BufferManager;
  readonly #queue: PoolQueue;
  /** When a buffer became free, counted in buffers that did. */
  readonly #freed = new WeakMap<GPUBuffer, number>();
  #count = 0;
  /** The most bytes that lived, without what waits of calls of this package. */
  #highWater = 0;

  constructor(manager: BufferManager, queue: PoolQueue) {
    this.#manager = manager;
    this.#queue = queue;
    const {acquireBuffer, releaseBuffer} = manager;
    for (const free of manager.freeBuffers.values()) free.sort((a, b) => identity(b) - identity(a));
    manager.acquireBuffer = (...wish) => {
      const buffer = acquireBuffer.apply(manager, wish);
      identity(buffer);
      queue.acquired(buffer);
      if (!queue.oursWait()) this.#need(manager.numBytesUsed);
      return buffer;
    };
    manager.releaseBuffer = (buffer, reuse = true) => {
      if (!reuse) this.#queue.forget(buffer);
      releaseBuffer.call(manager, buffer, reuse);
      if (reuse) this.#place(buffer);
    };
  }

  #need(bytes: number): void {
    this.#highWater = Math.max(this.#highWater, bytes);
  }

  /** tfjs has put the buffer last, and takes from there: it moves to where its number belongs. */
  #place(buffer: GPUBuffer): void {
    this.#freed.set(buffer, this.#count++);
    const free = this.#manager.freeBuffers.get(`${buffer.size}_${buffer.usage}`);
    // Of a pool that was disposed of nothing is kept.
    if (free?.at(-1) !== buffer) return;
    const number = identity(buffer);
    let i = free.length - 1;
    for (; i > 0 && identity(free[i - 1]!) < number; i--) free[i] = free[i - 1]!;
    free[i] = buffer;
  }

  /**
   * Before a call takes `bytes`.
   *
   * tfjs never lets a free buffer go, so a model whose lengths vary would grow without bound. So the pool is kept within twice the most
   * that lived: waiting commands are submitted early, which frees what our earlier calls used, and when that is not enough, free buffers
   * are destroyed. What waits of other ops counts as alive, or a model whose other layers need more than its attention would lose its pool
   * in every layer.
   */
  beginCall(bytes: number): void {
    const oursWait = this.#queue.oursWait();
    if (oursWait && this.#manager.numBytesUsed + bytes <= 2 * this.#highWater) return;
    if (oursWait) this.#queue.flush();
    this.#need(this.#manager.numBytesUsed + bytes);
  }

  /** After a call. What has the `sizes` (bytes) that the call itself took goes last: the next call of the same length wants it again. */
  endCall(sizes: () => ReadonlySet<number>): void {
    if (!this.#isTooLarge) return;
    // Waiting commands may use buffers that are free already; after submit none does, and more are free.
    this.#queue.flush();
    this.#trim(sizes());
  }

  get #isTooLarge(): boolean {
    return this.#manager.numBytesAllocated > 2 * this.#highWater;
  }

  /** Destroys those first that nobody has wanted for longest: the rest of models that are gone, and of lengths that do not come again. */
  #trim(sizes: ReadonlySet<number>): void {
    const manager = this.#manager;
    const age = (buffer: GPUBuffer): number => this.#freed.get(buffer) ?? -1;
    const free = [...manager.freeBuffers.values()].flat().sort((a, b) => age(a) - age(b));
    for (const wanted of [false, true]) {
      for (const buffer of free) {
        if (sizes.has(buffer.size) !== wanted) continue;
        if (!this.#isTooLarge) return;
        const same = manager.freeBuffers.get(`${buffer.size}_${buffer.usage}`)!;
        same.splice(same.indexOf(buffer), 1);
        manager.numFreeBuffers--;
        manager.numBytesAllocated -= buffer.size;
        this.#queue.forget(buffer);
        buffer.destroy();
      }
    }
  }
}
