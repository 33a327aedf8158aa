import type {Layout, Precision} from '../../pure.js';
import type {TermOptions} from '../terms/terms.js';

/** What `sparseAttention` takes beside its tensors; all of it may be left out. */
export interface SparseAttentionOptions extends TermOptions {
  /** Factor of query·key. Default 1/√headDim. */
  readonly scale?: number | null | undefined;
  /** Position of query 0 among the keys. Default keyLength − queryLength: the last query aligns with the last key. A mask ignores it. */
  readonly queryOffset?: number | null | undefined;
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
}
