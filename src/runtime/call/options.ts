import type {Tensor, TensorLike} from '@tensorflow/tfjs-core';
import type {Layout} from '../../pure.js';

/** What `sparseAttention` takes beside its tensors; all of it may be left out. */
export interface SparseAttentionOptions {
  /** Factor of query·key. Default 1/√headDim. */
  readonly scale?: number | null | undefined;
  /** Position of query 0 among the keys. Default keyLength − queryLength: the last query aligns with the last key. A mask ignores it. */
  readonly queryOffset?: number | null | undefined;
  /** float32, broadcastable to [batch, heads, queryLength, keyLength]; added to the scaled scores. −Infinity excludes a key. */
  readonly bias?: Tensor | NumberArray | null | undefined;
  /**
   * `fused` computes only the tiles that the pattern touches (WebGPU only), `dense` all of them. Default `auto`: on WebGPU the one
   * predicted to be faster, elsewhere dense. All give the same result.
   */
  readonly implementation?: 'auto' | 'fused' | 'dense' | null | undefined;
  /**
   * `float16` rounds query, key and value to float16 for the kernel to read (WebGPU only): half the memory traffic, and tensor cores
   * where `createWebGPUBackend({tensorCores: true})` found them. Scores, softmax and sums stay float32, and so do inputs and output;
   * finite inputs past ±65504 count as that. Gradients are those of the rounded tensors. Past 256 features they are rounded alike, and
   * read as float32. Default `float32`.
   */
  readonly precision?: Precision | null | undefined;
  /** `bhld` (default): [batch, heads, length, dim]; `blhd`: [batch, length, heads, dim], as most models have it before their transpose. */
  readonly layout?: Layout | null | undefined;
  /**
   * int32 [batch]: sequence b has keys 0 ≤ key < keyLengths[b]; those after are padding, which nobody attends to. In an array, numbers
   * below 0 or above keyLength are refused; a tensor is not read back, so there they count as 0 and as keyLength.
   */
  readonly keyLengths?: Tensor | NumberArray | null | undefined;
  /** int32 {query: [batch, queryLength], key: [batch, keyLength]}: pairs attend only where their numbers are equal. */
  readonly segmentIds?: SegmentIds | null | undefined;
  /** float32 [heads]: ALiBi (arXiv 2108.12409), adds −slope · |p − key|, where p = query + queryOffset. */
  readonly alibiSlopes?: Tensor | NumberArray | null | undefined;
  /** float32 [heads or 1, queryLength + keyLength − 1]: entry key − query + queryLength − 1 is added. See `relativePositionBias` for T5. */
  readonly relativeBias?: Tensor | NumberArray | null | undefined;
  /** Scaled products become softcap · tanh(product / softcap), before any bias. A positive number. */
  readonly softcap?: number | null | undefined;
  /** float32 [heads]: logits that join the sum of the softmax and carry no value. */
  readonly sinks?: Tensor | NumberArray | null | undefined;
  /** The share of probabilities that is dropped, 0 ≤ dropout < 1; the others are scaled by 1/(1 − dropout). Default 0. */
  readonly dropout?: number | null | undefined;
  /** A whole number from 0 to 2³² − 1 that decides what is dropped. Default: a new one for every call. */
  readonly seed?: number | null | undefined;
}

/**
 * Numbers that are no tensor yet, in nested or typed arrays. A BigInt counts as the number it is, if 32 bits hold it; rows of different
 * lengths, gaps and everything that is no number are refused.
 */
export type NumberArray = TensorLike | BigInt64Array | BigUint64Array | readonly (bigint | NumberArray)[];

/** A number for each query and each key, int32 [batch, length]: a query attends to keys of its own number. */
export interface SegmentIds {
  readonly query: Tensor | NumberArray;
  readonly key: Tensor | NumberArray;
}

/** How a kernel reads query, key and value. */
export type Precision = 'float32' | 'float16';
