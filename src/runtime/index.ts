import './register.js';

export {sparseAttention} from './attention.js';
export type {SparseAttentionOptions} from './check.js';
export {prepare, type PrepareShape} from './prepare.js';
export {applyTuning, tune, type TuneReport, type Tuning} from './tune.js';
export {patternFromMask} from './pattern_from_mask.js';
export {createWebGPUBackend, type WebGPUBackendOptions, type BackendReport} from './create_backend.js';
