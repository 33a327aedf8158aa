import type {DataId} from '@tensorflow/tfjs-core';
import type {Host} from '../host/backend.js';
import type {PlannedStep} from '../host/cached_step.js';
import {identity} from '../host/identity.js';
import type {InputSlots} from './inputs.js';
import {CachedSteps, type Replayed} from './cached_steps.js';
import type {Bound, BoundSource, Output, RecordedDispatch, RecordedStep, Recording, Value} from './recording.js';
import {planStorage, type LifeSpan} from './storage.js';
import {packUniforms} from './uniforms.js';
import {HeldWeights} from './weights.js';

/** Numbers that the function brought itself, and every replay takes again. */
export interface CapturedConstant {
  /** The first op that read them. */
  readonly op: string;
  readonly bytes: number;
}

/** A copy of a constant that a dispatch writes into, made anew before its first use. */
export interface Restore {
  readonly from: GPUBuffer;
  readonly to: GPUBuffer;
  readonly bytes: number;
}

/** A step of a replay. */
export interface Command {
  readonly step: RecordedStep;
  readonly restores: readonly Restore[];
  /** One, or those that a step of a cache has this time. */
  dispatches: readonly Replayed[];
}

const usageOfStorage = (): number => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;

/** What is known of a value: when it is used, whether it is written, and by what op it is used first. */
interface Life {
  readonly op: string;
  readonly first: number;
  last: number;
  isWritten: boolean;
}

/** A recording in memory of its own: storage by last use, constants, uniforms in one buffer, bind groups. */
export class Assembly {
  readonly commands: readonly Command[];
  readonly constants: readonly CapturedConstant[];
  readonly weights: HeldWeights;
  readonly cached: CachedSteps;
  readonly outputs: readonly Output[];
  readonly #host: Host;
  readonly #inputs: InputSlots;
  readonly #own: GPUBuffer[] = [];
  readonly #places = new Map<Value, GPUBuffer>();
  readonly #uniforms: {readonly buffer: GPUBuffer | null; readonly offsets: ReadonlyMap<ArrayBuffer, number>};
  readonly #groups = new Map<string, GPUBindGroup>();
  readonly #unpin: () => void;

