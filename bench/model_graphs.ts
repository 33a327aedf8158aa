import {tensor, type io, type Tensor} from '@tensorflow/tfjs-core';
import {bert, bertAttention} from '../test/support/models/bert.js';
import {uniform} from '../test/support/models/graph_builder.js';
import {keras2, keras2Attention} from '../test/support/models/keras2.js';

/** matMul: Hugging Face BERT. Einsum: the same sizes written with Keras 2's MultiHeadAttention. */
export const GRAPHS = ['matMul', 'Einsum'] as const;
export type GraphName = (typeof GRAPHS)[number];

export interface BertSizes {
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  readonly ffn: number;
  readonly vocabulary: number;
}

export type Inputs = Record<string, Tensor>;

/** The whole encoder, with seeded weights. BERT base has 86 million of them in its layers. */
export function encoderGraph(
  graph: GraphName,
  {layers, heads, headDim, ffn, vocabulary}: BertSizes,
  positions: number,
): io.ModelArtifacts {
  if (graph === 'matMul') return bert({layers, heads, headDim, ffn, vocabulary, positions}).artifacts;
  const sizes = {layers, heads, keyDim: headDim, hidden: heads * headDim, ffn, tokens: {vocabulary, positions}};
  return keras2(sizes, {mask: 'keys'}).artifacts;
}

/** The attention of one of its layers, between the projections. */
export function attentionGraph(graph: GraphName, {heads, headDim}: BertSizes): io.ModelArtifacts {
  return graph === 'matMul' ? bertAttention({heads, headDim}).artifacts : keras2Attention({heads, keyDim: headDim}).artifacts;
}

/** Random tokens; the last sixteenth is padding. */
export function encoderInputs({vocabulary}: BertSizes, n: number): Inputs {
  const random = uniform(n);
  const ids = Int32Array.from({length: n}, () => Math.floor(vocabulary * random()));
  return {input_ids: tensor(ids, [1, n], 'int32'), attention_mask: padding(n)};
}

export function attentionInputs(graph: GraphName, {heads, headDim}: BertSizes, n: number): Inputs {
  const random = uniform(n);
  const shape = graph === 'matMul' ? [1, n, heads * headDim] : [1, n, heads, headDim];
  const draw = (): Tensor =>
    tensor(
      Float32Array.from({length: n * heads * headDim}, () => 3 * random() - 1.5),
      shape,
    );
  return {query: draw(), key: draw(), value: draw(), attention_mask: padding(n)};
}

const padding = (n: number): Tensor =>
  tensor(
    Int32Array.from({length: n}, (_, i) => Number(i < n - Math.floor(n / 16))),
    [1, n],
    'int32',
  );

/** The largest tensor that the original makes, in bytes. TensorFlow.js multiplies an Einsum out before it sums. */
export function largestTensor(graph: GraphName, {heads, headDim}: BertSizes, n: number, part: 'model' | 'attention'): number {
  const scores = 4 * heads * n * n;
  if (graph === 'matMul') return scores;
  const projection = part === 'model' ? 4 * n * (heads * headDim) ** 2 : 0;
  return Math.max(scores * headDim, projection);
}
