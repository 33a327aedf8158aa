import * as tf from '@tensorflow/tfjs-core';
import type {TensorInfo} from '@tensorflow/tfjs-core';
import {keyOf, Lru, refuse, type SplatError} from '../../support/index.js';
import type {BindingRole, CallParams, Compiled, Launch, Program} from '../../pure.js';
import type {Dispatch, Host, Resident} from '../host/backend.js';
import {showLaunches, stopwatch} from '../host/debug.js';
import {debugLevel} from '../host/debug_level.js';
import {refusedProgram, withComplaints} from '../host/refused_program.js';

/** The tensors of one call. `bias` and `mask` are of rank 4 with every dimension full size or 1, the others as users give them. */
export interface CallTensors {
  readonly query: TensorInfo;
  readonly key: TensorInfo;
  readonly value: TensorInfo;
  readonly bias?: TensorInfo;
  readonly mask?: TensorInfo;
  readonly keyLengths?: TensorInfo;
  readonly querySegments?: TensorInfo;
  readonly keySegments?: TensorInfo;
  readonly alibiSlopes?: TensorInfo;
  readonly relativeBias?: TensorInfo;
  readonly sinks?: TensorInfo;
}

/** The numbers of one call. */
export type CallNumbers = Pick<CallParams, 'scale' | 'layout' | 'softcap' | 'dropout' | 'seed'> & {
  readonly aux?: 'rowSums' | 'logSumExp';
};

export interface Binding {
  readonly buffer: GPUBuffer;
  readonly size: number;
}
type Bindings = ReadonlyMap<BindingRole, Binding>;

/** Runs the launches of a plan on WebGPU. Returns the output, of the rank of the query, and what `aux` asks for. Synchronous, as kernels are. */
export function launch(host: Host, compiled: Compiled, tensors: CallTensors, numbers: CallNumbers): TensorInfo[] {
  const error = host.broken.get(compiled);
  if (error !== undefined) throw error;
  host.throwIfLost();
  const {batch, heads, queryLength, valueDim} = compiled.plan.problem;
  const {aux} = numbers;
  const shapes: Partial<Record<BindingRole, number[]>> = {
    output: [...tensors.query.shape.slice(0, -1), valueDim],
    ...(aux && {rowSums: [batch, heads, queryLength, 2]}),
    ...(aux === 'logSumExp' && {logSumExp: [batch, heads, queryLength]}),
  };
  return runLaunches(host, compiled, tensors, shapes, callParams(tensors, numbers));
}

export const callParams = (
  {bias, relativeBias}: Partial<CallTensors>,
  {scale, layout, softcap, dropout, seed}: CallNumbers,
): CallParams => ({
  scale,
  ...(layout && {layout}),
  ...(softcap !== undefined && {softcap}),
  ...(dropout !== undefined && {dropout}),
  ...(seed !== undefined && {seed}),
  ...(bias && {biasStrides: broadcastStrides(bias.shape)}),
  ...(relativeBias && {relativeHeads: relativeBias.shape[0]!}),
});

/** What can run: launches with their buffers, a forward or a backward pass. */
export type Runnable = Pick<Compiled, 'plan' | 'launches' | 'tail' | 'workBytes'>;

/** Runs launches over the tensors of a call into new tensors of the given shapes, which it returns in their order. */
export function runLaunches(
  host: Host,
  runnable: Runnable,
  tensors: Partial<Record<BindingRole, TensorInfo>>,
  shapes: Partial<Record<BindingRole, number[]>>,
  call: CallParams,
): TensorInfo[] {
  const error = host.broken.get(runnable);
  if (error !== undefined) throw error;
  host.throwIfLost();
  checkFits(host, runnable, tensors, shapes);
  const resident = residentOf(host, runnable);
  const {given, temporary} = asStored(host, tensors);
  const uniforms = uniformsOf(host, runnable, resident, call);
  host.beginCall(bytesToAllocate(host, given, Object.values(shapes)));
  const made = Object.entries(shapes).map(([role, shape]) => [role, host.makeTensor(shape, 'float32')] as const);
  const used: Partial<Record<BindingRole, TensorInfo>> = {...given, ...Object.fromEntries(made)};
  const bindings = bind(host, runnable, resident, used);

  const {launches} = runnable;
  const debug = debugLevel();
  if (debug > 0) showLaunches(debug, runnable);
  const told = debug > 0 ? stopwatch(debug, namesOf(launches), host) : undefined;
  const touched = Object.values(used);
  const encode = (): void => host.encode(dispatchesOf(host, runnable, resident, uniforms, bindings), touched);
  if (host.compileOnly) for (const {program} of launches) compileAhead(host, program);
  else if (resident.scoped && launches.every(({program}) => host.pipelines.has(program))) encode();
  else {
    resident.scoped = true;
    scoped(host, runnable, launches, encode);
  }
  told?.();

  for (const tensor of temporary) tensor.dispose();
  host.endCall(new Set(touched.map(({shape}) => bytesOf(shape))));
  return made.map(([, tensor]) => tensor);
}

