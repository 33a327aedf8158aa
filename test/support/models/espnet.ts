import {GraphBuilder, type BuilderOptions, type BuiltModel, type Ref} from './graph_builder.js';
import * as l from './layers.js';
import type {TransformerSizes} from './bert.js';

/**
 * An ESPnet language model with baked sizes (A): no mask, the scale a Mul by a reciprocal, the key's transpose folded into the product
 * of the scores, and the merge of heads the first Reshape of the output projection. Input ids, int32 [batch, length].
 */
export function espnet(sizes: TransformerSizes, rows: readonly [number, number], options: BuilderOptions = {}): BuiltModel {
  const {layers, heads, headDim, ffn, vocabulary} = sizes;
  const hidden = heads * headDim;
  const root = new GraphBuilder(options);
  const ids = root.placeholder('input_1', rows, 'DT_INT32');
  const g = root.in('StatefulPartitionedCall/transformer_lm/encoder');
  const words = l.gather(g, g.weight([vocabulary, hidden], {spread: 0.2}), ids, 'embed/0/embedding_lookup');
  const loud = l.mul(g.in('embed'), words, g.float(Math.sqrt(hidden), 'mul/y'));
  let x = l.add(g.in('embed'), loud, g.weight([1, rows[1], hidden], {spread: 0.5}, 'strided_slice'));
  for (let i = 0; i < layers; i++) {
    // All layers share their names, told apart by suffixes.
    const layer = g.in('encoder');
    const normed = l.layerNorm(layer.in('norm1'), x, hidden, 1e-12);
    const heads4 = (name: string): Ref => {
      const projected = l.staticDense(layer.in(`output_attention/${name}`), normed, rows, hidden, hidden);
      return l.splitHeads(layer.in('output_attention'), projected, [rows[0], -1], heads, headDim);
    };
    const at = layer.in('output_attention');
    const [query, key, value] = [heads4('linear_q'), heads4('linear_k'), heads4('linear_v')];
    const scores = l.matmul(at.in('ArithmeticOptimizer/FoldTransposeIntoMatMul'), query, key, {adjY: true});
    const scaled = l.mul(at, scores, at.float(1 / Math.sqrt(headDim), 'truediv_recip'), 'truediv');
    const attended = l.transpose(at, l.matmul(at, at.op('Softmax', [at.logits(scaled)]), value), [0, 2, 1, 3]);
    x = l.add(layer, x, l.staticDense(at.in('linear_out'), attended, rows, hidden, hidden));
    const ffnOutput = layer.in('ffn_output');
    const inner = l.staticDense(ffnOutput.in('w_1'), l.layerNorm(layer.in('norm2'), x, hidden, 1e-12), rows, hidden, ffn);
    x = l.add(layer, x, l.staticDense(ffnOutput.in('w_2'), ffnOutput.op('Relu', [inner]), rows, ffn, hidden));
  }
  const after = l.layerNorm(g.in('after_norm'), x, hidden, 1e-12);
  // The last softmax is over words, and no attention.
  const words2 = l.staticDense(g.in('output'), after, rows, hidden, vocabulary);
  return root.build({log_probabilities: g.op('LogSoftmax', [words2])});
}
