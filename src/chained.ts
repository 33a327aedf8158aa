/**
 * `import 'tfjs-splat/chained'` adds `query.sparseAttention(key, value, pattern)` to tensors, and `layerNorm`, `rmsNorm`, `gelu` and `silu`,
 * as TensorFlow.js adds its own chained ops.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs-core';
import type {Rank, Tensor} from '@tensorflow/tfjs-core';
import {
  gelu,
  layerNorm,
  rmsNorm,
  silu,
  sparseAttention,
  type AttentionInput,
  type AttentionOf,
  type Attends,
  type GeluOptions,
  type NormOptions,
  type NumberArray,
  type Pattern,
  type SparseAttentionOptions,
} from './index.js';

declare module '@tensorflow/tfjs-core/dist/tensor' {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- merged interfaces have the same parameters
  interface Tensor<R extends Rank = Rank> {
    /**
     * `sparseAttention(query, key, value, pattern, options)` with this tensor as the query.
     *
     * ```js
     * import 'tfjs-splat/chained';
     * const output = query.sparseAttention(key, value, causal()); // query, output [batch, heads, queryLength, headDim]
     * ```
     *
     * @throws SplatError as `sparseAttention` does.
     */
    sparseAttention<T extends Tensor, K extends AttentionInput, V extends AttentionInput>(
      this: T & Attends<T>,
      key: K & Attends<K, T>,
      value: V & Attends<V, T>,
      pattern: Pattern | Tensor,
      options?: SparseAttentionOptions,
    ): AttentionOf<T>;

    /**
     * `layerNorm(x, gamma, beta, options)` of this tensor.
     *
     * ```js
     * const output = x.layerNorm(gamma, beta, {epsilon: 1e-12}); // x, output [.., width]
     * ```
     *
     * @throws SplatError as `layerNorm` does.
     */
    layerNorm<T extends Tensor>(
      this: T,
      gamma?: Tensor | NumberArray | null,
      beta?: Tensor | NumberArray | null,
      options?: NormOptions,
    ): T;

    /**
     * `rmsNorm(x, gamma, options)` of this tensor.
     *
     * ```js
     * const output = x.rmsNorm(gamma); // x, output [.., width]
     * ```
     *
     * @throws SplatError as `rmsNorm` does.
     */
    rmsNorm<T extends Tensor>(this: T, gamma?: Tensor | NumberArray | null, options?: NormOptions): T;

    /**
     * `gelu(x, options)` of this tensor.
     *
     * ```js
     * const output = x.gelu({approximate: 'tanh'});
     * ```
     *
     * @throws SplatError as `gelu` does.
     */
    gelu<T extends Tensor>(this: T, options?: GeluOptions): T;

    /**
     * `silu(x)` of this tensor.
     *
     * ```js
     * const output = x.silu();
     * ```
     *
     * @throws SplatError as `silu` does.
     */
    silu<T extends Tensor>(this: T): T;
  }
}

/** What takes the tensor as its first argument. */
const CHAINED = {layerNorm, rmsNorm, gelu, silu} as const;

function attend(
  this: Tensor,
  key: AttentionInput,
  value: AttentionInput,
  pattern: Pattern | Tensor,
  options?: SparseAttentionOptions,
): Tensor {
  return sparseAttention(this, key as Tensor, value as Tensor, pattern, options);
}

/**
 * The classes that tensors are of. Where a page holds two copies of tfjs-core, both make tensors of the class of the first, which stands
 * in a global map (`getGlobalTensorClass`, which the package does not export; checked against 4.22.0); variables extend that of their copy.
 */
function tensorClasses(): Set<{prototype: Tensor}> {
  const {_tfGlobals} = globalThis as {_tfGlobals?: Map<string, unknown>};
  return new Set([tf.Tensor, (_tfGlobals?.get('Tensor') ?? tf.Tensor) as typeof tf.Tensor]);
}

for (const {prototype} of tensorClasses()) {
  prototype.sparseAttention = attend as Tensor['sparseAttention'];
  for (const [name, op] of Object.entries(CHAINED) as [keyof typeof CHAINED, (...given: unknown[]) => Tensor][]) {
    const method = function (this: Tensor, ...given: unknown[]): Tensor {
      return op(this, ...given);
    };
    Object.assign(prototype, {[name]: method});
  }
}
