import * as tf from '@tensorflow/tfjs-core';
import type {TensorInfo} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import type {BindingRole, Launch, Work, Tail, WorkBytes} from '../../pure.js';
import type {Host} from '../host/backend.js';

/** What can run: launches with their buffers, of a forward or a backward pass or a step of decoding. */
export interface Runnable {
  /** Null where tokens are appended to a cache alone. */
  readonly plan: Work | null;
  readonly launches: readonly Launch[];
  readonly tail: Pick<Tail, 'pairs'> & Partial<Pick<Tail, 'maskPairs'>>;
  readonly workBytes: WorkBytes;
}

/** Throws what the device would otherwise turn into silent garbage: tfjs checks none of these limits. */
export function checkBuffersFit(
  host: Host,
  {launches, workBytes, tail}: Pick<Runnable, 'launches' | 'workBytes' | 'tail'>,
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
  const split = 'Split the batch, the heads or the queries over several calls.';
  const {maskPairs = 0} = tail;
  for (const [role, size] of bytes) {
    const packed = role === 'schedule' && maskPairs > 0;
    const thing = packed ? `bytes of schedule, ${8 * maskPairs} of them bits of mask` : `bytes of ${role}`;
    const cure = packed || role === 'mask' ? `${split} ${SMALLER_MASK}` : split;
    for (const limit of ['maxStorageBufferBindingSize', 'maxBufferSize'] as const) atMost(thing, size, limit, cure);
  }
  for (const {program, grid} of launches) {
    host.pipelines.throwIfBroken(program);
    const cure = 'Please report this plan: it was made for a larger device.';
    const storage = program.bindings.filter((role) => role !== 'params').length;
    atMost(`storage buffers of ${program.name}`, storage, 'maxStorageBuffersPerShaderStage', cure);
    atMost(`workgroup bytes of ${program.name}`, program.workgroupBytes, 'maxComputeWorkgroupStorageSize', cure);
    atMost(`invocations of ${program.name}`, program.invocations, 'maxComputeInvocationsPerWorkgroup', cure);
    atMost(`workgroups of ${program.name}`, Math.max(...grid), 'maxComputeWorkgroupsPerDimension', split);
  }
}

/** A boolean takes 4 bytes, and packed a bit for each key. */
const SMALLER_MASK = 'Or give the mask 1 on axes along which it repeats, or a pattern in its place.';

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

/** Every element of a tensor takes 4 bytes on the device, booleans as well. */
export const bytesOf = (shape: readonly number[]): number => 4 * tf.util.sizeFromShape([...shape]);
