import * as tf from '@tensorflow/tfjs-core';
import type {DataId, Tensor, TensorInfo} from '@tensorflow/tfjs-core';
import {refuse, type SplatError} from '../../support/index.js';
import type {Host} from '../host/backend.js';
import type {CachedStep, PlannedStep} from '../host/cached_step.js';
import type {Dispatch} from '../host/dispatch.js';
import {StoredTensors} from '../host/stored_tensors.js';
import type {Unrepeatable, Watcher} from '../host/watcher.js';
import type {InputSlots} from './inputs.js';
import type {Output, Recording, BoundSource, RecordedStep, Value, WeightUse} from './recording.js';
import {refusal} from './refusals.js';

/** Writes down what a run does. The run itself is an ordinary one, in the memory of the backend. */
export class Recorder implements Watcher {
  readonly #host: Host;
  readonly #stored: StoredTensors;
  readonly #inputs: InputSlots;
  readonly #steps: RecordedStep[] = [];
  readonly #weights = new Map<DataId, WeightUse>();
  /** What lies in which buffer by now. */
  readonly #values = new Map<GPUBuffer, Value>();
  readonly #made = new Set<DataId>();
  readonly #changeable = new Set(Object.values(tf.engine().registeredVariables).map(({dataId}) => dataId));
  /** Tensors of the run have larger ones. */
  readonly #lastId: number;
  #fault: SplatError | null = null;
  /** The ops that run, one inside the other. */
  readonly #running: string[] = [];
  #lastOp: string | null = null;
  readonly #planned: PlannedStep[] = [];

  constructor(host: Host, inputs: InputSlots, lastId: number) {
    this.#host = host;
    this.#stored = new StoredTensors(host);
    this.#inputs = inputs;
    this.#lastId = lastId;
  }

