import './register.js';

export {sparseAttention, type SparseAttentionOptions} from './attention.js';
export {prepare, type PrepareShape} from './prepare.js';
export {patternFromMask} from './pattern_from_mask.js';
