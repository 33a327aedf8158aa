import {tensor} from '@tensorflow/tfjs-core';
import {bert, type TransformerSizes} from './bert.js';
import {distilBert} from './distilbert.js';
import {espnet} from './espnet.js';
import {handWritten, noAttention, perHead, type GenericOptions} from './generic.js';
import {gpt2} from './gpt2.js';
import type {BuiltModel} from './graph_builder.js';
import {keras2, type Keras2Options} from './keras2.js';
import {keras3} from './keras3.js';
import {mobileBert} from './mobilebert.js';
import {samDecoder} from './sam.js';
import {t5} from './t5.js';
import {universalSentenceEncoder} from './use.js';
import {hfVit, kerasVit} from './vit.js';
import {yolo11, yolo12} from './yolo.js';
import {floats, ids, ownLength, padding, pairs, type Inputs} from './zoo_inputs.js';

/** A model of one run: some graphs have their sizes baked in. */
export interface ZooRun extends BuiltModel {
  /** New tensors. */
  readonly inputs: () => Inputs;
}

/** A family of graphs, tiny, with what a swap must make of it. */
export interface ZooModel {
  readonly title: string;
  /** Attentions that the swap replaces. */
  readonly attentions: number;
  /** Attentions that it may only report, and why. */
  readonly left?: RegExp;
  /** It can only run through executeAsync. */
  readonly dynamic?: true;
  /** Softmaxes that are none of attention and stay. */
  readonly otherSoftmaxes?: number;
  /**
   * It has a mask of pairs, as an input, in its weights or made at run time, that a swap may keep. Elsewhere no tensor of the swapped
   * model may have a number for each pair.
   */
  readonly pairs?: true;
  /**
   * Both masks in one, the original makes a row that sees no key even over later keys too, the swapped one over those that the
   * causal mask leaves it: neither means anything, so they need only be finite. Elsewhere such rows must be equal.
   */
  readonly emptyRows?: 'finite';
  /** Batches and lengths to run; the first is the usual one. `batch` sequences of up to `length`, the last one all padding. */
  readonly runs: readonly (readonly [batch: number, length: number])[];
  readonly make: (batch: number, length: number) => ZooRun;
  /** Where query 0 stands among the keys, when a causal mask of the model says so. Default: so that the last query stands at the last key. */
  readonly queryOffset?: number;
  /** What the report must tell of it. */
  readonly notes?: RegExp;
}

const SIZES: TransformerSizes = {layers: 2, heads: 2, headDim: 6, ffn: 20, vocabulary: 40, positions: 64};
const KERAS = {layers: 2, heads: 2, keyDim: 8, hidden: 12, ffn: 20};
/** Of a batch with padding, without, and the shortest. Lengths are primes that are no size of a model, see the test of memory. */
const RUNS = [
  [3, 23],
  [1, 29],
  [1, 1],
] as const;
/** A second length, for keys that are no queries. */
const OTHER = 31;

const tokens =
  (model: BuiltModel) =>
  (batch: number, length: number): ZooRun => ({
    ...model,
    inputs: () => ({input_ids: ids(batch, length), attention_mask: padding(batch, length)}),
  });

const features =
  (model: BuiltModel, width: number, mask?: 'keys' | 'pairs', context = false) =>
  (batch: number, length: number): ZooRun => {
    const keys = context ? OTHER : length;
    return {
      ...model,
      inputs: () => ({
        x: floats([batch, length, width]),
        ...(context && {context: floats([batch, keys, width], 5)}),
        ...(mask === 'keys' && {attention_mask: padding(batch, keys)}),
        ...(mask === 'pairs' && {attention_mask: pairs(batch, length, keys)}),
      }),
    };
  };

const keras2Model = (title: string, options: Keras2Options, more: Partial<ZooModel> = {}, valueDim?: number): ZooModel => ({
  title: `Keras 2, ${title}`,
  attentions: KERAS.layers,
  runs: RUNS,
  make: features(keras2({...KERAS, valueDim}, options), KERAS.hidden, options.mask, options.cross),
  ...(options.causal === 'band' && {notes: /MatrixBandPart/}),
  ...more,
});

const hand = (title: string, options: Partial<GenericOptions>, more: Partial<ZooModel> = {}): ZooModel => {
  const model = handWritten({heads: 2, headDim: 6, ...options});
  return {
    title: `by hand, ${title}`,
    attentions: 1,
    runs: RUNS,
    make: (batch, length) => ({
      ...model,
      inputs: () => ({
        x: floats([batch, length, 12]),
        ...(options.mask && {mask: padding(batch, length, 'bool')}),
      }),
    }),
    ...more,
  };
};

