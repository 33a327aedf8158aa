import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D} from '@tensorflow/tfjs-core';
import {keyOf} from '../../support/index.js';
import {
  generateScoreTiles,
  scorePlan,
  type Acsr,
  type CallParams,
  type Layout,
  type Problem,
  type ScorePlan,
  type ScoreProduct,
  type ScoreTileOptions,
} from '../../pure.js';
import {Host} from '../host/backend.js';
import {identity} from '../host/identity.js';
import type {Runnable} from '../launch/fits.js';
import {callParams, type CallNumbers} from '../launch/launch.js';
import {resident} from '../launch/resident.js';
import {run} from '../launch/run.js';
import type {DenseInputs} from '../terms/part.js';
import {featuresOf} from '../terms/terms.js';
import type {ScoreTable} from './sparse_scores.js';

/*
 * Products of packed numbers over the tiles of a pattern, where its rows are alike in all heads and tiles are predicted to be faster than going row by
 * row. Null elsewhere.
 */

const NAME = 'SplatPackedTiles';
const CURE = 'Split the batch or the heads over several calls.';

/** A plan, and what runs of it. */
interface Planned {
  readonly plan: ScorePlan;
  readonly runs: Map<string, Runnable>;
}

/** By the rows of a pattern; null where tiles do not suit. */
const known = new WeakMap<Acsr, Map<string, Planned | null>>();

function planned(host: Host, product: ScoreProduct, acsr: Acsr, problem: Problem): Planned | null {
  let own = known.get(acsr);
  if (own === undefined) known.set(acsr, (own = new Map()));
  const key = `${product} ${identity(host.limits)} ${keyOf(problem)}`;
  let found = own.get(key);
  if (found === undefined) {
    const plan = scorePlan(product, acsr, problem, host.limits);
    found = plan !== null && plan.choice === 'tiles' ? {plan, runs: new Map<string, Runnable>()} : null;
    own.set(key, found);
  }
  return found;
}

interface Attrs {
  readonly runnable: Runnable;
  readonly shape: number[];
  readonly call: CallParams;
}

const kernelFunc: tf.KernelFunc = ({inputs, backend, attrs}) => {
  const given: object = attrs!;
  const {runnable, shape, call} = given as Attrs;
  return run(Host.of(backend as tf.KernelBackend)!, resident(runnable), {tensors: inputs, shapes: {output: shape}, call})[0]!;
};

function runTiles(tensors: Record<string, Tensor>, attrs: Attrs): Tensor {
  const backendName = tf.getBackend();
  if (tf.getKernel(NAME, backendName) == null) tf.registerKernel({kernelName: NAME, backendName, kernelFunc});
  const given: object = attrs;
  return tf.engine().runKernel(NAME, tensors, given as tf.NamedAttrMap);
}

/** A product over a table: of pairs, or of numbers and x. */
export interface TileProduct {
  readonly product: ScoreProduct;
  /** The keys, or x, in the layout and of rank 4, or of rank 3 where there is one head. */
  readonly x: Tensor;
  readonly layout: Layout | undefined;
}

/** Whether tiles suit a product. */
export const tilesSuit = (table: ScoreTable, of: TileProduct): boolean => plannedOf(table, of) !== null;

function runnableOf(table: ScoreTable, product: TileProduct, options: ScoreTileOptions): Runnable | null {
  const found = plannedOf(table, product);
  if (found === null) return null;
  const {plan, runs} = found;
  const key = keyOf(options);
  return runs.get(key) ?? runs.set(key, {...generateScoreTiles(plan, options), cure: CURE}).get(key)!;
}

function plannedOf(table: ScoreTable, {product, x, layout = 'bhld'}: TileProduct): Planned | null {
  const host = Host.of(tf.backend());
  const acsr = onlyRows(table);
  if (host === null || acsr === null || x.size === 0) return null;
  const keyHeads = x.rank === 4 ? x.shape[layout === 'bhld' ? 1 : 2]! : 1;
  const headDim = x.shape.at(-1)!;
  const problem = {...table.sizes, keyHeads, headDim, valueDim: headDim, packedHeads: 1};
  return planned(host, product, acsr, problem);
}

/** Where all heads of all sequences have the same rows. */
const onlyRows = ({lines: {rows}}: ScoreTable): Acsr | null => (rows.length === 1 ? rows[0]! : null);

/** Scores of the pairs that attend, −∞ where lengths, segments or a bias hide one: [batch, heads, nnz]. `key` may have fewer heads. */
export function tileScores(
  table: ScoreTable,
  {query, key, mask: _mask, ...terms}: Omit<DenseInputs, 'value'>,
  numbers: CallNumbers,
): Tensor3D | null {
  const features = featuresOf(terms, numbers, numbers.scale);
  const runnable = runnableOf(table, {product: 'sddmm', x: key, layout: numbers.layout}, {features});
  if (runnable === null) return null;
  const {batch, heads} = table.sizes;
  const tensors = {query, key, ...terms};
  return runTiles(tensors, {runnable, shape: [batch, heads, onlyRows(table)!.nnz], call: callParams(tensors, numbers)}) as Tensor3D;
}

/** How a product reads x and writes its output. */
interface TileCall {
  readonly layout: Layout;
  /** Rows of the output are keys. */
  readonly transposed: boolean;
  /** Of the output. */
  readonly scale: number;
  /** Some numbers are 0 whatever x holds there, which then counts as 0 where it is not finite. */
  readonly zeroHides: boolean;
}

/** Numbers times rows of x [batch, xHeads, length, dim], in the layout and of rank 4, or of rank 3 where there is one head. */
export function tileProduct(
  table: ScoreTable,
  values: Tensor3D,
  x: Tensor,
  {layout, transposed, scale, zeroHides}: TileCall,
): Tensor | null {
  const product = transposed ? 'transposed' : 'spmm';
  const runnable = runnableOf(table, {product, x, layout}, {finite: zeroHides});
  if (runnable === null) return null;
  const {batch, heads, queryLength, keyLength} = table.sizes;
  const [rows, dim] = [transposed ? keyLength : queryLength, x.shape.at(-1)!];
  const shape =
    x.rank === 3 && heads === 1 ? [batch, rows, dim] : layout === 'bhld' ? [batch, heads, rows, dim] : [batch, rows, heads, dim];
  return runTiles({values, x}, {runnable, shape, call: {scale, layout}});
}
