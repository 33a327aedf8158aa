import type {DecodeStep} from '../../pure.js';
import type {Host} from '../host/backend.js';
import {uniformsOf} from './resident.js';
import {dispatchOf, type LaunchSource} from './run.js';

/** The schedule of one step, which layers that share it share. */
interface Frame {
  schedule: GPUBuffer;
  /** Of the schedule. */
  bytes: number;
  /** The batch of commands that reads it, until it is submitted. */
  waiting: object | null;
  /** What was written into it. */
  holds: DecodeStep | null;
}

const MAX_FRAMES = 16;
const FIRST_BYTES = 4096;

/** A step that runs once: its schedule is written into a frame, its parameters are mostly those of the step before. `owner` is its cache, `tried` the programs that it has run. */
export const stepwise = (step: DecodeStep, owner: object, tried: Set<string>): LaunchSource => ({
  runnable: step,
  owner,
  begin(host, launches, call) {
    const frames = Frames.of(host);
    const frame = frames.with(step);
    const uniforms = uniformsOf(host, launches, call);
    return {
      schedule: {buffer: frame.schedule, size: frame.bytes},
      dispatches: (bindings) =>
        launches.map((launch, i) => dispatchOf(host, launch, {buffer: uniforms[i]!.buffer}, bindings, uniforms[i])),
      encoded: () => frames.used(frame),
    };
  },
  tried() {
    const all = step.launches.every(({program}) => tried.has(program.key));
    if (!all) for (const {program} of step.launches) tried.add(program.key);
    return all;
  },
});

/**
 * A few frames in turn, for all caches of a device. What the queue is told to write comes before all commands that are not yet submitted,
 * so a frame can be written only when the commands that read it are; mostly they are by the time its turn comes.
 */
class Frames {
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

  /** A frame that holds a step: one in which another layer wrote it, else the next. What launches gather behind it, those of each layer gather anew. */
  with(step: DecodeStep): Frame {
    for (const frame of this.#frames) if (frame.holds === step) return frame;
    const frame = this.#next(8 * step.tail.pairs);
    this.#host.device.queue.writeBuffer(frame.schedule, 0, step.words);
    frame.holds = step;
    return frame;
  }

  /** A frame that nothing reads, with room for so many bytes. */
  #next(bytes: number): Frame {
    const host = this.#host;
    const turn = this.#turn++ % MAX_FRAMES;
    const frame = (this.#frames[turn] ??= {schedule: this.#buffer(FIRST_BYTES), bytes: FIRST_BYTES, waiting: null, holds: null});
    if (frame.waiting !== null && frame.waiting === host.waiting) host.flush();
    frame.waiting = null;
    frame.holds = null;
    if (frame.bytes < bytes) {
      host.destroy([frame.schedule]);
      frame.bytes = 2 ** Math.ceil(Math.log2(bytes));
      frame.schedule = this.#buffer(frame.bytes);
    }
    return frame;
  }

  /** Commands that read the frame are encoded. */
  used(frame: Frame): void {
    frame.waiting = this.#host.waiting;
  }

  #buffer(size: number): GPUBuffer {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    return this.#host.device.createBuffer({label: 'SparseAttention.schedule', size, usage});
  }
}
