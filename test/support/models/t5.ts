import type {TransformerSizes} from './bert.js';
import {GraphBuilder, uniform, type BuilderOptions, type BuiltModel, type Ref} from './graph_builder.js';
import * as l from './layers.js';

type Rows = readonly [batch: number, length: number];

/**
 * Hugging Face T5 with fixed sizes (T): no scale, scores by an Einsum and outputs by a product, dense layers without bias. The encoder
 * adds a constant of relative positions to a padding mask; the decoder's constant holds the causal mask too; cross attention has the
 * encoder's padding alone. Inputs input_ids, attention_mask [batch, length] and decoder_input_ids [batch, decoderLength], int32.
 */
export function t5(sizes: TransformerSizes, rows: Rows, decoderLength: number, options: BuilderOptions = {}): BuiltModel {
  const {layers, heads, headDim, ffn, vocabulary} = sizes;
  const hidden = heads * headDim;
  const root = new GraphBuilder(options);
  const ids = root.placeholder('input_ids', rows, 'DT_INT32');
  const mask = root.placeholder('attention_mask', rows, 'DT_INT32');
  const decoderRows: Rows = [rows[0], decoderLength];
  const decoderIds = root.placeholder('decoder_input_ids', decoderRows, 'DT_INT32');
  const g = root.in('StatefulPartitionedCall/tft5');
  const table = g.weight([vocabulary, hidden], {spread: 1.5}, 'shared');
  const reshaped = l.reshape(g, mask, [rows[0], 1, 1, rows[1]]);
  const far = l.farWhereZero(g, l.cast(g, reshaped, 'DT_INT32', 'DT_FLOAT'), -1e9);

  const feedForward = (at: GraphBuilder, x: Ref, from: Rows): Ref => {
    const inner = l.staticDense(at.in('wi'), rmsNorm(at.in('layer_norm'), x, hidden), from, hidden, ffn, {bias: false});
    return l.add(at, x, l.staticDense(at.in('wo'), at.op('Relu', [inner]), from, ffn, hidden, {bias: false}));
  };
  let encoded = l.gather(g, table, ids, 'encoder/embed_tokens');
  for (let i = 0; i < layers; i++) {
    const at = g.in(`encoder/block_._${i}`);
    const bias = l.add(at, relativeBias(at, heads, rows[1], {causal: false}), far, 'add_1');
    encoded = attention(at.in('layer_._0'), encoded, rows, undefined, bias, sizes);
    encoded = feedForward(at.in('layer_._1'), encoded, rows);
  }
  encoded = rmsNorm(g.in('encoder/final_layer_norm'), encoded, hidden);
  let x = l.gather(g, table, decoderIds, 'decoder/embed_tokens');
  for (let i = 0; i < layers; i++) {
    const at = g.in(`decoder/block_._${i}`);
    x = attention(at.in('layer_._0'), x, decoderRows, undefined, relativeBias(at, heads, decoderLength, {causal: true}), sizes);
    const cross = g.op('AddV2', [g.float(1e-9, 'add_1/y'), far], {}, 'Add');
    x = attention(at.in('layer_._1'), x, decoderRows, {memory: encoded, rows}, cross, sizes);
    x = feedForward(at.in('layer_._2'), x, decoderRows);
  }
  return root.build({last_hidden_state: rmsNorm(g.in('decoder/final_layer_norm'), x, hidden)});
}

function attention(
  g: GraphBuilder,
  x: Ref,
  rows: Rows,
  cross: {memory: Ref; rows: Rows} | undefined,
  bias: Ref,
  {heads, headDim}: TransformerSizes,
): Ref {
  const hidden = heads * headDim;
  const normed = rmsNorm(g.in('layer_norm'), x, hidden);
  const heads4 = (name: string, from: Ref, size: Rows, spread?: number): Ref => {
    const dot = g.in(`${name}/Tensordot`);
    const weight = dot.weight([hidden, hidden], {spread});
    const flat = l.matmul2(dot, l.reshape(dot, from, [size[0] * size[1], hidden]), weight);
    return l.splitHeads(g, l.reshape(g, flat, [...size, hidden], name), [size[0], -1], heads, headDim);
  };
  const [memory, memoryRows] = cross ? [cross.memory, cross.rows] : [normed, rows];
  // T5 has no scale: its query weights are that much smaller.
  const query = heads4('q', normed, rows, Math.sqrt(3 / hidden / headDim));
  const [key, value] = [heads4('k', memory, memoryRows), heads4('v', memory, memoryRows)];
  const scores = l.einsum(g, 'bnqd,bnkd->bnqk', query, key);
  const attended = l.matmul(g, g.op('Softmax', [g.logits(l.add(g, scores, bias, 'add_1'))]), value);
  const merged = l.transpose(g, attended, [0, 2, 1, 3]);
  return l.add(g, x, l.staticDense(g.in('o'), merged, rows, hidden, hidden, {bias: false}));
}

/** A constant [1, heads, length, length]: a seeded number per head and distance, capped at 16; and −1e9 for later keys. */
function relativeBias(g: GraphBuilder, heads: number, length: number, {causal}: {causal: boolean}): Ref {
  const random = uniform(5);
  const table = Array.from({length: heads * 33}, () => random() - 0.5);
  const values = Float32Array.from({length: heads * length * length}, (_, i) => {
    const [key, query, head] = [i % length, Math.floor(i / length) % length, Math.floor(i / length / length)];
    const distance = Math.max(-16, Math.min(16, key - query));
    return table[33 * head + 16 + distance]! + (causal && key > query ? -1e9 : 0) + 1e-9;
  });
  return g.constant(values, [1, heads, length, length], 'float32', 'SelfAttention/add');
}

function rmsNorm(g: GraphBuilder, x: Ref, size: number): Ref {
  const variance = l.meanOf(g, g.op('Square', [x]), 'Mean');
  const root = g.op('Rsqrt', [l.add(g, variance, g.float(1e-6, 'add/y'))]);
  return l.mul(g, g.weight([size], {mean: 1, spread: 0.2}), l.mul(g, x, root), 'mul_1');
}
