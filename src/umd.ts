/** The script-tag bundle adds to the global `tf`: `tf.sparseAttention` is the op, `tf.splat` holds everything. */
export {sparseAttention} from './index.js';
export * as splat from './index.js';
