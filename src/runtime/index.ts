import './register.js';

export {sparseAttention, sparseAttentionWithAux, type AttentionWithAux} from './attention.js';
export type {AttentionInput, AttentionOf, Attends, RankBelow, RankOf} from './call_types.js';
export {mergeAttention} from './merge.js';
export {KvCache} from './kv_cache.js';
export type {KvAttendOptions, KvCacheOptions} from './kv_check.js';
export {relativePositionBias, type RelativePositionOptions} from './relative_bias.js';
export type {NumberArray, Precision, SegmentIds, SparseAttentionOptions} from './options.js';
export {prepare, type PrepareShape, type ScoreOption} from './prepare.js';
export {applyTuning, tune, type TuneReport, type Tuning} from './tune.js';
export {currentDevice} from './current_device.js';
export {patternFromMask} from './pattern_from_mask.js';
export {createWebGPUBackend, type BackendReport, type DeviceLoss, type WebGPUBackendOptions} from './create_backend.js';
