import {Lru} from '../../support/index.js';
import {identity} from './identity.js';

/** What a dispatch reads besides tensors, on the device. */
export interface Uniform {
  readonly buffer: GPUBuffer;
  readonly contents: ArrayBuffer;
  /** The last commands that read it; while they wait, nobody writes to it. */
  batch: object | null;
}

interface BindGroup {
  /** See `numberOf`. */
  readonly number: number;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly bindings: readonly GPUBufferBinding[];
}

/** A BERT of 12 layers has 550 a length, and a bind group takes less than a KiB of the CPU's memory. */
const MAX_BIND_GROUPS = 4096;
/** A model has 20 to 40 a length; generation has new ones in each step. */
const MAX_UNIFORMS = 1024;
const MAX_UNIFORM_BYTES = 2 ** 20;

/**
 * Uniform buffers by their contents and bind groups by what they bind, for all that runs on a device: a run that was there before makes
 * neither. A bind group costs 20 µs of the CPU, a uniform buffer 8 (H200, Node). The same remedy is in TVM (apache/tvm#18871).
 */
export class Memory {
  readonly #device: GPUDevice;
  /** The commands that are not submitted: another object after each submit, null where none ever wait. */
  readonly #waiting: () => object | null;
  readonly #uniforms = new Lru<string, Uniform>({
    entries: MAX_UNIFORMS,
    weight: MAX_UNIFORM_BYTES,
    weigh: ({buffer}) => buffer.size,
    evicted: (uniform) => this.#retire(uniform),
  });
  /** Forgotten, to be written anew once no command reads them. Those that went first come first. */
  readonly #retired: Uniform[] = [];
  readonly #blank = new Map<number, GPUBuffer[]>();
  readonly #groups = new Lru<number, BindGroup>({entries: MAX_BIND_GROUPS, evicted: (group) => this.#unlink(group)});
  readonly #groupsOf = new WeakMap<GPUBuffer, Set<number>>();
  /** Not ours to keep alive: what users lent to tfjs. */
  readonly #lent = new WeakSet<GPUBuffer>();

  constructor(device: GPUDevice, waiting: () => object | null) {
    this.#device = device;
    this.#waiting = waiting;
  }

  /** How many of each are remembered. */
  get size(): {readonly uniforms: number; readonly bindGroups: number} {
    return {uniforms: this.#uniforms.size, bindGroups: this.#groups.size};
  }

  /** The uniform of these contents; `key` is theirs alone. */
  uniform(key: string, contents: () => ArrayBuffer): Uniform {
    const uniform = this.#uniforms.get(key) ?? this.#uniforms.set(key, this.#write(contents()));
    uniform.batch = this.#waiting();
    return uniform;
  }

  /** Where nothing ever waits, nobody says when commands are done: there it goes with the garbage. */
  #retire(uniform: Uniform): void {
    if (this.#waiting() !== null) this.#retired.push(uniform);
  }

  #write(bytes: ArrayBuffer): Uniform {
    const waiting = this.#waiting();
    while (this.#retired.length > 0 && this.#retired[0]!.batch !== waiting) {
      const {buffer} = this.#retired.shift()!;
      const blank = this.#blank.get(buffer.size);
      if (blank === undefined) this.#blank.set(buffer.size, [buffer]);
      else blank.push(buffer);
    }
    const size = bytes.byteLength;
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    const buffer = this.#blank.get(size)?.pop() ?? this.#device.createBuffer({label: 'uniform', size, usage});
    this.#device.queue.writeBuffer(buffer, 0, bytes);
    return {buffer, contents: bytes, batch: waiting};
  }

  /** The bind group of a pipeline over these buffers. Valid whatever they hold. */
  bindGroup(pipeline: GPUComputePipeline, bindings: readonly GPUBufferBinding[], make: () => GPUBindGroup): GPUBindGroup {
    const number = numberOf(pipeline, bindings);
    const known = this.#groups.get(number);
    // Two that share a number push each other out.
    if (known !== undefined && known.pipeline === pipeline && areSame(known.bindings, bindings)) return known.group;
    const group = make();
    if (bindings.some(({buffer}) => this.#lent.has(buffer))) return group;
    for (const {buffer} of bindings) {
      if (!this.#groupsOf.has(buffer)) this.#groupsOf.set(buffer, new Set());
    }
    this.#groups.set(number, {number, pipeline, group, bindings});
    for (const {buffer} of bindings) this.#groupsOf.get(buffer)!.add(number);
    return group;
  }

  #unlink({number, bindings}: BindGroup): void {
    for (const {buffer} of bindings) this.#groupsOf.get(buffer)?.delete(number);
  }

  /** Bind groups of this buffer are not remembered. */
  lend(buffer: GPUBuffer): void {
    this.#lent.add(buffer);
  }

  /** A buffer is about to be destroyed: its bind groups would be of no use, and hold it. */
  forget(buffer: GPUBuffer): void {
    for (const number of [...(this.#groupsOf.get(buffer) ?? [])]) this.#groups.delete(number);
  }
}

/**
 * A number for a pipeline and what it binds, of 30 bits, which engines keep in a word. Spelled out as a text, the same takes a microsecond
 * of each dispatch more.
 */
function numberOf(pipeline: GPUComputePipeline, bindings: readonly GPUBufferBinding[]): number {
  let number = Math.imul(identity(pipeline) + 1, 0x9e3779b1);
  for (const {buffer, offset = -1, size = -1} of bindings) {
    number = Math.imul(number ^ identity(buffer), 0x9e3779b1);
    number = Math.imul(number ^ (number >>> 15) ^ offset, 0x85ebca6b);
    number ^= (number >>> 13) ^ size;
  }
  return Math.imul(number ^ (number >>> 16), 0x9e3779b1) >>> 2;
}

function areSame(a: readonly GPUBufferBinding[], b: readonly GPUBufferBinding[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    if (x.buffer !== y.buffer || x.offset !== y.offset || x.size !== y.size) return false;
  }
  return true;
}
