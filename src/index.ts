export {
  sparseAttention,
  type SparseAttentionOptions,
  prepare,
  type PrepareShape,
  applyTuning,
  tune,
  type TuneReport,
  type Tuning,
  patternFromMask,
  createWebGPUBackend,
  type WebGPUBackendOptions,
  type BackendReport,
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
export {
  planAttention,
  type AttentionPlan,
  type AttentionShape,
  type Device,
  type Implementation,
  type MatrixConfig,
} from './compile.js';
export {
  sparseIOHandler,
  type SparseIOHandler,
  type SparseIOHandlerSync,
  type SparseIOOptions,
  type SwapReport,
} from './model/index.js';
export {SplatError} from './support/index.js';
