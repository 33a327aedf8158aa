import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D, Tensor4D} from '@tensorflow/tfjs-core';
import {readOptions, type NamesOf} from '../../support/index.js';
import {Pattern, refusePattern} from '../../pure.js';
import type {AttentionInput} from '../call/call_types.js';
import {compressedLines} from '../call/cache.js';
import {checkCall, optionNames, OPTION_WORDS, type Call} from '../call/check.js';
import {firstOrder} from '../call/first_order.js';
import {withGradient} from '../call/with_gradient.js';
import type {SparseAttentionOptions} from '../call/options.js';
import type {GradientName} from '../tf_ops/chunk_sums.js';
import {fromHeads, leastScore, toHeads} from '../tf_ops/dense.js';
import type {DenseOptions, HeadedInputs} from '../terms/part.js';
import {featuresOf, isIntegerRole} from '../terms/terms.js';
import {checkTensorFits} from './check.js';
import {chooses, gradientsInKernels, hidesPairs, weighsInOne} from './choose.js';
import {nnzOf} from './packing.js';
import {packedScores, scoreGradients} from './score_math.js';
import {rowScoreGradients, rowScores, rowSoftmaxGradients, rowWeights} from './score_kernels.js';
import {sinksOf, sparseSoftmax} from './sparse_softmax.js';
import {SparseScores, type ScoreTable} from './sparse_scores.js';

/** What `sddmm` takes of the options of `sparseAttention`: all that makes scores. */
export type SddmmOptions = Omit<SparseAttentionOptions, 'implementation' | 'precision' | 'sinks' | 'dropout' | 'seed'>;

/** The same, and what the softmax takes. */
export type AttentionWeightsOptions = SddmmOptions & Pick<SparseAttentionOptions, 'sinks'>;

const NOT_OF_SCORES = ['implementation', 'precision', 'sinks', 'dropout', 'seed'] as const;

/**
 * The scores of the pairs that a pattern lets attend, and of no others: `scale · query·keyᵀ + bias`, packed. (Sampled dense-dense matrix
 * product; the first of the three kernels of SPLAT, arXiv 2407.16847.)
 *
 * Pairs that `keyLengths` or `segmentIds` hide are −∞. Differentiable in query, key, biases and slopes.
 *
 * ```js
 * const scores = sddmm(query, key, slidingWindow({left: 128})); // of [1, 8, 1024, 64] twice
 * const output = spmm(sparseSoftmax(scores), value); // [1, 8, 1024, 64], as sparseAttention gives it
 * ```
 *
 * @param query float32 [batch, heads, queryLength, headDim], or [batch, queryLength, headDim] for one head.
 * @param key float32 [batch, keyHeads, keyLength, headDim], of the same rank; keyHeads divides heads.
 * @param options Those of `sparseAttention` that make scores.
 * @throws SplatError before any GPU work when an argument is not as described, or the device cannot hold the scores.
 */
export function sddmm<Q extends AttentionInput, K extends AttentionInput>(
  query: Q,
  key: K,
  pattern: Pattern,
  options: SddmmOptions = {},
): SparseScores {
  const {table, operands, scores, gradients, hides} = scoreCall(checkedCall(query, key, pattern, options));
  const values = withGradient<Tensor3D>(operands, scores, (dValues, saved, found) =>
    firstOrder('sddmm', [dValues, ...saved], () => {
      // Nothing comes back for hidden pairs.
      const isHidden = hides ? tf.lessEqual(found, leastScore()) : null;
      return gradients(saved, isHidden === null ? dValues : tf.where(isHidden, tf.zerosLike(dValues), dValues));
    }),
  );
  return new SparseScores(table, values);
}

function checkedCall(query: AttentionInput, key: AttentionInput, pattern: Pattern, options: SddmmOptions): Call {
  const names = Object.fromEntries(
    Object.entries(optionNames()).filter(([name]) => !(NOT_OF_SCORES as readonly string[]).includes(name)),
  ) as NamesOf<SddmmOptions>;
  const given = readOptions(options, names, OPTION_WORDS);
  if (!(pattern instanceof Pattern)) refusePattern('pattern', pattern, 'a Pattern');
  // Nothing reads values here; keys in their place are as long as keys.
  return checkCall(query, key, key, pattern, given);
}

/**
 * The weights that `sparseAttention` multiplies values by: the softmax of the scores of the pairs that a pattern lets attend. To look at
 * what a model attends to, to distil it, or to make a product of one's own of it.
 *
 * ```js
 * const weights = attentionWeights(query, key, slidingWindow({left: 128}));
 * const output = spmm(weights, value); // [1, 8, 1024, 64]
 * ```
 *
 * @param options Those of `sparseAttention` that make scores, and `sinks`.
 * @throws SplatError as `sddmm` does.
 */