export const namesOf = (launches: readonly Launch[]): string => launches.map(({program}) => program.name).join(', ');

/** What a call will take from the pool. */
export function bytesToAllocate(
  host: Host,
  given: Partial<Record<BindingRole, TensorInfo>>,
  outputs: readonly (readonly number[])[],
): number {
  // By dataId: self-attention may pass one tensor three times.
  const distinct = new Map(Object.values(given).map((tensor) => [tensor.dataId, tensor]));
  const uploads = [...distinct.values()].filter((tensor) => !host.isOnDevice(tensor)).map(({shape}) => bytesOf(shape));
  return [...outputs.map(bytesOf), ...uploads].reduce((sum, bytes) => sum + bytes, 0);
}

function bind(host: Host, {workBytes}: Runnable, resident: Resident, tensors: Partial<Record<BindingRole, TensorInfo>>): Bindings {
  const whole = (buffer: GPUBuffer): Binding => ({buffer, size: buffer.size});
  const bindings = new Map<BindingRole, Binding>([['schedule', whole(resident.schedule)]]);
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
export function residentOf(host: Host, runnable: Runnable): Resident {
  const known = host.residents.get(runnable);
  if (known !== undefined) return known;
  return host.residents.set(runnable, {
    schedule: host.upload(scheduleWords(runnable), 'SparseAttention.schedule', 8 * runnable.tail.pairs),
    uniforms: new Lru<string, readonly GPUBuffer[]>({entries: MAX_UNIFORMS, evicted: (buffers) => host.destroy(buffers)}),
    dispatches: new Lru<string, readonly Dispatch[]>({entries: MAX_DISPATCHES}),
    scoped: false,
  });
}

/** The same with the uniforms of a call, so that a call like it uploads nothing. */
export function makeResident(host: Host, runnable: Runnable, call: CallParams): void {
  uniformsOf(host, runnable, residentOf(host, runnable), call);
}

/** Scales and bias shapes that a plan remembers: a model has one of each. */
const MAX_UNIFORMS = 8;
/** Sets of buffers that a plan remembers: between two submits a chain of calls goes through about seven. */
const MAX_DISPATCHES = 16;

/** The uniform buffer of each launch for a call, uploaded on the first call like it. */
function uniformsOf(host: Host, {launches}: Runnable, {uniforms}: Resident, call: CallParams): readonly GPUBuffer[] {
  const key = keyOf(call);
  const known = uniforms.get(key);
  if (known !== undefined) return known;
  const upload = ({program, params}: Launch): GPUBuffer =>
    host.upload(new Uint32Array(params(call)), `${program.name}.params`, undefined, GPUBufferUsage.UNIFORM);
  return uniforms.set(key, launches.map(upload));
}

/** Throws what the device would otherwise turn into silent garbage: tfjs checks none of these limits. */
export function checkFits(
  host: Host,
  {launches, workBytes, tail}: Pick<Runnable, 'launches' | 'workBytes'> & {readonly tail: {readonly pairs: number}},
  tensors: Partial<Record<BindingRole, TensorInfo>>,
  shapes: Partial<Record<BindingRole, readonly number[]>>,
): void {
  const {limits} = host.device;
  const atMost = (thing: string, found: number, limit: keyof GPUSupportedLimits, cure: string): void => {
    const most = limits[limit] as number;
    if (found > most) refuse(thing, String(found), `at most ${most} (${limit} of this device)`, cure);
  };
  const bytes = new Map<string, number>(Object.entries(tensors).map(([role, tensor]) => [role, bytesOf(tensor.shape)]));
  for (const [role, size] of Object.entries(workBytes)) bytes.set(role, size);
  for (const [role, shape] of Object.entries(shapes)) bytes.set(role, bytesOf(shape));
  bytes.set('schedule', 8 * tail.pairs);
  for (const [role, size] of bytes) {
    for (const limit of ['maxStorageBufferBindingSize', 'maxBufferSize'] as const) {
      atMost(`bytes of ${role}`, size, limit, 'Split the batch, the heads or the queries over several calls.');
    }
  }
  for (const {program, grid} of launches) {
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
export function scoped(host: Host, runs: object, launches: readonly Launch[], encode: () => void): void {
  const fresh = launches.map(({program}) => program).filter((program) => !host.pipelines.has(program));
  host.flush();
  host.device.pushErrorScope('validation');
  try {
    encode();
    host.flush();
  } finally {
    host.device.popErrorScope().then(
      async (found) => {
        if (found === null) return;
        const mark = (reason: string): SplatError => {
          const error = refusedProgram(namesOf(launches), reason);
          host.broken.set(runs, error);
          for (const program of fresh) host.pipelines.markBroken(program, error);
          return error;
        };
        let reason = found.message;
        // At once: the compiler's words come later, and until then nobody may take old memory for results.
        mark(reason);
        for (const {code} of fresh) reason = await withComplaints(host.device, code, reason);
        console.error(`SparseAttention: the output of this call is not valid. ${mark(reason).message}`);
      },
      () => undefined, // The device is lost, which every later call reports.
    );
  }
}

export function compileAhead(host: Host, program: Program): void {
  const compiling = host.pipelines.compile(program).then(({pipeline}) => pipeline);
  host.awaitInCompileOnly(program.key, compiling);
}

/** The dispatches of a call, remembered: bind groups are most of what a call costs on the CPU. */
function dispatchesOf(
  host: Host,
  {launches}: Runnable,
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
    launches.map((each, i) => dispatchOf(host, each, {buffer: uniforms[i]!}, bindings)),
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

export function dispatchOf(host: Host, {program, grid, instead}: Launch, params: GPUBufferBinding, bindings: Bindings): Dispatch {
  const {pipeline, layout} = host.pipelines.get(program);
  const bindGroup = host.device.createBindGroup({
    label: program.name,
    layout,
    entries: program.bindings.map((role, binding) => ({
      binding,
      resource: role === 'params' ? params : bindings.get(instead?.[role] ?? role)!,
    })),
  });
  return {name: program.name, pipeline, grid, bindGroup};
}

/** Roles whose tensors hold int32. */
const INTEGERS: readonly string[] = ['mask', 'keyLengths', 'querySegments', 'keySegments'];

/** Tensors of dtype float32 may still be stored as int32 (casts to a wider type copy nothing): those are converted. */
export function asStored(
  host: Host,
  tensors: Partial<Record<BindingRole, TensorInfo>>,
): {given: Partial<Record<BindingRole, TensorInfo>>; temporary: readonly tf.Tensor[]} {
  const temporary: tf.Tensor[] = [];
  const entries = Object.entries(tensors).map(([role, tensor]) => {
    if (INTEGERS.includes(role) || host.storedDtype(tensor) === 'float32') return [role, tensor];
    temporary.push(tf.mul(tensor as tf.Tensor, 1));
    return [role, temporary.at(-1)!];
  });
  return {given: Object.fromEntries(entries) as Partial<Record<BindingRole, TensorInfo>>, temporary};
}

/** The schedule, and the mask bits of the plan behind it: rows of whole pairs. */
export function scheduleWords({plan: {schedule, maskWords, problem}, tail}: Runnable): Int32Array {
  if (maskWords === null) return schedule;
  const perRow = Math.ceil(problem.keyLength / 32);
  const words = new Int32Array(2 * (tail.maskBits + tail.maskPairs));
  words.set(schedule);
  for (let row = 0; row < problem.queryLength; row++) {
    words.set(maskWords.subarray(row * perRow, (row + 1) * perRow), 2 * tail.maskBits + row * 2 * Math.ceil(perRow / 2));
  }
  return words;
}

/** Strides in elements over (batch, head, query, key); 0 where the dimension is broadcast. */
export function broadcastStrides(shape: readonly number[]): [number, number, number, number] {
  const [, heads, queries, keys] = shape as [number, number, number, number];
  const strides = [heads * queries * keys, queries * keys, keys, 1];
  return strides.map((stride, i) => (shape[i] === 1 ? 0 : stride)) as [number, number, number, number];
}

/** Every element of a tensor takes 4 bytes on the device, booleans as well. */
export const bytesOf = (shape: readonly number[]): number => 4 * tf.util.sizeFromShape([...shape]);
