import type {TensorInfo} from '@tensorflow/tfjs-core';
import type {BindingRole, CallParams, Compiled, TermRole} from '../../pure.js';
import type {TermNumbers} from '../terms/part.js';
import {termParams} from '../terms/terms.js';
import type {Host} from '../host/backend.js';
import {resident} from './resident.js';
import {run} from './run.js';

/** The tensors of one call. `mask` and those of terms that broadcast are of rank 4 with every dimension full size or 1, others as users give them. */
export type CallTensors = {readonly [role in TermRole]?: TensorInfo} & {
  readonly query: TensorInfo;
  readonly key: TensorInfo;
  readonly value: TensorInfo;
  readonly mask?: TensorInfo;
};

/** The numbers of one call. */
export type CallNumbers = Pick<CallParams, 'scale' | 'layout' | 'within'> &
  TermNumbers & {
    readonly aux?: 'rowSums' | 'logSumExp';
  };

/** Runs the launches of a plan on WebGPU. Returns the output, of the rank of the query where that holds nothing else, and what `aux` asks for. Synchronous, as kernels are. */
export function launch(host: Host, compiled: Compiled, tensors: CallTensors, numbers: CallNumbers): TensorInfo[] {
  const {batch, heads, queryLength, valueDim} = compiled.plan.problem;
  const {aux, within} = numbers;
  const before = within === undefined ? tensors.query.shape.slice(0, -1) : [batch, queryLength, heads];
  const shapes: Partial<Record<BindingRole, number[]>> = {output: [...before, valueDim]};
  if (aux !== undefined) shapes.rowSums = [batch, heads, queryLength, 2];
  if (aux === 'logSumExp') shapes.logSumExp = [batch, heads, queryLength];
  return run(host, resident(compiled), {tensors, shapes, call: callParams(tensors, numbers)});
}

export const callParams = (tensors: Partial<CallTensors>, numbers: CallNumbers): CallParams => ({
  scale: numbers.scale,
  ...(numbers.layout && {layout: numbers.layout}),
  ...(numbers.within && {within: numbers.within}),
  ...termParams(tensors, numbers),
});
