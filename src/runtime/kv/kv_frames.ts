import type {Host} from '../host/backend.js';

/** The small buffers of one step, written anew each time they are used. */
export interface Frame {
  schedule: GPUBuffer;
  /** 256 bytes a launch. */
  readonly uniforms: GPUBuffer;
  /** The batch of commands that reads them, until it is submitted. */
  waiting: object | null;
}

const MAX_FRAMES = 16;
const MAX_LAUNCHES = 8;
const FIRST_BYTES = 4096;

/**
 * A few frames in turn, for all caches of a device. What the queue is told to write comes before all commands that are not yet submitted,
 * so a frame can be written only when the commands that read it are; mostly they are by the time its turn comes.
 */
export class Frames {
  static readonly #known = new WeakMap<Host, Frames>();

  static of(host: Host): Frames {
    let frames = Frames.#known.get(host);
    if (frames === undefined) Frames.#known.set(host, (frames = new Frames(host)));
    return frames;
  }

  readonly #host: Host;
  readonly #frames: Frame[] = [];
  #turn = 0;

  private constructor(host: Host) {
    this.#host = host;
  }

  /** A frame that nothing reads, whose schedule has room for so many bytes. */
  next(scheduleBytes: number): Frame {
    const host = this.#host;
    const turn = this.#turn++ % MAX_FRAMES;
    const frame = (this.#frames[turn] ??= {
      schedule: this.#buffer('schedule', FIRST_BYTES, GPUBufferUsage.STORAGE),
      uniforms: this.#buffer('params', 256 * MAX_LAUNCHES, GPUBufferUsage.UNIFORM),
      waiting: null,
    });
    if (frame.waiting !== null && frame.waiting === host.waiting) host.flush();
    frame.waiting = null;
    if (frame.schedule.size < scheduleBytes) {
      host.destroy([frame.schedule]);
      frame.schedule = this.#buffer('schedule', 2 ** Math.ceil(Math.log2(scheduleBytes)), GPUBufferUsage.STORAGE);
    }
    return frame;
  }

  /** Commands that read the frame are encoded. */
  used(frame: Frame): void {
    frame.waiting = this.#host.waiting;
  }

  #buffer(label: string, size: number, usage: GPUBufferUsageFlags): GPUBuffer {
    return this.#host.device.createBuffer({label: `SparseAttention.${label}`, size, usage: usage | GPUBufferUsage.COPY_DST});
  }
}
