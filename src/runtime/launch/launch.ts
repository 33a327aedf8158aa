import type {TensorInfo} from '@tensorflow/tfjs-core';
import type {BindingRole, CallParams, Compiled} from '../../pure.js';
import type {Host} from '../host/backend.js';
import {resident} from './resident.js';
import {run} from './run.js';

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

/** Runs the launches of a plan on WebGPU. Returns the output, of the rank of the query, and what `aux` asks for. Synchronous, as kernels are. */
export function launch(host: Host, compiled: Compiled, tensors: CallTensors, numbers: CallNumbers): TensorInfo[] {
  const {batch, heads, queryLength, valueDim} = compiled.plan.problem;
  const {aux} = numbers;
  const shapes: Partial<Record<BindingRole, number[]>> = {
    output: [...tensors.query.shape.slice(0, -1), valueDim],
    ...(aux && {rowSums: [batch, heads, queryLength, 2]}),
    ...(aux === 'logSumExp' && {logSumExp: [batch, heads, queryLength]}),
  };
  return run(host, resident(compiled), {tensors, shapes, call: callParams(tensors, numbers)});
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

/** Strides in elements over (batch, head, query, key); 0 where the dimension is broadcast. */
export function broadcastStrides(shape: readonly number[]): [number, number, number, number] {
  const [, heads, queries, keys] = shape as [number, number, number, number];
  const strides = [heads * queries * keys, queries * keys, keys, 1];
  return strides.map((stride, i) => (shape[i] === 1 ? 0 : stride)) as [number, number, number, number];
}
