export {
  sparseAttention,
  type SparseAttentionOptions,
  type SegmentIds,
  sparseAttentionWithAux,
  type AttentionWithAux,
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
  createWebGPUBackend,
  type WebGPUBackendOptions,
  type BackendReport,
  type DeviceLoss,
} from './runtime/index.js';
export {
  Pattern,
  type PatternJSON,
  type PatternNode,
  type PatternShape,
  full,
  causal,
  slidingWindow,
  strided,
  blockLocal,
  globalTokens,
  prefix,
  documents,
  fromMask,
  parsePattern,
  patternFromJSON,
} from './pattern/index.js';
export {equals} from './acsr/index.js';
export {planAttention, type AttentionPlan} from './plan_attention.js';
export type {AttentionShape, Device, Implementation, MatrixConfig} from './compile.js';
export {
  sparseIOHandler,
  type SparseIOHandler,
  type SparseIOHandlerSync,
  type SparseIOOptions,
  type SwapReport,
} from './model/index.js';
export {SplatError} from './support/index.js';