  throwIfFaulty(): void {
    if (this.#fault !== null) throw this.#fault;
  }

  /** Data of the run that live on. */
  get alive(): number {
    return [...this.#made].filter((id) => this.#stored.data(id) !== undefined).length;
  }

  isNew(tensor: Tensor): boolean {
    return tensor.id > this.#lastId;
  }

  began(kernel: string, inputs: readonly Tensor[]): () => void {
    this.#running.push(kernel);
    for (const tensor of inputs) this.#use(tensor);
    return () => {
      this.#running.pop();
      if (this.#running.length === 0) this.#lastOp = kernel;
    };
  }

  #use(tensor: Tensor): void {
    const {dataId} = tensor;
    if (this.#made.has(dataId) || this.#inputs.indexOf(dataId) >= 0) return;
    const use = this.#useOf(dataId);
    if (tensor instanceof tf.Variable) use.variables.add(tensor);
    else if (!this.isNew(tensor)) use.asTensor = true;
  }

  #useOf(id: DataId): WeightUse {
    let use = this.#weights.get(id);
    if (use === undefined) this.#weights.set(id, (use = {variables: new Set(), asTensor: false}));
    return use;
  }

  made(id: DataId): void {
    this.#made.add(id);
  }

  acquired(buffer: GPUBuffer): void {
    this.#values.set(buffer, {bytes: buffer.size, contents: null});
  }

  placed(id: DataId, buffer: GPUBuffer, contents: Float32Array | Int32Array | null): void {
    // What was there before the run is its owner's, also where nobody used it until now.
    if (this.#made.has(id)) this.#values.get(buffer)!.contents = contents;
    else this.#values.delete(buffer);
  }

  dispatched({pipeline, grid, bindings, writes, uniform}: Dispatch, touched: readonly TensorInfo[]): void {
    const bound = bindings.map(({buffer, offset = 0, size = buffer.size - offset}) => {
      const source =
        buffer === uniform?.buffer ? ({kind: 'uniform', contents: uniform.contents} as const) : this.#sourceOf(buffer, touched);
      return {source, offset, size};
    });
    const op = this.#running[0] ?? 'the function itself';
    for (const i of writes) if (['input', 'weight'].includes(bound[i]!.source.kind)) this.note('written');
    this.#steps.push({op, pipeline, grid, bindings: bound, writes, endsTurn: false});
  }

  /** Compiles its programs, and has the cache count its tokens until the run is over. */
  stepped(cached: CachedStep): void {
    const planned = cached.plan();
    this.#planned.push(planned);
    const {step, launches} = planned;
    for (const {program} of launches) this.#host.pipelines.get(program);
    const tensors = [...cached.tensors.values()];
    const bindings = tensors.map((tensor) => {
      if (tensor instanceof tf.Tensor) this.#use(tensor);
      const source = this.#sourceOf(this.#stored.buffer(tensor.dataId), tensors);
      return {source, offset: 0, size: 4 * tf.util.sizeFromShape(tensor.shape)};
    });
    const writes = [[...cached.tensors.keys()].indexOf('output')];
    this.#steps.push({op: 'KvCache', bindings, writes, cached, size: {step, launches}});
  }

  /** Puts caches back to where they were before the run. */
  putBack(): void {
    for (const planned of this.#planned.reverse()) planned.undo();
  }

  #sourceOf(buffer: GPUBuffer, touched: readonly TensorInfo[]): BoundSource {
    const value = this.#values.get(buffer);
    if (value !== undefined) return {kind: 'value', value};
    const owner = touched.find(({dataId}) => this.#stored.data(dataId)?.resource === buffer);
    if (owner !== undefined) return this.#ofOutside(owner.dataId);
    const isResident = [...this.#host.residents.values()].some(({schedule}) => schedule === buffer);
    if (!isResident) this.note('unseen');
    return {kind: 'resident', buffer};
  }

  #ofOutside(id: DataId): BoundSource & {kind: 'input' | 'weight'} {
    const input = this.#inputs.indexOf(id);
    if (input >= 0) return {kind: 'input', input};
    const use = this.#useOf(id);
    // No op was given it, as where a kernel finds a tensor by itself.
    if (use.variables.size === 0 && !use.asTensor) {
      for (const variable of Object.values(tf.engine().registeredVariables))
        if (variable.dataId === id) use.variables.add(variable);
    }
    return {kind: 'weight', id};
  }

  turn(): void {
    const last = this.#steps.at(-1);
    if (last !== undefined && last.cached === undefined) last.endsTurn = true;
  }

  isConstant(id: DataId): boolean {
    return !this.#changeable.has(id);
  }

  note(what: Unrepeatable | 'kept' | 'disposed' | 'promise', detail?: string): void {
    this.#fault ??= refusal(what, this.#where, detail);
  }

  refuse(what: Unrepeatable, detail?: string): never {
    this.note(what, detail);
    throw this.#fault!;
  }

  get #where(): string {
    if (this.#running.length > 0) return `in ${this.#running[0]}`;
    return this.#lastOp === null ? 'by the function itself' : `by the function itself after ${this.#lastOp}`;
  }

  /** The recording of a run that gave these outputs, which still live. */
  finish(names: readonly string[], outputs: readonly Tensor[]): Recording {
    return {steps: this.#steps, outputs: outputs.map((output, i) => this.#outputOf(names[i]!, output)), weights: this.#weights};
  }

  #outputOf(name: string, tensor: Tensor): Output {
    const {dataId, shape, dtype} = tensor;
    if (dtype === 'complex64' || dtype === 'string') {
      const cure = dtype === 'string' ? 'Return it outside of the capture.' : 'Return tf.real(…) and tf.imag(…) of it.';
      refuse(name, `dtype ${dtype}`, 'float32, int32 or bool', cure);
    }
    const tensors = this.#stored;
    const isMade = this.#made.has(dataId);
    if (!isMade) {
      this.#use(tensor);
      tensors.buffer(dataId);
    }
    const {resource, values, dtype: stored} = tensors.data(dataId)!;
    const source: Output['source'] = !isMade
      ? this.#ofOutside(dataId)
      : resource == null
        ? {kind: 'numbers', numbers: (values as ArrayLike<number>) ?? []}
        : {kind: 'value', value: this.#values.get(resource as GPUBuffer)!};
    return {shape, dtype, stored, source};
  }
}
