/**
 * Sparse attention for TensorFlow.js: the op, patterns, plans, a key-value cache, and the swap in graph models.
 *
 * @module
 */
export {
  sparseAttention,
  type SparseAttentionOptions,
  type NumberArray,
  type SegmentIds,
  sparseAttentionWithAux,
  type AttentionWithAux,
  type AttentionInput,
  type AttentionOf,
  type Attends,
  type RankBelow,
  type RankOf,
  mergeAttention,
  KvCache,
  type KvCacheOptions,
  type KvAttendOptions,
  relativePositionBias,
  type RelativePositionOptions,
  prepare,
  type PrepareShape,
  type ScoreOption,
  applyTuning,
  tune,
  type TuneReport,
  type Tuning,
  patternFromMask,
  currentDevice,
  createWebGPUBackend,
  type WebGPUBackendOptions,
  type BackendReport,
  type DeviceLoss,
} from './runtime/index.js';
export {
  Pattern,
  type PatternJSON,
  type PatternNode,
  type Lengths,
  type PatternShape,
  type SizeList,
  type MaskEntries,
  type MaskShape,
  full,
  causal,
  slidingWindow,
  strided,
  blockLocal,
  globalTokens,
  prefix,
  documents,
  fromMask,
  perHead,
  perBatch,
  parsePattern,
  patternFromJSON,
} from './pattern/index.js';
export {equals, type Equality} from './acsr/index.js';
export {planAttention, type AttentionPlan, type AttentionShape, type HeadOfBatch} from './plan_attention.js';
export type {Device, Gpu, Implementation, Kinds, MatrixConfig, Pass, Precision, Problem, TileShape} from './plan/index.js';
export type {Layout} from './wgsl/index.js';
export {
  sparseIOHandler,
  loadGraphModel,
  rewriteGraphModel,
  type SparseIOHandler,
  type SparseIOHandlerSync,
  type SwapOptions,
  type SwapReport,
  type ReplacedAttention,
  type LeftAttention,
  type SwappedGraphModel,
  type RewrittenGraphModel,
} from './model/index.js';
export {SplatError} from './support/index.js';
