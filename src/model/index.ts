import {registerGraphOp} from './op.js';

export {sparseIOHandler, type SparseIOHandler, type SparseIOHandlerSync, type SparseIOOptions} from './io_handler.js';
export type {LeftAttention, ReplacedAttention, SwapReport} from './rewrite.js';

registerGraphOp();
