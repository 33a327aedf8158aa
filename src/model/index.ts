import {registerGraphOp} from './op.js';

export {sparseIOHandler, type SparseIOHandler, type SparseIOHandlerSync} from './io_handler.js';
export {loadGraphModel, rewriteGraphModel, type RewrittenGraphModel, type SwappedGraphModel} from './load.js';
export type {SwapOptions} from './options.js';
export type {LeftAttention, ReplacedAttention, SwapReport} from './report.js';

export {registerGraphOp};

registerGraphOp();
