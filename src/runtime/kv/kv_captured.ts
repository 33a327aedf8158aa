import * as tf from '@tensorflow/tfjs-core';
import type {Tensor4D, TensorInfo} from '@tensorflow/tfjs-core';
import type {BindingRole} from '../../pure.js';
import type {PlannedStep} from '../host/cached_step.js';
import type {Watcher} from '../host/watcher.js';
import {checkBuffersFit} from '../launch/fits.js';
import {asStored} from '../launch/run.js';
import {cutFor} from '../launch/turns.js';
import type {Coming} from './kv_coming.js';
import {biasOf, memoryOf, type DeviceStore} from './kv_device_store.js';
import {isOfWhole, type CacheStep} from './kv_step.js';

/** A cache as its captured steps know it, whenever they are planned. */
export interface SteppedCache {
  readonly cache: object;
  /** @throws SplatError when the cache cannot take the tokens. */
  coming(): Coming;
  /** Counts the tokens. Returns what takes that back. */
  count(): () => void;
}

/** A step of a function that is captured: it is told to the watcher, and gives a tensor that holds nothing. */
export function watchStep(watcher: Watcher, store: DeviceStore, step: CacheStep, {cache, coming, count}: SteppedCache): Tensor4D {
  const {host} = store;
  const {query, key, value, counts, scores} = step;
  const {bias, relative, scale, numbers} = scores;
  if (relative !== undefined && bias !== undefined) watcher.refuse('growing', 'bias beside relativeBias');
  if (relative !== undefined && !isOfWhole(relative)) watcher.refuse('growing', 'relativeBias of one step');
  const [batch, heads, tokens] = query.shape;
  const ofPairs = bias ?? relative?.entries;
  const inputs = {query, newKey: key, newValue: value, ...scores.tensors, ...(ofPairs && {bias: ofPairs})};
  const {given, temporary} = asStored(host, inputs);
  const output = host.makeTensor([batch, heads, tokens, value.shape[3]], 'float32');
  const result = tf.engine().makeTensorFromTensorInfo(output) as Tensor4D;
  const tensors = new Map(Object.entries({...given, output}) as [BindingRole, TensorInfo][]);
  for (const tensor of tensors.values()) host.buffer(tensor);
  const plan = (): PlannedStep => {
    store.throwIfBroken();
    const {arrival, lines} = coming();
    const {move, ...planned} = store.plan(heads, tokens, arrival, lines, scores, biasOf(scores, arrival, tokens));
    checkBuffersFit(host, planned.step, {}, {});
    const undone = [count(), store.wrote(move)];
    return {
      ...planned,
      launches: cutFor(host, planned.step.launches),
      owner: store,
      tried: store.tried,
      undo: () => undone.forEach((undo) => undo()),
      memory: () => memoryOf(planned.step, move),
    };
  };
  const shapes = [...tensors].map(([role, {shape}]) => [role, ...shape]);
  watcher.stepped({cache, tensors, plan, same: {shapes, counts, scale, numbers, zero: relative?.zero}});
  for (const tensor of temporary) tensor.dispose();
  return result;
}
