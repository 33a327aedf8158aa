/**
 * `import 'tfjs-splat/register'` makes the op known to TensorFlow.js and exports nothing: for pages that only load a swapped graph model
 * that was saved. Whatever computes in `tfjs-splat` does the same when it is imported; a bare `import 'tfjs-splat'` would, too, but bundlers
 * drop it, because who imports a pattern alone must not pay for the kernels.
 *
 * ```js
 * import 'tfjs-splat/register';
 * const model = await tf.loadGraphModel('indexeddb://sparse-bert');
 * ```
 *
 * @module
 */
import {registerGraphOp} from './model/index.js';
import {register} from './runtime/index.js';

register();
registerGraphOp();