  constructor(host: Host, inputs: InputSlots, recording: Recording) {
    this.#host = host;
    this.#inputs = inputs;
    const {steps, outputs} = recording;
    this.outputs = outputs;
    const sources = [...steps.flatMap(({bindings}) => bindings.map(({source}) => source)), ...outputs.map(({source}) => source)];
    const weights = sources.flatMap((source) => (source.kind === 'weight' ? [source.id] : []));
    this.weights = new HeldWeights(host, new Set(weights), recording.weights);
    const residents = sources.flatMap((source) => (source.kind === 'resident' ? [source.buffer] : []));
    this.#unpin = host.pin([...new Set(residents)]);

    try {
      const lives = livesOf(steps);
      const kept = new Set(outputs.flatMap(({source}) => (source.kind === 'value' ? [source.value] : [])));
      for (const value of kept) if (!lives.has(value)) lives.set(value, {op: 'an output', first: 0, last: 0, isWritten: false});
      this.constants = [...lives].flatMap(([{contents, bytes}, {op}]) => (contents === null ? [] : [{op, bytes}]));
      const restores = this.#placeAll(lives, kept);
      this.#uniforms = this.#pack(sources);
      this.commands = steps.map((step, i) => ({step, restores: restores.get(i) ?? [], dispatches: this.#dispatchesOf(step)}));
      const cached = steps.filter((step) => step.cached !== undefined);
      this.cached = new CachedSteps(host, cached, (bound) => this.#bound(bound));
    } catch (error) {
      // Memory that is mapped may be refused at once.
      this.#release();
      throw error;
    }
  }

  get bytes(): number {
    return [...this.#own, ...this.#inputs.buffers].reduce((sum, {size}) => sum + size, this.cached.bytes);
  }

  get dispatches(): number {
    return this.commands.filter(({step}) => step.cached === undefined).length + this.cached.dispatches;
  }

  /** Gives each value its buffer. Returns what has to be restored before which step. */
  #placeAll(lives: ReadonlyMap<Value, Life>, kept: ReadonlySet<Value>): ReadonlyMap<number, Restore[]> {
    const shared: {readonly value: Value; readonly span: LifeSpan}[] = [];
    for (const [value, {first, last, isWritten}] of lives) {
      const {bytes, contents} = value;
      if (contents !== null && !isWritten) this.#places.set(value, this.#buffer(bytes, contents));
      // Outputs are read after the last step, and tensors may lie in them.
      else if (kept.has(value)) this.#places.set(value, this.#buffer(bytes));
      else shared.push({value, span: {bytes, first, last}});
    }
    const {buffers, places} = planStorage(shared.map(({span}) => span));
    const made = buffers.map((bytes) => this.#buffer(bytes));
    shared.forEach(({value}, i) => this.#places.set(value, made[places[i]!]!));

    const restores = new Map<number, Restore[]>();
    for (const [{bytes, contents}, {first, isWritten}, to] of [...lives].map(
      ([value, life]) => [value, life, this.#places.get(value)!] as const,
    )) {
      if (contents === null || !isWritten) continue;
      restores.set(first, [...(restores.get(first) ?? []), {from: this.#buffer(bytes, contents), to, bytes}]);
    }
    return restores;
  }

  #buffer(size: number, contents: Float32Array | Int32Array | null = null): GPUBuffer {
    const buffer = this.#host.device.createBuffer({
      label: 'capture',
      size,
      usage: usageOfStorage(),
      mappedAtCreation: contents !== null,
    });
    this.#own.push(buffer);
    if (contents !== null) {
      new Uint8Array(buffer.getMappedRange()).set(new Uint8Array(contents.buffer, contents.byteOffset, contents.byteLength));
      buffer.unmap();
    }
    return buffer;
  }

  #pack(sources: readonly (BoundSource | Output['source'])[]) {
    const contents = sources.flatMap((source) => (source.kind === 'uniform' ? [source.contents] : []));
    const {device} = this.#host;
    const {bytes, offsets} = packUniforms(contents, device.limits.minUniformBufferOffsetAlignment);
    if (bytes.length === 0) return {buffer: null, offsets};
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    const buffer = device.createBuffer({label: 'capture.uniforms', size: bytes.length, usage});
    this.#own.push(buffer);
    device.queue.writeBuffer(buffer, 0, bytes);
    return {buffer, offsets};
  }

  #bound({source, offset, size}: Bound): GPUBufferBinding {
    if (source.kind !== 'uniform') return {buffer: this.buffer(source), offset, size};
    return {buffer: this.#uniforms.buffer!, offset: this.#uniforms.offsets.get(source.contents)! + offset, size};
  }

  /** Where something lies by now. */
  buffer(source: Exclude<BoundSource, {readonly kind: 'uniform'}>): GPUBuffer {
    if (source.kind === 'value') return this.#places.get(source.value)!;
    if (source.kind === 'input') return this.#inputs.buffers[source.input]!;
    return source.kind === 'weight' ? this.weights.buffer(source.id) : source.buffer;
  }

  /** Those of a step of a cache are made for each replay. */
  #dispatchesOf(step: RecordedStep): readonly Replayed[] {
    return step.cached === undefined ? [{...step, group: this.#group(step)}] : [];
  }

  #group({pipeline, bindings}: RecordedDispatch): GPUBindGroup {
    const bound = bindings.map((binding) => this.#bound(binding));
    const key = [identity(pipeline), ...bound.map(({buffer, offset, size}) => `${identity(buffer)}+${offset}:${size}`)].join();
    let group = this.#groups.get(key);
    if (group === undefined) {
      const entries = bound.map((resource, binding) => ({binding, resource}));
      this.#groups.set(key, (group = this.#host.device.createBindGroup({layout: pipeline.getBindGroupLayout(0), entries})));
    }
    return group;
  }

  /** Takes the new values of variables that were assigned. */
  refresh(): void {
    const changed = this.weights.refresh();
    if (changed.size === 0) return;
    const isChanged = ({source}: Bound): boolean => source.kind === 'weight' && changed.has(source.id as DataId);
    // Those of the old values would hold their buffers.
    this.#groups.clear();
    for (const command of this.commands)
      if (command.step.bindings.some(isChanged)) command.dispatches = this.#dispatchesOf(command.step);
  }

  /** All steps, those of caches as they are planned. */
  planned(plans: readonly PlannedStep[]): readonly Command[] {
    const made = this.cached.write(plans)[Symbol.iterator]();
    for (const command of this.commands) if (command.step.cached !== undefined) command.dispatches = made.next().value!;
    return this.commands;
  }

  /** But for the inputs. */
  #release(): void {
    for (const buffer of this.#own) buffer.destroy();
    this.cached?.dispose();
    this.#unpin();
    this.weights.dispose();
  }

  dispose(): void {
    this.#release();
    this.#inputs.dispose();
  }
}

function livesOf(steps: readonly RecordedStep[]): Map<Value, Life> {
  const lives = new Map<Value, Life>();
  steps.forEach(({op, bindings, writes}, i) =>
    bindings.forEach(({source}, binding) => {
      if (source.kind !== 'value') return;
      let life = lives.get(source.value);
      if (life === undefined) lives.set(source.value, (life = {op, first: i, last: i, isWritten: false}));
      life.last = i;
      if (writes.includes(binding)) life.isWritten = true;
    }),
  );
  return lives;
}