export function attentionWeights<Q extends AttentionInput, K extends AttentionInput>(
  query: Q,
  key: K,
  pattern: Pattern,
  options: AttentionWeightsOptions = {},
): SparseScores {
  if (typeof options !== 'object' || options === null) return sddmm(query, key, pattern, options);
  const {sinks: given, ...ofScores} = options;
  const call = scoreCall(checkedCall(query, key, pattern, ofScores));
  const {table, operands, inOne, gradients} = call;
  if (!inOne()) {
    const scores = sddmm(query, key, pattern, ofScores);
    const weights = sparseSoftmax(scores, {sinks: given});
    scores.dispose();
    return weights;
  }
  const sinks = sinksOf(given, table.sizes.heads);
  const weights = withGradient<Tensor3D>(
    [...operands, ...(sinks === null ? [] : [sinks])],
    (own) => call.weights(own.slice(0, operands.length), own[operands.length] ?? null),
    (dWeights, saved, found) =>
      firstOrder('attentionWeights', [dWeights, ...saved, found], () => {
        const [dScores, ...ofSinks] = rowSoftmaxGradients(table, found, dWeights, sinks !== null) as [Tensor3D, ...Tensor[]];
        return [...gradients(saved.slice(0, operands.length), dScores), ...ofSinks];
      }),
  );
  return new SparseScores(table, weights);
}

/** A call that makes scores. */
interface ScoreCall {
  readonly table: ScoreTable;
  /** What has a derivative. */
  readonly operands: readonly Tensor[];
  /** Whether `weights` computes them by one kernel. */
  readonly inOne: () => boolean;
  readonly scores: (operands: readonly Tensor[]) => Tensor3D;
  readonly weights: (operands: readonly Tensor[], sinks: Tensor | null) => Tensor3D;
  /** Of the operands, given those of the scores, which are 0 where a pair is hidden. */
  readonly gradients: (operands: readonly Tensor[], dScores: Tensor3D) => Tensor[];
  /** Some pairs of the pattern may be hidden. */
  readonly hides: boolean;
}

function scoreCall({query, key, pattern, scoring, layout, problem}: Call): ScoreCall {
  const {tensors, numbers, scale} = scoring;
  const {batch, heads, queryLength, keyLength, queryOffset} = problem;
  const lines = compressedLines(pattern!, problem);
  const table: ScoreTable = {pattern: pattern!, lines, sizes: {batch, heads, queryLength, keyLength, queryOffset}};
  checkTensorFits(
    'scores',
    [batch, heads, nnzOf(lines)],
    'Split the batch or the heads over several calls, or use sparseAttention, which stores none.',
  );
  const options: DenseOptions & {readonly lines: typeof lines} = {...numbers, lines, scale, queryOffset, layout};
  // What has no derivative is no operand.
  const integers = Object.fromEntries(Object.entries(tensors).filter(([role]) => isIntegerRole(role)));
  const operands: Record<string, Tensor> = {query, key};
  for (const [role, tensor] of Object.entries(tensors)) if (!isIntegerRole(role)) operands[role] = tensor;
  const names = Object.keys(operands);
  const byName = (given: readonly Tensor[]): Record<'query' | 'key', Tensor> =>
    Object.fromEntries(names.map((name, i) => [name, given[i]!])) as Record<'query' | 'key', Tensor>;
  const headed = (given: readonly Tensor[]): HeadedInputs => {
    const named = byName(given);
    return toHeads({...integers, ...named, value: named.key}, layout);
  };
  const features = featuresOf(tensors, numbers, scale);
  return {
    table,
    operands: Object.values(operands),
    inOne: () => weighsInOne(table, key, layout),
    scores: (given) =>
      chooses(table, {product: 'sddmm', x: key, layout}) === 'kernels'
        ? rowScores(table, {...integers, ...byName(given)}, {...numbers, scale, layout}, problem)
        : packedScores(headed(given), options),
    weights: (given, sinks) => rowWeights(table, {...integers, ...byName(given)}, {...numbers, scale, layout}, problem, sinks),
    gradients: (saved, dScores) => {
      const products = [
        {product: 'spmm', x: key, layout},
        {product: 'transposed', x: query, layout},
      ] as const;
      if (gradientsInKernels(features) && chooses(table, ...products) === 'kernels') {
        const found = rowScoreGradients(table, byName(saved), dScores, {layout, scale});
        return names.map((name) => found[name as 'query' | 'key']);
      }
      const found = scoreGradients(headed(saved), options, dScores);
      return names.map((name) => {
        const gradient = found[name as GradientName]!;
        return name === 'query' || name === 'key' ? fromHeads(gradient as Tensor4D, layout, query.rank) : gradient;
      });
    },
    hides: hidesPairs(features),
  };
}
