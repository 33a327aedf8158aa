import {serialization} from '@tensorflow/tfjs-core';
import {refuse, type NamesOf} from '../support/index.js';
import {checkCount, checkNames, sayArgument, type AttentionLayerArgs} from './arguments.js';
import {AttentionLayer} from './attention_layer.js';

/** Keras's arguments in camelCase, and `pattern`. */
export interface MultiHeadAttentionArgs extends AttentionLayerArgs {
  numHeads: number;
  /** Features of a head in query and key. */
  keyDim: number;
  /** Features of a head in value. Default keyDim. */
  valueDim?: number | null | undefined;
  /** Shape of an output token. Default: that of a query token. */
  outputShape?: number | readonly number[] | null | undefined;
  /** Only [1], which is the default: along the sequence. */
  attentionAxes?: number | readonly number[] | null | undefined;
}

export const MULTI_HEAD_NAMES: NamesOf<Omit<MultiHeadAttentionArgs, keyof AttentionLayerArgs>> = {
  numHeads: true,
  keyDim: true,
  valueDim: true,
  outputShape: true,
  attentionAxes: true,
};

/**
 * Keras's `MultiHeadAttention` with a sparsity pattern: the same config, weights and numbers, computed by `sparseAttention`.
 *
 * It is applied to query [batch, queryLength, features], to [query, value], to [query, value, key], or, with a mask for all pairs, to
 * [query, value, key, attentionMask]; a value or key that is left out is the tensor before it. The second argument of `apply` is
 * `AttentionCallArgs`: attentionMask, useCausalMask, training. In a functional model its useCausalMask becomes the layer's default
 * for calls that do not say it. Masks of Embedding and Masking are used as in Keras, where TensorFlow.js hands them on (its merging layers
 * know the mask of their first input alone, a model inside a model knows none): a query attends where they, the attention mask, the
 * causal mask and the pattern all allow it. A query to which Keras's masks leave no key gets the mean of all values, as in Keras; one to
 * which only the pattern leaves none gets zeros before the output projection.
 *
 * Weights, in this order: query/kernel [features, numHeads, keyDim], query/bias [numHeads, keyDim], key/kernel, key/bias, value/kernel
 * [features, numHeads, valueDim], value/bias, attention_output/kernel [numHeads, valueDim, …outputShape], attention_output/bias.
 *
 * By hand, for tokens (1, 0) and (0, 1), one head, keyDim 1, no biases, kernels query (1, 0), key (0, 1), value (2, 4) and output
 * (1, 10): the queries are 1 and 0, the keys 0 and 1, the values 2 and 4. Token 0 weighs the values by softmax(0, 1) = 0.268941,
 * 0.731059 and gets 3.462117, that is (3.462117, 34.62117); token 1 weighs both alike and gets (3, 30). With useCausalMask token 0
 * sees itself alone: (2, 20).
 *
 * @throws SplatError when an argument is unknown or out of range, when inputs do not fit each other, and for scores on request: the
 *   probabilities are never there as a whole.
 *
 * @example
 * const layer = new MultiHeadAttention({numHeads: 8, keyDim: 64, pattern: slidingWindow({left: 128, right: 128})});
 * const tokens = tf.input({shape: [null, 512]});
 * const model = tf.model({inputs: tokens, outputs: layer.apply(tokens, {useCausalMask: true})}); // [null, null, 512]
 */
export class MultiHeadAttention extends AttentionLayer {
  static readonly className: string = 'MultiHeadAttention';

  constructor(args: MultiHeadAttentionArgs) {
    const given = checkNames('MultiHeadAttention', args, MULTI_HEAD_NAMES);
    checkAxes(given.attentionAxes);
    const heads = checkCount('MultiHeadAttention.numHeads', given.numHeads);
    const keyDim = checkCount('MultiHeadAttention.keyDim', given.keyDim);
    const valueDim = checkCount('MultiHeadAttention.valueDim', given.valueDim ?? keyDim);
    super(given, {heads, keyHeads: heads, keyDim, valueDim, outputShape: checkOutputShape(given.outputShape)});
  }

  /** The arguments, the pattern as its text. */
  override getConfig(): serialization.ConfigDict {
    const {heads: numHeads, keyDim, valueDim, outputShape} = this.sizes;
    return {...super.getConfig(), numHeads, keyDim, valueDim, outputShape: outputShape && [...outputShape], attentionAxes: [1]};
  }
}
serialization.registerClass(MultiHeadAttention);

/** −2 counts from the end of [batch, length, features]. */
function checkAxes(axes: unknown): void {
  const [axis, ...others] = [axes ?? 1].flat();
  if ((axis === 1 || axis === -2) && others.length === 0) return;
  const cure = 'Reshape the input to [batch, length, features] before the layer; neighbourhoods of images are a pattern.';
  refuse('MultiHeadAttention.attentionAxes', sayArgument(axes), '[1], along the sequence', cure);
}

function checkOutputShape(shape: unknown): readonly number[] | null {
  // Keras takes an empty one for none, too.
  const sizes = [shape ?? []].flat().map((size) => checkCount('MultiHeadAttention.outputShape', size));
  return sizes.length === 0 ? null : sizes;
}
