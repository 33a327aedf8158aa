/**
 * Keras's attention layers for layers models, each with a pattern, and its Dense with blocks left out.
 *
 * @module
 */
export {MultiHeadAttention, type MultiHeadAttentionArgs} from './multi_head_attention.js';
export {GroupedQueryAttention, type GroupedQueryAttentionArgs} from './grouped_query_attention.js';
export {BlockSparseDense, type BlockSparseDenseArgs} from './block_sparse_dense.js';
export type {AttentionLayerArgs, PatternArgument, WeightArgs} from './arguments.js';
export type {HeadSizes} from './attention_layer.js';
export type {AttentionCallArgs} from './call_arguments.js';
export {kerasIOHandler} from './keras_io_handler.js';
export {replaceAttention, type AttentionReport} from './replace_attention.js';
