import type {TensorLike} from '@tensorflow/tfjs-core';

/**
 * Numbers that are no tensor yet, in nested or typed arrays. A BigInt counts as the number it is, if 32 bits hold it; rows of different
 * lengths, gaps and everything that is no number are refused.
 */
export type NumberArray = TensorLike | BigInt64Array | BigUint64Array | readonly (bigint | NumberArray)[];
