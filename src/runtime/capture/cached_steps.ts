import {PARAMS_BYTES, type BindingRole} from '../../pure.js';
import type {Host} from '../host/backend.js';
import type {PlannedStep} from '../host/cached_step.js';
import {boundOf, groupOf, type Bindings} from '../launch/run.js';
import {scoped} from '../launch/scoped.js';
import {turnsOf} from '../launch/turns.js';
import type {Bound, RecordedCacheStep, StepSize} from './recording.js';

/** A dispatch of a replay. */
export interface Replayed {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly grid: readonly [number, number, number];
  readonly endsTurn: boolean;
}

/** Where a step finds its schedule, and the parameters of its launches, in bytes. */
interface Frame {
  readonly schedule: {readonly offset: number; readonly size: number};
  readonly params: {readonly offset: number; readonly size: number};
}

/** A bind group, and what it was made of. */
interface Group {
  readonly pipeline: GPUComputePipeline;
  readonly bound: readonly GPUBufferBinding[];
  readonly group: GPUBindGroup;
}

/** Puts the caches back as they were before these. */
const takeBack = (plans: readonly PlannedStep[]): void => [...plans].reverse().forEach((plan) => plan.undo());

const isBound = (known: readonly GPUBufferBinding[], wanted: readonly GPUBufferBinding[]): boolean =>
  wanted.every(({buffer, offset, size}, i) => {
    const before = known[i]!;
    return buffer === before.buffer && offset === before.offset && size === before.size;
  });

/** Where a binding may begin, on every device. */
const ALIGNMENT = 256;
const sizeFor = (bytes: number): number => Math.max(ALIGNMENT, 2 ** Math.ceil(Math.log2(bytes)));

/**
 * The steps of caches in a replay. Each has a frame of its own for its schedule words and parameters, which every replay writes anew, so
 * that steps do not wait for each other and bind groups stay. All frames lie in two buffers, for a write each.
 */
export class CachedSteps {
  readonly #host: Host;
  readonly #steps: readonly RecordedCacheStep[];
  readonly #bound: (bound: Bound) => GPUBufferBinding;
  #frames: readonly Frame[] = [];
  #schedules: GPUBuffer | null = null;
  #params: GPUBuffer | null = null;
  #scheduleBytes = new Uint8Array(0);
  #paramBytes = new Uint8Array(0);
  /** Of each launch of each step. */
  #groups: Group[][] = [];
  #dispatches = 0;

  constructor(host: Host, steps: readonly RecordedCacheStep[], bound: (bound: Bound) => GPUBufferBinding) {
    this.#host = host;
    this.#steps = steps;
    this.#bound = bound;
    this.#fit(steps.map(({size}) => size));
  }

