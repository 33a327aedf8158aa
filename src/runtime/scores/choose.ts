import * as tf from '@tensorflow/tfjs-core';
import type {Features, PackedLists} from '../../pure.js';
import {Host} from '../host/backend.js';
import {packedListsOf} from './table_lists.js';
import type {ScoreTable} from './sparse_scores.js';

/** How a product, softmax or gradient over a table is computed: row by row by kernels of ours, or in chunks by TensorFlow.js ops. */
export type ScoreForm = 'rows' | 'ops';

/** Rows wherever there is a WebGPU device that binds their lists, and anything to compute. */
export function chooses(table: ScoreTable, ...transposed: readonly boolean[]): ScoreForm {
  const host = Host.of(tf.backend());
  const {batch, heads, queryLength, keyLength} = table.sizes;
  if (host === null || batch * heads * queryLength * keyLength === 0) return 'ops';
  const {maxStorageBufferBindingSize, maxBufferSize} = host.device.limits;
  const most = Math.min(maxStorageBufferBindingSize, maxBufferSize);
  const fits = ({words, nnz}: PackedLists): boolean => nnz > 0 && words.byteLength <= most;
  return [false, ...transposed].every((own) => fits(packedListsOf(table, own))) ? 'rows' : 'ops';
}

/** Terms that change who attends alone: where scores have others, or a scale far from 1, their gradients are those of the ops. */
const PASS_ON: readonly (keyof Features)[] = ['lengths', 'segments'];

export const gradientsInRows = (features: Features): boolean =>
  (Object.keys(features) as (keyof Features)[]).every((name) => !features[name] || PASS_ON.includes(name));

/** Whether a pair of the pattern may be hidden, of scores whose gradients are in rows. */
export const hidesPairs = (features: Features): boolean => PASS_ON.some((name) => features[name]);
