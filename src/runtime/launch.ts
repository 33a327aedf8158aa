import * as tf from '@tensorflow/tfjs-core';
import type {TensorInfo} from '@tensorflow/tfjs-core';
import {Lru, refuse} from '../support/index.js';
import type {BindingRole, CallParams, Compiled, Launch, Program} from '../compile.js';
import type {Dispatch, Host, Resident} from './backend.js';
import {refusedProgram} from './pipelines.js';

/** The tensors of one call. `bias` and `mask` are of rank 4 with every dimension full size or 1. */
export interface CallTensors {
  readonly query: TensorInfo;
  readonly key: TensorInfo;
  readonly value: TensorInfo;
  readonly bias?: TensorInfo;
  readonly mask?: TensorInfo;
}

interface Binding {
  readonly buffer: GPUBuffer;
  readonly size: number;
}
type Bindings = ReadonlyMap<BindingRole, Binding>;

/** Runs the launches of a plan on WebGPU and returns the output, of the rank of the query. Synchronous, as kernels are. */
export function launch(host: Host, compiled: Compiled, tensors: CallTensors, scale: number): TensorInfo {
  const error = host.broken.get(compiled);
  if (error !== undefined) throw error;
  host.throwIfLost();
  const outputShape = [...tensors.query.shape.slice(0, -1), compiled.plan.problem.valueDim];
  checkFits(host, compiled, tensors, outputShape);

  const resident = residentOf(host, compiled);
  const {given, temporary} = asFloats(host, tensors);
  const call: CallParams = {scale, ...(given.bias && {biasStrides: broadcastStrides(given.bias.shape)})};
  const uniforms = uniformsOf(host, compiled, resident, call);
  host.beginCall(bytesToAllocate(host, given, outputShape));
  const output = host.makeTensor(outputShape, 'float32');
  const used = {...given, output};
  const bindings = bind(host, compiled, resident, used);

  const {launches} = compiled;
  const encode = (): void => {
    host.encode(dispatchesOf(host, compiled, resident, uniforms, bindings), Object.values(used));
  };
  if (host.compileOnly) for (const {program} of launches) compileAhead(host, program);
  else if (resident.scoped && launches.every(({program}) => host.pipelines.has(program))) encode();
  else scoped(host, compiled, resident, encode);

  for (const tensor of temporary) tensor.dispose();
  host.endCall(new Set(Object.values(used).map(({shape}) => bytesOf(shape))));
  return output;
}

/** What a call will take from the pool. */
function bytesToAllocate(host: Host, given: CallTensors, outputShape: readonly number[]): number {
  // By dataId: self-attention may pass one tensor three times.
  const distinct = new Map(Object.values(given).map((tensor: TensorInfo) => [tensor.dataId, tensor]));
  const uploads = [...distinct.values()].filter((tensor) => !host.isOnDevice(tensor)).map(({shape}) => bytesOf(shape));
  return [bytesOf(outputShape), ...uploads].reduce((sum, bytes) => sum + bytes);
}

function bind(host: Host, {workBytes}: Compiled, resident: Resident, tensors: Partial<Record<BindingRole, TensorInfo>>): Bindings {
  const whole = (buffer: GPUBuffer): Binding => ({buffer, size: buffer.size});
  const bindings = new Map<BindingRole, Binding>([['schedule', whole(resident.schedule)]]);
  if (resident.maskWords !== null) bindings.set('maskWords', whole(resident.maskWords));
  for (const [role, size] of Object.entries(workBytes) as [BindingRole, number][]) {
    bindings.set(role, {buffer: host.workBuffer(role, size), size});
  }
  for (const [role, tensor] of Object.entries(tensors)) {
    // A buffer that a user lent to tfjs may be longer than its tensor.
    bindings.set(role as BindingRole, {buffer: host.buffer(tensor), size: bytesOf(tensor.shape)});
  }
  return bindings;
}

