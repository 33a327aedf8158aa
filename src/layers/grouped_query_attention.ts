import {serialization} from '@tensorflow/tfjs-core';
import {refuse} from '../support/index.js';
import {checkCount, checkNames, type AttentionLayerArgs} from './arguments.js';
import {AttentionLayer} from './attention_layer.js';

/** Keras's arguments in camelCase, and `pattern`. */
export interface GroupedQueryAttentionArgs extends AttentionLayerArgs {
  /** Features of a head. */
  headDim: number;
  numQueryHeads: number;
  /** A divisor of numQueryHeads. */
  numKeyValueHeads: number;
}

/**
 * Keras's `GroupQueryAttention` (arXiv 2305.13245) with a sparsity pattern: as `MultiHeadAttention`, where numQueryHeads /
 * numKeyValueHeads heads of the query share a head of key and value. Keys and values are not repeated.
 *
 * Weights, in this order: query/kernel [features, numQueryHeads, headDim], query/bias [numQueryHeads, headDim], key/kernel [features,
 * numKeyValueHeads, headDim], key/bias, value/kernel, value/bias, attention_output/kernel [numQueryHeads, headDim, features],
 * attention_output/bias.
 *
 * @throws SplatError as `MultiHeadAttention`, and when the heads cannot be shared evenly.
 *
 * @example
 * const layer = new GroupedQueryAttention({headDim: 64, numQueryHeads: 8, numKeyValueHeads: 2, pattern: 'slidingWindow(left: 255)'});
 */
export class GroupedQueryAttention extends AttentionLayer {
  /** Keras writes the name under which it exports the class. */
  static readonly className: string = 'GroupQueryAttention';

  constructor(args: GroupedQueryAttentionArgs) {
    const given = checkNames('GroupedQueryAttention', args, {headDim: true, numQueryHeads: true, numKeyValueHeads: true});
    const heads = checkCount('GroupedQueryAttention.numQueryHeads', given.numQueryHeads);
    const keyHeads = checkCount('GroupedQueryAttention.numKeyValueHeads', given.numKeyValueHeads);
    if (heads % keyHeads !== 0) {
      const cure = 'Every head of keys serves the same number of query heads.';
      refuse('GroupedQueryAttention.numKeyValueHeads', String(keyHeads), `a divisor of numQueryHeads, ${heads}`, cure);
    }
    const headDim = checkCount('GroupedQueryAttention.headDim', given.headDim);
    super(given, {heads, keyHeads, keyDim: headDim, valueDim: headDim, outputShape: null});
  }

  /** The arguments, the pattern as its text. */
  override getConfig(): serialization.ConfigDict {
    const {heads: numQueryHeads, keyHeads: numKeyValueHeads, keyDim: headDim} = this.sizes;
    return {...super.getConfig(), headDim, numQueryHeads, numKeyValueHeads};
  }
}
serialization.registerClass(GroupedQueryAttention);
