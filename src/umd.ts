/** The script-tag bundle adds to the global `tf`: `tf.sparseAttention` is the op, `tf.splat` holds everything. */
import {registerOp} from '@tensorflow/tfjs-converter';
import * as all from './index.js';
import {extra} from './umd_extras.js';

export {sparseAttention} from './index.js';

/** Not the module itself, which is frozen: the second script puts the real ones in place of what stood for them. */
export const splat = {...all};

// A swapped model that was saved says what it needs; the second script registers the real ops.
for (const name of ['SparseAttention', 'SplatLayerNorm', 'SplatRmsNorm', 'SplatGelu', 'SplatSilu'])
  registerOp(name, extra('', `a graph model with ${name} nodes`) as Parameters<typeof registerOp>[1]);