  get bytes(): number {
    return (this.#schedules?.size ?? 0) + (this.#params?.size ?? 0);
  }

  /** Of the last plan. */
  get dispatches(): number {
    return this.#dispatches;
  }

  /**
   * Plans all steps, by which their caches go on.
   *
   * @throws SplatError, with all caches as they were, when one cannot take its tokens.
   */
  plan(): readonly PlannedStep[] {
    const plans: PlannedStep[] = [];
    try {
      for (const {cached} of this.#steps) plans.push(cached.plan());
    } catch (error) {
      takeBack(plans);
      throw error;
    }
    return plans;
  }

  /**
   * Plans the steps after these and forgets that it did: their plans are remembered, by what they are plans of, so that the next replay
   * finds them if nothing happens to the caches until then. Nobody waits for it while the GPU computes.
   */
  planAhead(): void {
    let plans: readonly PlannedStep[];
    try {
      plans = this.plan();
    } catch {
      // The replay that comes to it says so.
      return;
    }
    takeBack(plans);
  }

  /** Runs `encode` inside an error scope where there are programs that never ran. */
  guarded<T>(plans: readonly PlannedStep[], encode: () => T): T {
    const fresh = plans.filter(({launches, tried}) =>
      launches.some(({program}) => !tried.has(program.key) || !this.#host.pipelines.has(program)),
    );
    if (fresh.length === 0) return encode();
    for (const {launches, tried} of fresh) for (const {program} of launches) tried.add(program.key);
    let encoded!: T;
    scoped(
      this.#host,
      fresh.map(({owner}) => owner),
      fresh.flatMap(({launches}) => launches),
      () => (encoded = encode()),
    );
    return encoded;
  }

  /** The dispatches of each step. Nothing of an earlier replay may wait. */
  write(plans: readonly PlannedStep[]): readonly (readonly Replayed[])[] {
    if (plans.length === 0) return [];
    const host = this.#host;
    this.#fit(plans);
    plans.forEach(({step, launches, call}, i) => {
      const {schedule, params} = this.#frames[i]!;
      this.#scheduleBytes.set(new Uint8Array(step.words.buffer, step.words.byteOffset, step.words.byteLength), schedule.offset);
      launches.forEach((launch, l) => this.#paramBytes.set(new Uint8Array(launch.params(call)), params.offset + PARAMS_BYTES * l));
    });
    host.device.queue.writeBuffer(this.#schedules!, 0, this.#scheduleBytes);
    host.device.queue.writeBuffer(this.#params!, 0, this.#paramBytes);
    // A buffer that grows for a later step would be gone from the groups of an earlier one.
    for (const {step} of plans) this.#workOf(step);
    return plans.map((plan, i) => this.#dispatchesOf(plan, i));
  }

  #workOf({workBytes}: PlannedStep['step']): (readonly [BindingRole, GPUBufferBinding])[] {
    const roles = Object.keys(workBytes) as BindingRole[];
    return roles.map((role) => [role, {buffer: this.#host.workBuffer(role, workBytes[role]!), size: workBytes[role]!}]);
  }

  #dispatchesOf(plan: PlannedStep, i: number): readonly Replayed[] {
    const host = this.#host;
    const {step, launches} = plan;
    const {cached, bindings} = this.#steps[i]!;
    const {schedule, params} = this.#frames[i]!;
    const bound: Bindings = {
      schedule: {buffer: this.#schedules!, ...schedule},
      ...Object.fromEntries(this.#workOf(step)),
      ...Object.fromEntries([...cached.tensors.keys()].map((role, b) => [role, this.#bound(bindings[b]!)])),
      ...Object.fromEntries(plan.memory().map(([role, buffer]) => [role, {buffer, size: buffer.size}])),
    };
    const ends = new Set(turnsOf(host, launches).map(({end}) => end));
    const groups = (this.#groups[i] ??= []);
    return launches.map((launch, l) => {
      const {program, grid} = launch;
      const {pipeline, layout, roles} = host.pipelines.ofLaunch(launch);
      const uniform = {buffer: this.#params!, offset: params.offset + PARAMS_BYTES * l, size: PARAMS_BYTES};
      const wanted = boundOf(roles, uniform, bound);
      let known = groups[l];
      if (known === undefined || known.pipeline !== pipeline || !isBound(known.bound, wanted)) {
        groups[l] = known = {pipeline, bound: wanted, group: groupOf(host, program.name, layout, wanted)};
      }
      return {pipeline, group: known.group, grid, endsTurn: ends.has(l + 1)};
    });
  }

  /** Makes room for plans, in powers of two, for schedules grow with a text. */
  #fit(plans: readonly StepSize[]): void {
    this.#dispatches = plans.reduce((sum, {launches}) => sum + launches.length, 0);
    const needed = plans.map(({step, launches}) => ({
      schedule: Math.max(8 * step.tail.pairs, step.words.byteLength),
      params: PARAMS_BYTES * launches.length,
    }));
    const isRoom = this.#frames.length > 0 || plans.length === 0;
    if (
      isRoom &&
      needed.every(({schedule, params}, i) => schedule <= this.#frames[i]!.schedule.size && params <= this.#frames[i]!.params.size)
    )
      return;
    let [scheduleEnd, paramsEnd] = [0, 0];
    this.#frames = needed.map((bytes, i) => {
      const before = this.#frames[i];
      const schedule = {offset: scheduleEnd, size: Math.max(before?.schedule.size ?? 0, sizeFor(bytes.schedule))};
      const params = {offset: paramsEnd, size: Math.max(before?.params.size ?? 0, sizeFor(bytes.params))};
      scheduleEnd += schedule.size;
      paramsEnd += params.size;
      return {schedule, params};
    });
    this.dispose();
    this.#schedules = this.#buffer('capture.schedules', scheduleEnd, GPUBufferUsage.STORAGE);
    this.#params = this.#buffer('capture.params', paramsEnd, GPUBufferUsage.UNIFORM);
    this.#scheduleBytes = new Uint8Array(scheduleEnd);
    this.#paramBytes = new Uint8Array(paramsEnd);
  }

  #buffer(label: string, size: number, usage: GPUBufferUsageFlags): GPUBuffer {
    return this.#host.device.createBuffer({label, size, usage: usage | GPUBufferUsage.COPY_DST});
  }

  dispose(): void {
    this.#schedules?.destroy();
    this.#params?.destroy();
    this.#groups = [];
  }
}