export const zoo: readonly ZooModel[] = [
  {title: 'BERT of TensorFlow 2.7 (C)', attentions: 2, runs: RUNS, make: tokens(bert(SIZES, {stableSoftmax: false}))},
  {title: 'BERT (C′)', attentions: 2, runs: RUNS, make: tokens(bert(SIZES))},
  {title: 'BERT with shared constants', attentions: 2, runs: RUNS, make: tokens(bert(SIZES, {shareConstants: true}))},
  {
    title: 'MobileBERT (C″)',
    attentions: 2,
    runs: RUNS,
    make: (batch, length) =>
      tokens(mobileBert({layers: 2, heads: 2, headDim: 6, hidden: 20, ffn: 16, stacked: 2, vocabulary: 40}, [batch, length]))(
        batch,
        length,
      ),
  },
  {title: 'DistilBERT of 2021 (D)', attentions: 2, runs: RUNS, make: tokens(distilBert(SIZES))},
  {
    title: 'DistilBERT of 2025 (D′)',
    attentions: 2,
    runs: RUNS,
    make: (batch, length) => ({
      ...distilBert(SIZES, {stableSoftmax: true}),
      inputs: () => ({input_ids: ids(batch, length, 3, 'float32'), attention_mask: padding(batch, length, 'float32')}),
    }),
  },
  {
    title: 'Universal Sentence Encoder lite (B)',
    attentions: 2,
    dynamic: true,
    runs: RUNS,
    make: (batch, length) => ({
      ...universalSentenceEncoder({layers: 2, heads: 2, headDim: 6, ffn: 20, vocabulary: 40}),
      inputs: () => {
        // Every sentence has a word, or it would be no row of the sparse ids.
        const rows = Array.from({length: batch}, (_, row) => Math.max(1, ownLength(row, batch, length)));
        const indices = rows.flatMap((own, row) => Array.from({length: own}, (_, i) => [row, i]));
        return {
          indices: tensor(indices, [indices.length, 2], 'int32'),
          values: tensor(
            indices.map(([row, i]) => (7 * i! + 3 * row!) % 40),
            [indices.length],
            'int32',
          ),
        };
      },
    }),
  },
  {
    title: 'ESPnet (A)',
    attentions: 2,
    runs: RUNS,
    make: (batch, length) => ({...espnet(SIZES, [batch, length]), inputs: () => ({input_1: ids(batch, length)})}),
  },
  {title: 'GPT-2 (G)', attentions: 2, runs: RUNS, make: tokens(gpt2(SIZES))},
  {
    title: 'T5 (T)',
    attentions: 6,
    pairs: true,
    runs: RUNS,
    make: (batch, length) => ({
      ...t5(SIZES, [batch, length], OTHER),
      inputs: () => ({
        input_ids: ids(batch, length),
        attention_mask: padding(batch, length),
        decoder_input_ids: ids(batch, OTHER, 7),
      }),
    }),
  },
  keras2Model('no mask (K)', {}),
  keras2Model('keys masked', {mask: 'keys'}),
  keras2Model('pairs masked', {mask: 'pairs'}, {pairs: true}),
  keras2Model('causal', {causal: 'band'}),
  keras2Model('causal by ranges', {causal: 'range'}),
  keras2Model('causal, keys masked', {causal: 'band', mask: 'keys'}),
  keras2Model('cross attention, valueDim 5', {cross: true, mask: 'keys'}, {}, 5),
  keras2Model('causal by ranges, keys masked', {causal: 'range', mask: 'keys'}, {emptyRows: 'finite'}),
  // Keras aligns the first query with the first key.
  keras2Model('causal cross attention', {cross: true, causal: 'range'}, {queryOffset: 0}),
  {
    title: 'Keras 2, tokens',
    attentions: 2,
    runs: RUNS,
    make: tokens(keras2({...KERAS, tokens: {vocabulary: 40, positions: 64}}, {mask: 'keys'})),
  },
  {title: 'Keras 3 (N)', attentions: 2, runs: RUNS, make: features(keras3({...KERAS, headDim: 8}), KERAS.hidden)},
  {
    title: 'Keras 3, pairs masked',
    attentions: 2,
    pairs: true,
    runs: RUNS,
    make: features(keras3({...KERAS, headDim: 8}, {mask: true}), KERAS.hidden, 'pairs'),
  },
  {
    title: 'Keras 3, causal',
    attentions: 2,
    pairs: true,
    notes: /Cumsum/,
    runs: RUNS,
    make: features(keras3({...KERAS, headDim: 8}, {causal: 'count'}), KERAS.hidden),
  },
  {
    title: 'Keras 3, causal by ranges',
    attentions: 2,
    runs: RUNS,
    make: features(keras3({...KERAS, headDim: 8}, {causal: 'range'}), KERAS.hidden),
  },
  {
    title: 'Keras 3, grouped queries, pairs masked',
    attentions: 2,
    pairs: true,
    runs: RUNS,
    make: features(keras3({...KERAS, heads: 4, keyHeads: 2, headDim: 8}, {mask: true}), KERAS.hidden, 'pairs'),
  },
  {
    title: 'Keras 3, grouped queries',
    attentions: 2,
    runs: RUNS,
    make: features(keras3({...KERAS, heads: 6, keyHeads: 2, headDim: 8}), KERAS.hidden),
  },
  {
    title: 'ViT of Keras',
    attentions: 2,
    // 9 is a factor of the 36 features of query, key and value.
    runs: [
      [2, 25],
      [1, 9],
    ],
    make: images(kerasVit, 0),
  },
  {
    title: 'ViT of Hugging Face',
    attentions: 2,
    runs: [
      [2, 17],
      [1, 37],
    ],
    make: images(hfVit, 1),
  },
  {
    title: 'YOLO11 (E)',
    attentions: 1,
    otherSoftmaxes: 1,
    runs: [
      [2, 35],
      [1, 1],
    ],
    make: (batch, length) => {
      const map = [length % 7 === 0 ? 7 : 1, length % 7 === 0 ? length / 7 : length] as const;
      const model = yolo11({heads: 2, headDim: 4, valueDim: 8, map}, batch);
      return {...model, inputs: () => ({images: floats([batch, ...map, 16])})};
    },
  },
  {
    title: 'YOLO12, areas (E′)',
    attentions: 1,
    runs: [
      [2, 35],
      [1, 7],
    ],
    make: (batch, length) => {
      const map = [4, length] as const;
      const model = yolo12({heads: 2, headDim: 8, map}, batch, 4);
      return {...model, inputs: () => ({images: floats([batch, ...map, 16])})};
    },
  },
  {
    title: 'SAM decoder (F)',
    attentions: 3,
    dynamic: true,
    runs: RUNS,
    make: (batch, length) => ({
      ...samDecoder({heads: 2, headDim: 8, ffn: 20}),
      inputs: () => ({tokens: floats([batch, length, 16]), image: floats([batch, OTHER, 16], 5)}),
    }),
  },
  hand('a division', {}),
  hand('a multiplication, keys masked', {scale: 'multiply', mask: 'added'}),
  hand('a scale on the key', {scale: 'key', mask: 'logarithm'}),
  hand('a folded scale, a transposed key', {scale: 'folded', transposedKey: true}),
  hand('SelectV2', {mask: 'SelectV2'}),
  hand('Select', {mask: 'Select', scale: 'query'}),
  hand('a mask that multiplies and adds', {mask: 'multiplied'}),
  hand('a mask that only multiplies', {mask: 'multiplied alone'}, {attentions: 0, left: /multipl/}),
  hand('Max, Sub, Exp, Sum, RealDiv', {softmax: 'shifted', mask: 'added'}),
  hand('Exp, Sum, RealDiv', {softmax: 'plain'}),
  hand('a softmax in two dimensions', {softmax: 'flattened', mask: 'added'}),
  {
    title: 'MatMul per head',
    attentions: 2,
    runs: [[1, 23]],
    make: (_, length) => ({...perHead({heads: 2, headDim: 6, length}), inputs: () => ({x: floats([1, length, 12])})}),
  },
  {
    title: 'MatMul of one head',
    attentions: 1,
    runs: [[1, 23]],
    make: (_, length) => ({...perHead({heads: 1, headDim: 12, length}), inputs: () => ({x: floats([1, length, 12])})}),
  },
  {title: 'no attention', attentions: 0, otherSoftmaxes: 2, runs: RUNS, make: features(noAttention(12), 12)},
];

/** `length` counts the class token. */
function images(build: typeof hfVit, extra: number): ZooModel['make'] {
  return (batch, length) => {
    const edge = Math.sqrt(length - extra);
    const model = build({layers: 2, heads: 2, headDim: 6, ffn: 20, edge});
    return {...model, inputs: () => ({image: floats([batch, 4 * edge, 4 * edge, 3])})};
  };
}