/** The buffers of a plan on the device, uploaded on its first use. */
export function residentOf(host: Host, compiled: Compiled): Resident {
  const known = host.residents.get(compiled);
  if (known !== undefined) return known;
  const {schedule, maskWords} = compiled.plan;
  return host.residents.set(compiled, {
    schedule: host.upload(schedule, 'SparseAttention.schedule'),
    maskWords: maskWords === null ? null : host.upload(maskWords, 'SparseAttention.maskWords'),
    uniforms: new Lru<string, readonly GPUBuffer[]>({entries: MAX_UNIFORMS, evicted: (buffers) => host.destroy(buffers)}),
    dispatches: new Lru<string, readonly Dispatch[]>({entries: MAX_DISPATCHES}),
    scoped: false,
  });
}

/** Scales and bias shapes that a plan remembers: a model has one of each. */
const MAX_UNIFORMS = 8;
/** Sets of buffers that a plan remembers: between two submits a chain of calls goes through about seven. */
const MAX_DISPATCHES = 16;

/** The uniform buffer of each launch for a call, uploaded on the first call like it. */
function uniformsOf(host: Host, {launches}: Compiled, {uniforms}: Resident, call: CallParams): readonly GPUBuffer[] {
  const key = `${call.scale},${call.biasStrides?.join() ?? ''}`;
  const known = uniforms.get(key);
  if (known !== undefined) return known;
  const upload = ({program, params}: Launch): GPUBuffer =>
    host.upload(new Uint32Array(params(call)), `${program.name}.params`, GPUBufferUsage.UNIFORM);
  return uniforms.set(key, launches.map(upload));
}

/** Throws what the device would otherwise turn into silent garbage: tfjs checks none of these limits. */
export function checkFits(host: Host, compiled: Compiled, tensors: Partial<CallTensors>, outputShape: readonly number[]): void {
  const {limits} = host.device;
  const atMost = (thing: string, found: number, limit: keyof GPUSupportedLimits, cure: string): void => {
    const most = limits[limit] as number;
    if (found > most) refuse(thing, String(found), `at most ${most} (${limit} of this device)`, cure);
  };
  const bytes = new Map<string, number>(Object.entries(tensors).map(([role, tensor]) => [role, bytesOf(tensor.shape)]));
  bytes.set('output', bytesOf(outputShape));
  for (const [role, size] of Object.entries(compiled.workBytes)) bytes.set(role, size);
  bytes.set('schedule', compiled.plan.schedule.byteLength);
  if (compiled.plan.maskWords !== null) bytes.set('maskWords', compiled.plan.maskWords.byteLength);
  for (const [role, size] of bytes) {
    for (const limit of ['maxStorageBufferBindingSize', 'maxBufferSize'] as const) {
      atMost(`bytes of ${role}`, size, limit, 'Split the batch, the heads or the queries over several calls.');
    }
  }
  for (const {program, grid} of compiled.launches) {
    host.pipelines.throwIfBroken(program);
    const cure = 'Please report this plan: it was made for a larger device.';
    const storage = program.bindings.filter((role) => role !== 'params').length;
    atMost(`storage buffers of ${program.name}`, storage, 'maxStorageBuffersPerShaderStage', cure);
    atMost(`workgroup bytes of ${program.name}`, program.workgroupBytes, 'maxComputeWorkgroupStorageSize', cure);
    atMost(`invocations of ${program.name}`, program.invocations, 'maxComputeInvocationsPerWorkgroup', cure);
    const split = 'Split the batch, the heads or the queries over several calls.';
    atMost(`workgroups of ${program.name}`, Math.max(...grid), 'maxComputeWorkgroupsPerDimension', split);
  }
}

/**
 * Runs `encode` as the only commands inside a validation scope. The answer comes later, after kernels must have returned: an error is
 * logged then, and the plan and its new pipelines throw from their next use on. Without this tfjs would go on with old memory as results.
 */
