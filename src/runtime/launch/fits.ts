import type {TensorInfo} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import type {BindingRole, Launch, Program, Work, Tail, WorkBytes} from '../../pure.js';
import type {Host} from '../host/backend.js';

/** What can run: launches with their buffers, of a forward or a backward pass or a step of decoding. */
export interface Runnable {
  /** Null where tokens are appended to a cache alone. */
  readonly plan: Work | null;
  readonly launches: readonly Launch[];
  readonly tail: Pick<Tail, 'pairs'> & Partial<Pick<Tail, 'maskPairs'>>;
  readonly workBytes: WorkBytes;
  /** Of what has no plan: what its launches read in place of one. */
  readonly schedule?: Int32Array | Uint32Array;
  /** What to do where a buffer is too large. Default for attention. */
  readonly cure?: string;
}

/** Throws what the device would otherwise turn into silent garbage: tfjs checks none of these limits. */
export function checkBuffersFit(
  host: Host,
  {launches, workBytes, tail, schedule, cure = SPLIT}: Pick<Runnable, 'launches' | 'workBytes' | 'tail' | 'schedule' | 'cure'>,
  tensors: Partial<Record<BindingRole, TensorInfo>>,
  shapes: Partial<Record<BindingRole, readonly number[]>>,
): void {
  const limits = limitsOf(host.device);
  const most = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const {pairs, maskPairs = 0} = tail;
  for (const role in tensors) refuseIfMore(role, bytesOf(tensors[role as BindingRole]!.shape), most, limits, maskPairs, cure);
  for (const role in workBytes) refuseIfMore(role, workBytes[role as BindingRole]!, most, limits, maskPairs, cure);
  for (const role in shapes) refuseIfMore(role, bytesOf(shapes[role as BindingRole]!), most, limits, maskPairs, cure);
  refuseIfMore('schedule', schedule?.byteLength ?? 8 * pairs, most, limits, maskPairs, cure);
  const {pipelines} = host;
  if (pipelines.fitting.has(launches)) return;
  for (const {program, grid} of launches) {
    pipelines.throwIfBroken(program);
    const {bindings, workgroupBytes, invocations} = program;
    const storage = bindings.includes('params') ? bindings.length - 1 : bindings.length;
    atMost(limits, 'storage buffers', program, storage, 'maxStorageBuffersPerShaderStage');
    atMost(limits, 'workgroup bytes', program, workgroupBytes, 'maxComputeWorkgroupStorageSize');
    atMost(limits, 'invocations', program, invocations, 'maxComputeInvocationsPerWorkgroup');
    atMost(limits, 'workgroups', program, Math.max(...grid), 'maxComputeWorkgroupsPerDimension', cure);
  }
  pipelines.fitting.add(launches);
}

const LIMITS = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
] as const;
type Limit = (typeof LIMITS)[number];
type Limits = Readonly<Record<Limit, number>>;

/** Each read of a device's own goes through its binding to native code. */
const known = new WeakMap<GPUDevice, Limits>();

function limitsOf(device: GPUDevice): Limits {
  let limits = known.get(device);
  if (limits === undefined) {
    limits = Object.fromEntries(LIMITS.map((name) => [name, device.limits[name]])) as Record<Limit, number>;
    known.set(device, limits);
  }
  return limits;
}

const SPLIT = 'Split the batch, the heads or the queries over several calls.';

// What a message says is put together only when there is one: every call passes through.
function atMost(limits: Limits, what: string, {name}: Program, found: number, limit: Limit, cure?: string): void {
  if (found <= limits[limit]) return;
  refuse(
    `${what} of ${name}`,
    String(found),
    expected(limits, limit),
    cure ?? 'Please report this plan: it was made for a larger device.',
  );
}

function refuseIfMore(role: string, bytes: number, most: number, limits: Limits, maskPairs: number, split: string): void {
  if (bytes > most) refuseBytes(limits, role, bytes, maskPairs, split);
}

function refuseBytes(limits: Limits, role: string, bytes: number, maskPairs: number, split: string): void {
  const packed = role === 'schedule' && maskPairs > 0;
  const thing = packed ? `bytes of schedule, ${8 * maskPairs} of them bits of mask` : `bytes of ${role}`;
  const cure = packed || role === 'mask' ? `${split} ${SMALLER_MASK}` : split;
  for (const limit of ['maxStorageBufferBindingSize', 'maxBufferSize'] as const) {
    if (bytes > limits[limit]) refuse(thing, String(bytes), expected(limits, limit), cure);
  }
}

const expected = (limits: Limits, limit: Limit): string => `at most ${limits[limit]} (${limit} of this device)`;

/** A boolean takes 4 bytes, and packed a bit for each key. */
const SMALLER_MASK = 'Or give the mask 1 on axes along which it repeats, or a pattern in its place.';

/** What a call will take from the pool. */
export function bytesToAllocate(
  host: Host,
  given: Partial<Record<BindingRole, TensorInfo>>,
  outputs: Partial<Record<BindingRole, readonly number[]>>,
): number {
  let bytes = 0;
  for (const role in outputs) bytes += bytesOf(outputs[role as BindingRole]!);
  // By dataId: self-attention may pass one tensor three times.
  let uploads: Set<object> | undefined;
  for (const role in given) {
    const tensor = given[role as BindingRole]!;
    if (host.isOnDevice(tensor) || uploads?.has(tensor.dataId)) continue;
    (uploads ??= new Set()).add(tensor.dataId);
    bytes += bytesOf(tensor.shape);
  }
  return bytes;
}

/** Every element of a tensor takes 4 bytes on the device, booleans as well. */
export function bytesOf(shape: readonly number[]): number {
  let bytes = 4;
  for (const size of shape) bytes *= size;
  return bytes;
}
