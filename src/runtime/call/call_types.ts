import type {Rank, Tensor, Tensor3D, Tensor4D} from '@tensorflow/tfjs-core';
import type {NumberArray} from '../given/number_array.js';

/** What query, key and value may be. */
export type AttentionInput = Tensor | NumberArray;

/** The rank of a tensor as far as its type says it; `Rank`, which is any, for arrays and for tensors that do not. */
export type RankOf<T> = T extends Tensor<infer R> ? R : Rank;

/**
 * Nothing to add to `T` where it may stand beside a query of type `Q`: its type does not say its rank, or says 3 or 4, as that of the
 * query does. Else something that `T` lacks, whose text the compiler shows.
 */
export type Attends<T, Q = T> = [Rank] extends [RankOf<T>]
  ? unknown
  : [RankOf<T>] extends [RankOf<Q> & (Rank.R3 | Rank.R4)]
    ? unknown
    : {readonly expected: 'tensors of rank 3 or 4, the same for query, key and value'};

/** What attention gives for a query of type `Q`: a tensor of its rank. */
export type AttentionOf<Q> = Q extends Tensor<infer R> ? Tensor<R> : Q extends NumberArray ? Tensor3D | Tensor4D : never;

/** The rank of the log-sum-exp, which has no features. */
export type RankBelow<R extends Rank> = [Rank] extends [R] ? Rank : R extends Rank.R4 ? Rank.R3 : Rank.R2;