function scoped(host: Host, compiled: Compiled, resident: Resident, encode: () => void): void {
  const fresh = compiled.launches.map(({program}) => program).filter((program) => !host.pipelines.has(program));
  resident.scoped = true;
  host.flush();
  host.device.pushErrorScope('validation');
  try {
    encode();
    host.flush();
  } finally {
    host.device.popErrorScope().then(
      (found) => {
        if (found === null) return;
        const error = refusedProgram(compiled.launches.map(({program}) => program.name).join(', '), found.message);
        host.broken.set(compiled, error);
        for (const program of fresh) host.pipelines.markBroken(program, error);
        console.error(`SparseAttention: the output of this call is not valid. ${error.message}`);
      },
      () => undefined, // The device is lost, which every later call reports.
    );
  }
}

function compileAhead(host: Host, program: Program): void {
  const compiling = host.pipelines.compile(program).then(({pipeline}) => pipeline);
  host.awaitInCompileOnly(program.key, compiling);
}

/** The dispatches of a call, remembered: bind groups are most of what a call costs on the CPU. */
function dispatchesOf(
  host: Host,
  {launches}: Compiled,
  resident: Resident,
  uniforms: readonly GPUBuffer[],
  bindings: Bindings,
): readonly Dispatch[] {
  const bound = [...bindings.values()].map(({buffer, size}) => `${identity(buffer)}:${size}`);
  const key = [...uniforms.map(identity), ...bound].join();
  const known = resident.dispatches.get(key);
  // Asked for all the same, so that pipelines in use are not the ones to be forgotten.
  for (const {program} of launches) host.pipelines.get(program);
  if (known !== undefined) return known;
  return resident.dispatches.set(
    key,
    launches.map((each, i) => dispatchOf(host, each, uniforms[i]!, bindings)),
  );
}

const identities = new WeakMap<GPUBuffer, number>();
let buffersSeen = 0;

/** A number that no other buffer has had, also none that is destroyed by now. */
function identity(buffer: GPUBuffer): number {
  let number = identities.get(buffer);
  if (number === undefined) identities.set(buffer, (number = buffersSeen++));
  return number;
}

function dispatchOf(
  host: Host,
  {program, grid}: Launch,
  uniform: GPUBuffer,
  bindings: ReadonlyMap<BindingRole, Binding>,
): Dispatch {
  const {pipeline, layout} = host.pipelines.get(program);
  const bindGroup = host.device.createBindGroup({
    label: program.name,
    layout,
    entries: program.bindings.map((role, binding) => ({
      binding,
      resource: role === 'params' ? {buffer: uniform} : bindings.get(role)!,
    })),
  });
  return {name: program.name, pipeline, grid, bindGroup};
}

/** Tensors of dtype float32 may still be stored as int32 (casts to a wider type copy nothing): those are converted. */
function asFloats(host: Host, tensors: CallTensors): {given: CallTensors; temporary: readonly tf.Tensor[]} {
  const temporary: tf.Tensor[] = [];
  const entries = Object.entries(tensors).map(([role, tensor]: [string, TensorInfo]) => {
    if (role === 'mask' || host.storedDtype(tensor) === 'float32') return [role, tensor];
    temporary.push(tf.mul(tensor as tf.Tensor, 1));
    return [role, temporary.at(-1)!];
  });
  return {given: Object.fromEntries(entries) as CallTensors, temporary};
}

/** Strides in elements over (batch, head, query, key); 0 where the dimension is broadcast. */
function broadcastStrides(shape: readonly number[]): [number, number, number, number] {
  const [, heads, queries, keys] = shape as [number, number, number, number];
  const strides = [heads * queries * keys, queries * keys, keys, 1];
  return strides.map((stride, i) => (shape[i] === 1 ? 0 : stride)) as [number, number, number, number];
}

/** Every element of a tensor takes 4 bytes on the device, booleans as well. */
const bytesOf = (shape: readonly number[]): number => 4 * tf.util.sizeFromShape([...shape]);
