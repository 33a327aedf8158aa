import * as tf from '@tensorflow/tfjs-core';
import type {KernelBackend} from '@tensorflow/tfjs-core';
import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {
  complete,
  oneLine,
  compress,
  CORE_DEVICE,
  type CompileOptions,
  type Compiled,
  type Device,
  type Problem,
} from '../../src/pure.js';
import {sparseAttention, type Pattern, type SparseAttentionOptions} from '../../src/index.js';
import {TILES} from '../../src/plan/configurations.js';
import {makePlan} from '../../src/plan/index.js';
import {Host} from '../../src/runtime/host/backend.js';
import {launch} from '../../src/runtime/launch/launch.js';
import {expectAttention, randomInputs, type AttentionInputs, type OracleOptions} from '../oracle.js';
import {retiled} from './plans.js';

export const backend = (): WebGPUBackend => tf.backend() as WebGPUBackend;
export const host = (): Host => Host.of(backend() as unknown as KernelBackend)!;

export type Three = [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];

export function tensorsOf(inputs: AttentionInputs): Three {
  const {batch, heads, queryLength, keyLength, headDim, valueDim} = inputs;
  return [
    tf.tensor4d(inputs.query, [batch, heads, queryLength, headDim]),
    tf.tensor4d(inputs.key, [batch, heads, keyLength, headDim]),
    tf.tensor4d(inputs.value, [batch, heads, keyLength, valueDim]),
  ];
}

export interface Expected {
  readonly pattern: Pattern;
  readonly problem: Problem;
  readonly options?: SparseAttentionOptions;
  /** What the oracle has to know of the options. */
  readonly says?: OracleOptions;
  readonly inputs?: AttentionInputs;
  readonly what?: string;
}

/** Runs `sparseAttention` on the current backend and compares with the oracle. Returns the output. */
export async function expectRight({
  pattern,
  problem,
  options = {},
  says = {},
  inputs = randomInputs(problem),
  what,
}: Expected): Promise<tf.Tensor> {
  const output = sparseAttention(...tensorsOf(inputs), pattern, {queryOffset: problem.queryOffset, ...options});
  await expectAttention(output, inputs, (query, key) => pattern.attends(query, key, problem), says, what ?? pattern.toString());
  return output;
}

/**
 * A plan as a GPU gets it, its rows cut into parts, with the kernels that a software adapter compiles fast. The tiles must be 32 × 32:
 * those of short rows are.
 */
export function compileInParts(
  pattern: Pattern,
  problem: Problem,
  options: Pick<CompileOptions, 'features' | 'aux'> = {},
  device: Device = CORE_DEVICE,
): Compiled {
  const acsr = compress(pattern, problem);
  const plan = makePlan(acsr, problem, device, 'fused');
  if (plan.tile.rows !== 32) throw new Error(`tiles of ${plan.tile.rows} rows take minutes to compile on a software adapter`);
  return complete(retiled(plan, {...plan.tile, unroll: TILES.software.unroll}), oneLine(acsr), options);
}

/** Runs a compiled plan as the kernel would. */
export function runCompiled(compiled: Compiled, [query, key, value]: Three, scale: number): tf.Tensor {
  return tf.engine().makeTensorFromTensorInfo(launch(host(), compiled, {query, key, value}, {scale})[0]!);
}

/**
 * Leaves buffers full of NaN in the pool of the backend, several of each size: the next tensors of these sizes begin as NaN, inputs and
 * outputs alike.
 */
export async function poison(...byteSizes: number[]): Promise<void> {
  const poisoned = byteSizes.flatMap((bytes) => Array.from({length: 6}, () => tf.add(tf.fill([bytes / 4], NaN), 1)));
  await Promise.all(poisoned.map((tensor) => tensor.data()));
  for (const tensor of poisoned) tensor.dispose();
  // What calls need for themselves is not from the pool.
  const most = Math.max(16, ...byteSizes);
  const halves = ['queryHalves', 'keyHalves', 'valueHalves', 'queryRounded', 'keyRounded', 'valueRounded'] as const;
  for (const role of ['scratch', 'rowSums', ...halves] as const) {
    const buffer = host().workBuffer(role, most);
    host().device.queue.writeBuffer(buffer, 0, new Float32Array(buffer.size / 4).fill(NaN));
  }
}
