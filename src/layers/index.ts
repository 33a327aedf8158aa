/**
 * Keras's attention layers for layers models, each with a pattern.
 *
 * @module
 */
export {MultiHeadAttention, type MultiHeadAttentionArgs} from './multi_head_attention.js';
export {GroupedQueryAttention, type GroupedQueryAttentionArgs} from './grouped_query_attention.js';
export type {AttentionLayerArgs, PatternArgument} from './arguments.js';
export type {HeadSizes} from './attention_layer.js';
export type {AttentionCallArgs} from './call_arguments.js';
export {kerasIOHandler} from './keras_io_handler.js';
export {replaceAttention, type AttentionReport} from './replace_attention.js';
