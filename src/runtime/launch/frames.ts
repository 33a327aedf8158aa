import {isSame} from '../../support/index.js';
import {PARAMS_BYTES, type CallParams, type DecodeStep, type Launch} from '../../pure.js';
import type {Host} from '../host/backend.js';
import {dispatchOf, type LaunchSource} from './run.js';

/** The small buffers of one step, which layers that share it share. */
interface Frame {
  schedule: GPUBuffer;
  /** Of the schedule. */
  bytes: number;
  /** UNIFORM_STEP bytes a launch. */
  uniforms: GPUBuffer;
  /** The batch of commands that reads them, until it is submitted. */
  waiting: object | null;
  /** What was written into them: a step, and the parameters of launches, which are the same for the step of the next token mostly. */
  holds: DecodeStep | null;
  told: Told | null;
}

interface Told {
  readonly launches: readonly Launch[];
  readonly call: CallParams;
}

const MAX_FRAMES = 16;
/** Where a uniform may begin in its buffer. */
const UNIFORM_STEP = 256;
const FIRST_LAUNCHES = 8;
const FIRST_BYTES = 4096;

/** A step that runs once: its schedule and its parameters are written into a frame. `owner` is its cache, `tried` the programs that it has run. */
export const stepwise = (step: DecodeStep, owner: object, tried: Set<string>): LaunchSource => ({
  runnable: step,
  owner,
  begin(host, launches, call) {
    const frames = Frames.of(host);
    const frame = frames.with(step, {launches, call});
    return {
      schedule: {buffer: frame.schedule, size: frame.bytes},
      dispatches: (bindings) =>
        launches.map((launch, i) =>
          dispatchOf(host, launch, {buffer: frame.uniforms, offset: UNIFORM_STEP * i, size: PARAMS_BYTES}, bindings),
        ),
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
  with(step: DecodeStep, told: Told): Frame {
    const known = this.#frames.find((frame) => frame.holds === step && isTold(frame, told));
    if (known !== undefined) return known;
    const {launches, call} = told;
    const frame = this.#next(told, 8 * step.tail.pairs, UNIFORM_STEP * launches.length);
    const {queue} = this.#host.device;
    queue.writeBuffer(frame.schedule, 0, step.words);
    frame.holds = step;
    if (isTold(frame, told)) return frame;
    const uniforms = new Uint8Array(UNIFORM_STEP * launches.length);
    launches.forEach(({params}, i) => uniforms.set(new Uint8Array(params(call)), UNIFORM_STEP * i));
    queue.writeBuffer(frame.uniforms, 0, uniforms);
    frame.told = told;
    return frame;
  }

  /** A frame that nothing reads, with room for so many bytes of a schedule and of uniforms: one that has these parameters, else the next. */
  #next(told: Told, scheduleBytes: number, uniformBytes: number): Frame {
    const host = this.#host;
    const isFree = ({waiting}: Frame): boolean => waiting === null || waiting !== host.waiting;
    const same = this.#frames.find((frame) => isFree(frame) && frame.bytes >= scheduleBytes && isTold(frame, told));
    if (same !== undefined) return same;
    let turn = this.#turn++ % MAX_FRAMES;
    for (let i = 1; i < MAX_FRAMES; i++) {
      const next = this.#frames[turn];
      if (next === undefined || isFree(next)) break;
      turn = this.#turn++ % MAX_FRAMES;
    }
    const frame = (this.#frames[turn] ??= {
      schedule: this.#buffer('schedule', FIRST_BYTES, GPUBufferUsage.STORAGE),
      bytes: FIRST_BYTES,
      uniforms: this.#buffer('params', UNIFORM_STEP * FIRST_LAUNCHES, GPUBufferUsage.UNIFORM),
      waiting: null,
      holds: null,
      told: null,
    });
    if (!isFree(frame)) host.flush();
    frame.waiting = null;
    frame.holds = null;
    if (frame.bytes < scheduleBytes) {
      host.destroy([frame.schedule]);
      frame.bytes = 2 ** Math.ceil(Math.log2(scheduleBytes));
      frame.schedule = this.#buffer('schedule', frame.bytes, GPUBufferUsage.STORAGE);
    }
    if (frame.uniforms.size < uniformBytes) {
      host.destroy([frame.uniforms]);
      frame.uniforms = this.#buffer('params', uniformBytes, GPUBufferUsage.UNIFORM);
      frame.told = null;
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

const isTold = ({told}: Frame, {launches, call}: Told): boolean => told?.launches === launches && isSame(told.call, call);
