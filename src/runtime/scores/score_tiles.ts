import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D, Tensor4D} from '@tensorflow/tfjs-core';
import {keyOf} from '../../support/index.js';
import {
  generateScoreTiles,
  PLAIN,
  scorePlan,
  type Acsr,
  type CallParams,
  type Features,
  type Lines,
  type Problem,
  type ScoreProduct,
} from '../../pure.js';
import {Host} from '../host/backend.js';
import {identity} from '../host/identity.js';
import type {Runnable} from '../launch/fits.js';
import {callParams} from '../launch/launch.js';
import {resident} from '../launch/resident.js';
import {run} from '../launch/run.js';
import type {DenseOptions, HeadedInputs} from '../terms/part.js';
import {featuresOf} from '../terms/terms.js';
import type {ScoreTable} from './sparse_scores.js';

/*
 * Products of packed numbers over the tiles of a pattern: of those whose rows are alike in all heads, and dense in tiles. Others are for kernels that go
 * row by row.
 */

/** A product over tiles that may be run. */
export interface TileProduct<T extends Tensor> {
  readonly predictedMs: number;
  run(): T;
}

const NAME = 'SplatPackedTiles';

/** Runnable products by the rows of their pattern; null where tiles do not suit. */
const known = new WeakMap<Acsr, Map<string, (Runnable & {readonly predictedMs: number}) | null>>();

function planned(host: Host, product: ScoreProduct, acsr: Acsr, problem: Problem, features: Features): (Runnable & {readonly predictedMs: number}) | null {
  let own = known.get(acsr);
  if (own === undefined) known.set(acsr, (own = new Map()));
  const {queryLength: _rows, keyLength: _keys, queryOffset: _offset, ...sizes} = problem;
  const key = `${product} ${identity(host.limits)} ${keyOf(sizes)} ${keyOf(features)}`;
  let found = own.get(key);
  if (found === undefined) {
    const plan = scorePlan(product, acsr, problem, host.limits);
    found = plan && {...generateScoreTiles(plan, features), predictedMs: plan.predictedMs, cure: CURE};
    own.set(key, found);
  }
  return found;
}

const CURE = 'Split the batch or the heads over several calls.';

interface TileAttrs {
  readonly runnable: Runnable;
  readonly output: 'packed' | 'output';
  readonly shape: number[];
  readonly call: CallParams;
}

const kernelFunc: tf.KernelFunc = ({inputs, backend, attrs}) => {
  const own: object = attrs!;
  const {runnable, output, shape, call} = own as TileAttrs;
  return run(Host.of(backend as tf.KernelBackend)!, resident(runnable), {tensors: inputs, shapes: {[output]: shape}, call})[0]!;
};

function productOf<T extends Tensor>(
  tensors: Record<string, Tensor>,
  attrs: TileAttrs & {readonly runnable: Runnable & {readonly predictedMs: number}},
): TileProduct<T> {
  return {
    predictedMs: attrs.runnable.predictedMs,
    run: () => {
      const backendName = tf.getBackend();
      if (tf.getKernel(NAME, backendName) == null) tf.registerKernel({kernelName: NAME, backendName, kernelFunc});
      const given: object = attrs;
      return tf.engine().runKernel(NAME, tensors, given as tf.NamedAttrMap);
    },
  };
}

/** Where all heads of all sequences have the same rows. */
const onlyRows = ({rows}: Lines): Acsr | null => (rows.length === 1 ? rows[0]! : null);

/** Scores of pairs by their products, [batch, heads, nnz]; null where tiles do not suit. */
export function tileSddmm(
  {query, key, value: _keys, ...terms}: HeadedInputs,
  {lines, scale, queryOffset, layout: _layout, ...numbers}: Omit<DenseOptions, 'lines'> & {readonly lines: Lines},
): TileProduct<Tensor3D> | null {
  const host = Host.of(tf.backend());
  const acsr = onlyRows(lines);
  if (host === null || acsr === null) return null;
  const [batch, heads, queryLength, headDim] = query.shape;
  const [, keyHeads, keyLength] = key.shape;
  const problem = {batch, heads, keyHeads, queryLength, keyLength, queryOffset, headDim, valueDim: headDim, packedHeads: 1};
  const features = featuresOf(terms, numbers, scale);
  const runnable = planned(host, 'sddmm', acsr, problem, features);
  if (runnable === null) return null;
  const call = callParams({query, key, ...terms}, {...numbers, scale});
  return productOf<Tensor3D>(
    {query, key, ...terms},
    {runnable, output: 'packed', shape: [batch, heads, acsr.nnz], call},
  );
}

/** Weights times values [batch, valueHeads, length, dim], or transposed weights: [batch, heads, rows, dim]; null where tiles do not suit. */
export function tileSpmm(
  {lines, sizes}: ScoreTable,
  packed: Tensor3D,
  value: Tensor4D,
  isTransposed: boolean,
): TileProduct<Tensor4D> | null {
  const host = Host.of(tf.backend());
  const acsr = onlyRows(lines);
  if (host === null || acsr === null) return null;
  const {batch, heads, queryLength, keyLength} = sizes;
  const [, keyHeads, , dim] = value.shape;
  const problem = {...sizes, keyHeads, headDim: dim, valueDim: dim, packedHeads: 1};
  const runnable = planned(host, isTransposed ? 'transposed' : 'spmm', acsr, problem, PLAIN);
  if (runnable === null) return null;
  const shape = [batch, heads, isTransposed ? keyLength : queryLength, dim];
  return productOf<Tensor4D>({packed, value}, {runnable, output: 'output', shape, call: {scale: 1}});
}
