import type {Tensor, Tensor3D} from '@tensorflow/tfjs-core';
import {readOptions, refuse, type NamesOf, type OptionWords} from '../../support/index.js';
import {firstOrder} from '../call/first_order.js';
import {withGradient} from '../call/with_gradient.js';
import {floats} from '../given/arguments.js';
import type {NumberArray} from '../given/number_array.js';
import {shapedPerHead} from '../terms/shaped.js';
import {checkScores} from './check.js';
import {choosesRows} from './choose.js';
import {rowSoftmax, rowSoftmaxGradients} from './score_kernels.js';
import {packedSoftmax, softmaxGradients} from './score_math.js';
import {SparseScores, tableOf} from './sparse_scores.js';

/** Of `sparseSoftmax`. */
export interface SparseSoftmaxOptions {
  /** float32 [heads]: logits that join the sum of the softmax and get no weight of their own. */
  readonly sinks?: Tensor | NumberArray | null | undefined;
}

const NAMES: NamesOf<SparseSoftmaxOptions> = {sinks: true};
const WORDS: OptionWords = {
  all: 'options',
  expected: 'an object such as {sinks: tf.zeros([heads])}',
  cure: 'Leave it out for the defaults.',
  one: (name) => `option ${name}`,
};

/**
 * The softmax of each row over its pairs alone. Rows without pairs have no numbers, and rows whose pairs are all −∞ get zeros.
 * (The second of the three kernels of SPLAT, arXiv 2407.16847.) Differentiable in scores and sinks.
 *
 * ```js
 * const output = spmm(sparseSoftmax(sddmm(query, key, pattern)), value); // [1, 8, 1024, 64]
 * ```
 *
 * @throws SplatError when the scores are transposed, where rows are no rows any more, or an argument is not as described.
 */
export function sparseSoftmax(scores: SparseScores, options: SparseSoftmaxOptions = {}): SparseScores {
  const {sinks: given} = readOptions(options, NAMES, WORDS);
  const {values} = checkScores('scores', scores);
  const table = tableOf(scores);
  if (scores.isTransposed)
    refuse('scores', 'transposed ones', 'scores as sddmm makes them', 'Take the softmax first, and transpose the weights.');
  const sinks = sinksOf(given, table.sizes.heads);
  const weights = withGradient<Tensor3D>(
    [values, ...(sinks === null ? [] : [sinks])],
    ([own, logits]) =>
      choosesRows(table) === 'kernels'
        ? rowSoftmax(table, own as Tensor3D, logits ?? null)
        : packedSoftmax(table, own as Tensor3D, logits ?? null),
    (dWeights, _, output) =>
      firstOrder('sparseSoftmax', [dWeights, output], () => {
        if (choosesRows(table) === 'kernels') return rowSoftmaxGradients(table, output, dWeights, sinks !== null);
        const gradients = softmaxGradients(table, output, dWeights);
        return sinks === null ? [gradients.scores] : [gradients.scores, gradients.sinks];
      }),
  );
  return new SparseScores(table, weights);
}

/** Sinks as they are given, one for each head; null for none. */
export const sinksOf = (given: SparseSoftmaxOptions['sinks'], heads: number): Tensor | null =>
  given === undefined || given === null ? null : shapedPerHead('sinks', floats('sinks', given), heads);
