import * as tf from '@tensorflow/tfjs-core';
import {attentionWeights, spmm, type Pattern} from '../../src/index.js';
import {patternsOf} from './config.js';
import {mergeHeads, splitHeads} from './heads.js';
import type {ByteModel} from './load.js';
import {features} from './network.js';

/** What the heads of a layer look at, in compressed sparse rows. */
export interface LayerWeights {
  readonly pattern: Pattern;
  /** [heads, nnz]: pairs that attend alone. */
  readonly values: Float32Array;
  /** Pairs of a head. */
  readonly nnz: number;
  /** The pairs of byte q are `rowOffsets[q]` to `rowOffsets[q + 1]`. */
  readonly rowOffsets: Int32Array;
  /** The byte that each pair looks at. */
  readonly columns: Int32Array;
}

/**
 * Reads a text as the model does and keeps the attention weights of all layers, which `sparseAttention` would never store. The output of a
 * layer is made of these very weights (`spmm`), so what is shown is what was computed.
 *
 * @param bytes The text, at least one byte.
 */
export async function weightsOf({config, weights}: ByteModel, bytes: Uint8Array): Promise<LayerWeights[]> {
  const patterns = patternsOf(config);
  const layers: {readonly values: tf.Tensor; readonly rowOffsets: Int32Array; readonly columns: Int32Array}[] = [];
  tf.tidy(() => {
    features(weights, config, tf.tensor1d(Int32Array.from(bytes), 'int32'), (layer, projected) => {
      const [query, key, value] = splitHeads(projected, config);
      const table = attentionWeights(query, key, patterns[layer]!, {alibiSlopes: config.layers[layer]!.alibiSlopes});
      layers.push({values: tf.keep(table.values), rowOffsets: table.rowOffsets, columns: table.columns()});
      return mergeHeads(spmm(table, value) as tf.Tensor4D);
    });
  });
  const read = layers.map(async ({values, rowOffsets, columns}, layer): Promise<LayerWeights> => {
    const numbers = await values.data<'float32'>();
    values.dispose();
    return {pattern: patterns[layer]!, values: numbers, nnz: columns.length, rowOffsets, columns};
  });
  return Promise.all(read);
}
