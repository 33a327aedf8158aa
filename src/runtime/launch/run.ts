import * as tf from '@tensorflow/tfjs-core';
import type {TensorInfo} from '@tensorflow/tfjs-core';
import type {BindingRole, CallParams, Launch, Program, WorkBytes} from '../../pure.js';
import type {Host} from '../host/backend.js';
import type {Dispatch} from '../host/dispatch.js';
import type {Uniform} from '../host/memory.js';
import {showLaunches, stopwatch} from '../host/debug.js';
import {debugLevel} from '../host/flags.js';
import {isIntegerRole} from '../terms/terms.js';
import {bytesOf, bytesToAllocate, checkBuffersFit, type Runnable} from './fits.js';
import {namesOf, scoped} from './scoped.js';
import {cutFor, encodeInTurns} from './turns.js';

export type Bindings = Readonly<Partial<Record<BindingRole, GPUBufferBinding>>>;

/** The small buffers of a call: the schedule, and the parameters of each launch. */
export interface SmallBuffers {
  readonly schedule: GPUBufferBinding;
  dispatches(bindings: Bindings): readonly Dispatch[];
  /** The commands that read them are encoded. */
  encoded?(): void;
}

/** Something to run, and where its small buffers come from: uploaded once and kept, or written for each call. */
export interface LaunchSource {
  readonly runnable: Runnable;
  /** What throws from the next call on once the device refused this one. */
  readonly owner: object;
  /** `launches` are those of the runnable, the long ones cut. */
  begin(host: Host, launches: readonly Launch[], call: CallParams): SmallBuffers;
  /** Whether it has run inside an error scope; from now on it counts as if. */
  tried(host: Host): boolean;
}

export interface RunArguments {
  readonly tensors: Partial<Record<BindingRole, TensorInfo>>;
  /** Of new tensors. */
  readonly shapes: Partial<Record<BindingRole, number[]>>;
  /** Buffers that belong to no tensor. */
  readonly held?: readonly (readonly [BindingRole, GPUBuffer])[];
  readonly call: CallParams;
}

/** The runner: launches over the tensors of a call, into new tensors of the given shapes, which it returns in their order. Synchronous, as kernels are. */
export function run(host: Host, source: LaunchSource, {tensors, shapes, held = [], call}: RunArguments): TensorInfo[] {
  const {runnable, owner} = source;
  const error = host.broken.get(owner);
  if (error !== undefined) throw error;
  host.throwIfLost();
  checkBuffersFit(host, runnable, tensors, shapes);
  const {given, temporary} = asStored(host, tensors);
  const launches = cutFor(host, runnable.launches);
  const small = source.begin(host, launches, call);
  host.beginCall(bytesToAllocate(host, given, shapes));
  const used: Partial<Record<BindingRole, TensorInfo>> = {...given};
  const made: TensorInfo[] = [];
  for (const role in shapes) made.push((used[role as BindingRole] = host.makeTensor(shapes[role as BindingRole]!, 'float32')));
  const bindings = bind(host, runnable.workBytes, small.schedule, used);
  for (const [role, buffer] of held) bindings[role] = {buffer, size: buffer.size};

  const debug = debugLevel();
  if (debug > 0) showLaunches(debug, runnable);
  const told = debug > 0 ? stopwatch(debug, namesOf(launches), host) : undefined;
  const touched = Object.values(used);
  const encode = (): void => encodeInTurns(host, launches, small.dispatches(bindings), touched);
  if (host.compileOnly) for (const {program} of launches) compileAhead(host, program);
  else {
    if (source.tried(host) && launches.every((launch) => host.pipelines.hasLaunch(launch))) encode();
    else scoped(host, [owner], launches, encode);
    small.encoded?.();
  }
  told?.();

  for (const tensor of temporary) tensor.dispose();
  host.endCall(() => new Set(touched.map(({shape}) => bytesOf(shape))));
  return made;
}

function bind(
  host: Host,
  workBytes: WorkBytes,
  schedule: GPUBufferBinding,
  tensors: Partial<Record<BindingRole, TensorInfo>>,
): Partial<Record<BindingRole, GPUBufferBinding>> {
  const bindings: Partial<Record<BindingRole, GPUBufferBinding>> = {schedule};
  for (const role in workBytes) {
    const size = workBytes[role as BindingRole]!;
    bindings[role as BindingRole] = {buffer: host.workBuffer(role as BindingRole, size), size};
  }
  for (const role in tensors) {
    const tensor = tensors[role as BindingRole]!;
    // A buffer that a user lent to tfjs may be longer than its tensor.
    bindings[role as BindingRole] = {buffer: host.buffer(tensor), size: bytesOf(tensor.shape)};
  }
  return bindings;
}

export function dispatchOf(host: Host, launch: Launch, params: GPUBufferBinding, bindings: Bindings, uniform?: Uniform): Dispatch {
  const {program, grid} = launch;
  const {pipeline, layout, writes, roles} = host.pipelines.ofLaunch(launch);
  const bound = boundOf(roles, params, bindings);
  const bindGroup = host.memory.bindGroup(pipeline, bound, () => groupOf(host, program.name, layout, bound));
  return {name: program.name, pipeline, grid, bindGroup, bindings: bound, writes, uniform};
}

/** What a program binds, in its order. */
export function boundOf(roles: readonly BindingRole[], params: GPUBufferBinding, bindings: Bindings): GPUBufferBinding[] {
  const bound: GPUBufferBinding[] = [];
  for (const role of roles) bound.push(role === 'params' ? params : bindings[role]!);
  return bound;
}

export const groupOf = (host: Host, label: string, layout: GPUBindGroupLayout, bound: readonly GPUBufferBinding[]): GPUBindGroup =>
  host.device.createBindGroup({label, layout, entries: bound.map((resource, binding) => ({binding, resource}))});

function compileAhead(host: Host, program: Program): void {
  const compiling = host.pipelines.compile(program).then(({pipeline}) => pipeline);
  host.awaitInCompileOnly(program.key, compiling);
}

/** Tensors of dtype float32 may still be stored as int32 (casts to a wider type copy nothing): those are converted. */
export function asStored(
  host: Host,
  tensors: Partial<Record<BindingRole, TensorInfo>>,
): {given: Partial<Record<BindingRole, TensorInfo>>; temporary: readonly tf.Tensor[]} {
  const wrong: BindingRole[] = [];
  for (const role in tensors)
    if (!isStored(host, role as BindingRole, tensors[role as BindingRole]!)) wrong.push(role as BindingRole);
  if (wrong.length === 0) return {given: tensors, temporary: []};
  const temporary = wrong.map((role) => tf.mul(tensors[role] as tf.Tensor, 1));
  return {given: {...tensors, ...Object.fromEntries(wrong.map((role, i) => [role, temporary[i]!]))}, temporary};
}

const isStored = (host: Host, role: BindingRole, tensor: TensorInfo): boolean =>
  host.storedDtype(tensor) === 'float32' || role === 'mask' || isIntegerRole(role);
