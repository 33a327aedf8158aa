import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {weighsAtOnce, type Features, type Layout, type PackedLists} from '../../pure.js';
import {Host} from '../host/backend.js';
import {tilesSuit, type TileProduct} from './score_tiles.js';
import {packedListsOf, spansOf} from './table_lists.js';
import type {ScoreTable} from './sparse_scores.js';

/** How a product, softmax or gradient over a table is computed: by kernels of ours, over tiles or row by row, or in chunks by TensorFlow.js ops. */
export type ScoreForm = 'kernels' | 'ops';

/** Kernels wherever there is a WebGPU device that binds what they read, and anything to compute. Tiles read no lists of pairs. */
export function chooses(table: ScoreTable, ...products: readonly TileProduct[]): ScoreForm {
  if (!isOnGpu(table)) return 'ops';
  return products.every((each) => tilesSuit(table, each) || listsFit(table, each.product === 'transposed')) ? 'kernels' : 'ops';
}

/** The same of a softmax, which goes row by row. */
export const choosesRows = (table: ScoreTable): ScoreForm => (isOnGpu(table) && bindable(spansOf(table)) ? 'kernels' : 'ops');

const isOnGpu = ({sizes: {batch, heads, queryLength, keyLength}}: ScoreTable): boolean =>
  Host.of(tf.backend()) !== null && batch * heads * queryLength * keyLength > 0;

const listsFit = (table: ScoreTable, transposed: boolean): boolean => bindable(packedListsOf(table, transposed));

const bindable = ({words, nnz}: PackedLists): boolean =>
  nnz > 0 && words.byteLength <= Host.of(tf.backend())!.limits.maxBindingBytes;

/** Terms that change who attends alone: where scores have others, or a scale far from 1, their gradients are those of the ops. */
const PASS_ON: readonly (keyof Features)[] = ['lengths', 'segments'];

export const gradientsInKernels = (features: Features): boolean =>
  (Object.keys(features) as (keyof Features)[]).every((name) => !features[name] || PASS_ON.includes(name));

/** Whether a pair of the pattern may be hidden, of scores whose gradients are in kernels. */
export const hidesPairs = (features: Features): boolean => PASS_ON.some((name) => features[name]);

/** Whether one kernel computes the scores of rows and their softmax. */
export const weighsInOne = (table: ScoreTable, key: Tensor, layout: Layout): boolean =>
  choosesRows(table) === 'kernels' &&
  weighsAtOnce(spansOf(table)) &&
  !tilesSuit(table, {product: 'sddmm', x: key, layout}) &&
  listsFit(table, false) &&
  weighsAtOnce(packedListsOf(table, false));
