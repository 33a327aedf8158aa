import {registerGraphOp} from './run/op.js';

export type {FoldKind} from './fold/fold.js';
export type {FoldReport, LeftFold} from './fold/report.js';
export {sparseIOHandler, type SparseIOHandler, type SparseIOHandlerSync} from './io_handler.js';
export {loadGraphModel, rewriteGraphModel, type RewrittenGraphModel, type SwappedGraphModel} from './load.js';
export type {SwapOptions} from './write/options.js';
export type {LeftAttention, ReplacedAttention, SwapReport} from './write/report.js';

export {registerGraphOp};

registerGraphOp();
