/** The script-tag bundle: after tf.min.js, `tf.sparseAttention` is the op and `tf.splat` holds everything else. */
export * as splat from './index.js';
