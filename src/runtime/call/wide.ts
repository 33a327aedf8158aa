import * as tf from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import {CHUNK_PAIRS, type Compiled, type Lines} from '../../pure.js';
import type {Host} from '../host/backend.js';
import type {DenseInputs} from '../terms/part.js';
import {defaultNumbers} from './check_scoring.js';
import {checkBuffersFit} from '../launch/fits.js';
import {callParams} from '../launch/launch.js';
import {resident, type Lasting} from '../launch/resident.js';
import {run} from '../launch/run.js';

/** What TensorFlow.js ops compute on WebGPU: with these tensors, the rows of the pattern, and something to do after each chunk. */
export type Composed<T> = (inputs: DenseInputs, lines: Lines | null, afterChunk?: () => void) => T;

/**
 * Computes a call on WebGPU by TensorFlow.js ops, whose features are more than our kernels take. TensorFlow.js checks no limits and its
 * pool keeps every buffer of every size, of which a causal pattern makes new ones in each chunk, so both are done here.
 */
export function composeOnWebGPU<T extends object>(
  host: Host,
  compiled: Compiled,
  inputs: DenseInputs,
  outputs: Readonly<Record<string, readonly number[]>>,
  compute: Composed<T>,
): T {
  host.throwIfLost();
  const {lines, plan, launches} = compiled;
  const {batch, heads, keyHeads, keyLength} = plan.problem;
  const scratch = 4 * Math.max(CHUNK_PAIRS, batch * heads * keyLength);
  checkBuffersFit(host, {launches, workBytes: {scratch}, tail: {pairs: 0}}, {...inputs}, outputs);
  const {maxComputeWorkgroupsPerDimension: mostLines} = host.device.limits;
  if (batch * keyHeads > mostLines) {
    const cure = 'Split the batch over several calls.';
    refuse('batch · heads of wide features', String(batch * keyHeads), `at most ${mostLines}, a grid of this device`, cure);
  }
  host.beginCall(plan.bytes);
  const trim = (): void => host.endCall(noSizes);
  const result = tf.tidy(() => compute({...inputs, ...roundedOf(host, compiled, inputs)}, lines, trim) as tf.TensorContainer) as T;
  trim();
  return result;
}

const noSizes = (): ReadonlySet<number> => new Set();

const roundings = new WeakMap<Compiled, Lasting>();

/** What rounds query, key and value for a plan that stores float16, and nothing for one that does not. No tile is read. */
export function roundingOf(compiled: Compiled): Lasting {
  let rounding = roundings.get(compiled);
  if (rounding === undefined) {
    const plan = Object.freeze({...compiled.plan, schedule: new Int32Array(0)});
    const tail = Object.freeze({...compiled.tail, pairs: 0});
    rounding = Object.freeze({plan, launches: compiled.launches, tail, workBytes: Object.freeze({})});
    roundings.set(compiled, rounding);
  }
  return rounding;
}

/** Query, key and value as the plan stores them. */
function roundedOf(host: Host, compiled: Compiled, {query, key, value}: DenseInputs): Partial<DenseInputs> {
  if (compiled.launches.length === 0) return {};
  const shapes = {queryRounded: query.shape, keyRounded: key.shape, valueRounded: value.shape};
  const call = callParams({}, defaultNumbers(compiled.plan.problem));
  const made = run(host, resident(roundingOf(compiled)), {tensors: {query, key, value}, shapes, call});
  const [newQuery, newKey, newValue] = made.map((info) => tf.engine().makeTensorFromTensorInfo(info));
  return {query: newQuery!, key: newKey!, value: newValue!};
}
